import { sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";

/** Continuous work for a service in a cloud, done by one agent at a time. */
export interface Duty {
  readonly duty: "archive-log" | "watch-slot" | "copy-log" | "merge-log";
  readonly serviceId: string;
  readonly cloud: string;
}

/** A holder that has not renewed for this long has lost the duty. */
const leaseSeconds = 10;

/** Takes or renews a duty; false when another agent holds it. */
export async function holdDuty(db: CatalogDatabase, duty: Duty, holder: string): Promise<boolean> {
  const result = await sql`
    insert into duty_lease (duty, service_id, cloud, holder, expires_at)
    values (${duty.duty}, ${duty.serviceId}, ${duty.cloud}, ${holder}, now() + make_interval(secs => ${leaseSeconds}))
    on conflict (duty, service_id, cloud) do update
      set holder = excluded.holder, expires_at = excluded.expires_at
      where duty_lease.holder = excluded.holder or duty_lease.expires_at < now()`.execute(db);
  return (result.numAffectedRows ?? 0n) > 0n;
}

export async function releaseDuty(db: CatalogDatabase, duty: Duty, holder: string): Promise<void> {
  await db
    .deleteFrom("duty_lease")
    .where("duty", "=", duty.duty)
    .where("service_id", "=", duty.serviceId)
    .where("cloud", "=", duty.cloud)
    .where("holder", "=", holder)
    .execute();
}
