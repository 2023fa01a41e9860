import { sql } from "kysely";
import { BtarError } from "../domain/errors.ts";
import type { CatalogDatabase } from "./catalog.ts";

/** Use of what a service has in a store, by one holder. */
export interface StoreUse {
  readonly serviceId: string;
  readonly cloud: string;
  /** `AGENT JOB`: unique among all that use stores at the same time. */
  readonly holder: string;
  /**
   * `write`: a backup is taken or copied into it. `collect`: what nothing names is removed. `remove`: everything is,
   * since the location was turned off.
   */
  readonly purpose: "write" | "collect" | "remove";
}

/** Far longer than the renewals are apart. A holder that has not renewed for this long has lost it. */
export const storeUseSeconds = 30;

/**
 * Takes the use of a store, if what others do there allows it: those who write go together, others alone; a removal
 * waits for duties and forks, too.
 * @throws {BtarError} NOT_FOUND when the service has no location there (any more)
 */
export async function takeStoreUse(db: CatalogDatabase, use: StoreUse): Promise<boolean> {
  return await db.transaction().execute(async (trx) => {
    // Whoever takes the use of this store at the same moment waits here, and then sees what was taken.
    const location = await trx
      .selectFrom("location")
      .select("state")
      .where("service_id", "=", use.serviceId)
      .where("cloud", "=", use.cloud)
      .forUpdate()
      .executeTakeFirst();
    if (!location) {
      throw new BtarError("NOT_FOUND", { message: `service ${use.serviceId} has no backups in ${use.cloud} any more` });
    }
    if (use.purpose === "remove" && location.state !== "deleting") return false;
    await sql`delete from store_use where expires_at < now()`.execute(trx);
    const others = await trx
      .selectFrom("store_use")
      .select("purpose")
      .where("service_id", "=", use.serviceId)
      .where("cloud", "=", use.cloud)
      .where("holder", "!=", use.holder)
      .execute();
    const isFree = use.purpose === "write" ? others.every(({ purpose }) => purpose === "write") : others.length === 0;
    if (!isFree || (use.purpose === "remove" && (await isReadOrWritten(trx, use)))) return false;
    await sql`
      insert into store_use (service_id, cloud, holder, purpose, expires_at)
      values (${use.serviceId}, ${use.cloud}, ${use.holder}, ${use.purpose},
        now() + make_interval(secs => ${storeUseSeconds}))
      on conflict (service_id, cloud, holder) do update
        set purpose = excluded.purpose, expires_at = excluded.expires_at`.execute(trx);
    return true;
  });
}

async function isReadOrWritten(trx: CatalogDatabase, { serviceId, cloud }: StoreUse): Promise<boolean> {
  const { rows } = await sql<{ busy: boolean }>`
    select exists (select from duty_lease
             where service_id = ${serviceId} and cloud = ${cloud} and expires_at > now())
        or exists (select from job
             where kind in ('fork', 'restore') and state in ('queued', 'running', 'waiting') and not is_cancel_requested
               and input ->> 'fromCloud' = ${cloud}
               and coalesce(input -> 'source' ->> 'serviceId', service_id::text) = ${serviceId}) as busy`.execute(trx);
  return rows[0]?.busy ?? false;
}

/** Renews a use; false when it is lost, or a location that is being removed was enabled again. */
export async function renewStoreUse(db: CatalogDatabase, use: StoreUse): Promise<boolean> {
  const result = await sql`
    update store_use set expires_at = now() + make_interval(secs => ${storeUseSeconds})
    where service_id = ${use.serviceId} and cloud = ${use.cloud} and holder = ${use.holder}
      and (purpose != 'remove' or exists (select from location
             where service_id = ${use.serviceId} and cloud = ${use.cloud} and state = 'deleting'))`.execute(db);
  return (result.numAffectedRows ?? 0n) > 0n;
}

export async function releaseStoreUse(db: CatalogDatabase, use: StoreUse): Promise<void> {
  await db
    .deleteFrom("store_use")
    .where("service_id", "=", use.serviceId)
    .where("cloud", "=", use.cloud)
    .where("holder", "=", use.holder)
    .execute();
}

/** Releases all that an agent holds. */
export async function releaseStoreUses(db: CatalogDatabase, agentId: string): Promise<void> {
  await sql`delete from store_use where starts_with(holder, ${`${agentId} `})`.execute(db);
}
