import { sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";

/** Something that is not as it should be, and has said why. */
export interface Trouble {
  /** Of what it is, for the table of what was told. */
  readonly subject: string;
  readonly kind: "service" | "location" | "job";
  readonly project: string;
  readonly serviceId: string | null;
  readonly serviceName: string | null;
  /** Clouds without which it cannot go on. */
  readonly clouds: readonly string[];
  /** Of a location. */
  readonly role: "primary" | "secondary" | null;
  /** `copy` and so on, of a job. */
  readonly jobKind: string | null;
  readonly trouble: string;
}

/** All that is in trouble now. */
export async function troublesOf(db: CatalogDatabase): Promise<readonly Trouble[]> {
  const { rows } = await sql<Trouble>`
    select 'service ' || id as subject, 'service' as kind, project, id as "serviceId", name as "serviceName",
      array[cloud] as clouds, null as role, null as "jobKind", trouble
    from service where trouble is not null and deleted_at is null
    union all
    select 'location ' || service.id || ' ' || location.cloud, 'location', service.project, service.id, service.name,
      array[location.cloud, service.cloud], location.role, null, location.trouble
    from location join service on service.id = location.service_id
    where location.trouble is not null and service.deleted_at is null and location.state != 'deleting'
    union all
    select 'job ' || job.id, 'job', job.project, job.service_id, job.service_name,
      array_remove(array[job.cloud, service.cloud], null), null, job.kind, job.trouble
    from job left join service on service.id = job.service_id
    where job.state = 'waiting' and job.trouble is not null`.execute(db);
  return rows;
}

/** A trouble that is known, and whether it was told. */
export interface KnownTrouble {
  readonly subject: string;
  readonly since: Date;
  readonly told_at: Date | null;
}

export async function knownTroubles(db: CatalogDatabase): Promise<ReadonlyMap<string, KnownTrouble>> {
  const rows = await db.selectFrom("told_trouble").selectAll().execute();
  return new Map(rows.map((row) => [row.subject, row]));
}

export async function noteTrouble(db: CatalogDatabase, subject: string, since: Date): Promise<void> {
  await db
    .insertInto("told_trouble")
    .values({ subject, since })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function noteTold(db: CatalogDatabase, subject: string, at: Date): Promise<void> {
  await db.updateTable("told_trouble").set({ told_at: at }).where("subject", "=", subject).execute();
}

export async function forgetTrouble(db: CatalogDatabase, subject: string): Promise<void> {
  await db.deleteFrom("told_trouble").where("subject", "=", subject).execute();
}
