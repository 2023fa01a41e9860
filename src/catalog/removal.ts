import { sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";
import { recordEvent } from "./events.ts";
import type { BackupPlace } from "./expiry.ts";

interface RemovedService {
  readonly id: string;
  readonly name: string;
  readonly project: string;
}

/** Nothing counts as being at the location any more, so that whoever enables it again copies all of it. */
export async function beginRemoval(db: CatalogDatabase, { serviceId, cloud }: BackupPlace): Promise<void> {
  await db.transaction().execute(async (trx) => {
    for (const table of ["backup_location", "log_range", "log_retention", "lag_sample", "store_sample"] as const) {
      await trx.deleteFrom(table).where("service_id", "=", serviceId).where("cloud", "=", cloud).execute();
    }
  });
}

/**
 * Forgets a location whose objects are gone; with a deleted service's last one, the service. When the store has refused
 * to remove some, the location stays, and is tried again.
 * @param removed.holder who still holds the use of the store; without it nothing is forgotten
 */
export async function endRemoval(
  db: CatalogDatabase,
  service: RemovedService,
  removed: { readonly cloud: string; readonly holder: string; readonly refusal: string | undefined },
): Promise<void> {
  const { cloud, holder, refusal } = removed;
  const { id, name, project } = service;
  await db.transaction().execute(async (trx) => {
    if (refusal !== undefined) {
      await refuseRemoval(trx, service, { cloud, refusal });
      return;
    }
    const gone = await trx
      .deleteFrom("location")
      .where("service_id", "=", id)
      .where("cloud", "=", cloud)
      .where("state", "=", "deleting")
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom("store_use")
            .select("holder")
            .where("service_id", "=", id)
            .where("cloud", "=", cloud)
            .where("holder", "=", holder),
        ),
      )
      .returning("cloud")
      .executeTakeFirst();
    if (!gone) return; // enabled again at the last moment
    await sql`
      delete from base_backup where service_id = ${id} and state in ('complete', 'deleting', 'failed')
        and not exists (select from backup_location where backup_id = base_backup.id and state != 'deleted')`.execute(
      trx,
    );
    const message = `the backups of ${name} in ${cloud} were removed: their grace time is over`;
    await recordEvent(trx, { project, service, kind: "location_removed", severity: "info", message });
    await forgetDeletedServices(trx);
  });
}

async function refuseRemoval(
  trx: CatalogDatabase,
  { id, name, project }: RemovedService,
  { cloud, refusal }: { readonly cloud: string; readonly refusal: string },
): Promise<void> {
  const trouble = `the store refuses to remove copies: ${refusal}`;
  const before = await trx
    .selectFrom("location")
    .select("trouble")
    .where("service_id", "=", id)
    .where("cloud", "=", cloud)
    .forUpdate()
    .executeTakeFirst();
  if (!before || before.trouble === trouble) return;
  await trx.updateTable("location").set({ trouble }).where("service_id", "=", id).where("cloud", "=", cloud).execute();
  const message = `copies of ${name} stay in ${cloud}: ${trouble}`;
  await recordEvent(trx, {
    ...{ project, service: { id, name }, kind: "removal_refused", severity: "warning" as const, message },
  });
}

/** Deleted services are forgotten once they have no backups, and their server or slot is gone. */
export async function forgetDeletedServices(db: CatalogDatabase): Promise<void> {
  await sql`
    delete from service where deleted_at is not null
      and not exists (select from location where service_id = service.id)
      and not exists (select from job where service_id = service.id and kind != 'collect'
        and state in ('queued', 'running', 'waiting'))`.execute(db);
}
