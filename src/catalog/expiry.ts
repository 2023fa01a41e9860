import { sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";
import { settleMissing } from "./log-ranges.ts";
import { type RetainedService, type RetentionOptions, retentionByLocation } from "./retention.ts";

export interface BackupPlace {
  readonly serviceId: string;
  readonly cloud: string;
}

/** An agent that was not heard of for this long counts as gone. */
const agentSilenceSeconds = 15;

/** Whether a cloud's agent lives, and says that its store answers. */
export async function isCloudReachable(db: CatalogDatabase, cloud: string): Promise<boolean> {
  const { rows } = await sql<{ reachable: boolean }>`
    select exists (select from agent where cloud = ${cloud}
             and seen_at > now() - make_interval(secs => ${agentSilenceSeconds}))
       and not exists (select from cloud_state where cloud = ${cloud} and not is_store_up) as reachable`.execute(db);
  return rows[0]?.reachable ?? false;
}

/**
 * Marks the base backups of a location that have expired (M3): they go from now on, and no work can begin that needs
 * them.
 * @returns their ids
 */
export async function markExpired(
  db: CatalogDatabase,
  service: RetainedService,
  options: RetentionOptions & { readonly cloud: string },
): Promise<readonly string[]> {
  const place = { serviceId: service.id, cloud: options.cloud };
  return await db.transaction().execute(async (trx) => {
    await lockCopies(trx, place);
    const retention = await retentionByLocation(trx, service, options);
    const decisions = retention.find(({ cloud }) => cloud === options.cloud)?.decisions ?? [];
    const expired = decisions.filter(({ reason }) => reason === "expired").map(({ id }) => id);
    for (const backupId of expired) await markDeleting(trx, { ...place, backupId, reason: "retention" });
    await forgetFailed(trx, service.id);
    return expired;
  });
}

/** Failed base backups are shown for as long as there are older ones that did not fail. */
async function forgetFailed(trx: CatalogDatabase, serviceId: string): Promise<void> {
  await sql`
    delete from base_backup where service_id = ${serviceId} and state = 'failed'
      and started_at < (select min(started_at) from base_backup where service_id = ${serviceId} and state = 'complete')
    `.execute(trx);
}

/** Forks, restores and others that choose a backup of the location at this moment wait, or are waited for. */
export async function lockCopies(trx: CatalogDatabase, { serviceId, cloud }: BackupPlace): Promise<void> {
  await trx
    .selectFrom("location")
    .select("cloud")
    .where("service_id", "=", serviceId)
    .where("cloud", "=", cloud)
    .forUpdate()
    .execute();
  await trx
    .selectFrom("backup_location")
    .select("backup_id")
    .where("service_id", "=", serviceId)
    .where("cloud", "=", cloud)
    .orderBy("backup_id")
    .forUpdate()
    .execute();
}

/** Begins the end of a base backup at a location. Once the primary has none of it, copies of it do not come any more. */
export async function markDeleting(
  trx: CatalogDatabase,
  backup: BackupPlace & { readonly backupId: string; readonly reason: "retention" | "request" },
): Promise<void> {
  const { backupId, cloud, reason } = backup;
  const marked = await trx
    .updateTable("backup_location")
    .set({ state: "deleting", delete_reason: reason })
    .where("backup_id", "=", backupId)
    .where("cloud", "=", cloud)
    .where("state", "!=", "deleted")
    .returning("role")
    .executeTakeFirst();
  if (marked?.role !== "primary") return;
  await trx
    .updateTable("backup_location")
    .set({ state: "deleted", delete_reason: reason })
    .where("backup_id", "=", backupId)
    .where("role", "=", "secondary")
    .where("state", "in", ["waiting", "failed"])
    .execute();
  await trx
    .updateTable("backup_location")
    .set({ state: "deleting", delete_reason: reason })
    .where("backup_id", "=", backupId)
    .where("role", "=", "secondary")
    .where("state", "=", "copying")
    .execute();
  const others = await trx
    .selectFrom("backup_location")
    .select("cloud")
    .where("backup_id", "=", backupId)
    .where("role", "=", "secondary")
    .where("state", "in", ["deleting", "deleted"])
    .execute();
  for (const other of others) await settleMissing(trx, { serviceId: backup.serviceId, cloud: other.cloud }, undefined);
}

/** Records that a base backup is gone from a location; with its last copy it is forgotten. */
export async function recordDeleted(
  trx: CatalogDatabase,
  { backupId, cloud }: BackupPlace & { readonly backupId: string },
): Promise<void> {
  // The last two copies may go at the same moment: the second one sees that the first is gone.
  await trx.selectFrom("base_backup").select("id").where("id", "=", backupId).forUpdate().execute();
  await trx
    .updateTable("backup_location")
    .set({ state: "deleted", trouble: null })
    .where("backup_id", "=", backupId)
    .where("cloud", "=", cloud)
    .where("state", "=", "deleting")
    .execute();
  await forgetDeleted(trx, backupId);
}

async function forgetDeleted(trx: CatalogDatabase, backupId: string): Promise<void> {
  await sql`
    delete from base_backup where id = ${backupId} and state in ('complete', 'deleting')
      and not exists (select from backup_location where backup_id = ${backupId} and state != 'deleted')`.execute(trx);
}

/** Whether a copy that was cancelled is still ending, of a base backup that goes from the location. */
export async function hasEndingCopies(db: CatalogDatabase, { serviceId, cloud }: BackupPlace): Promise<boolean> {
  const { rows } = await sql<{ ending: boolean }>`
    select exists (select from job join backup_location l on l.backup_id = job.input ->> 'backupId' and l.cloud = job.cloud
      where job.kind = 'copy' and job.service_id = ${serviceId} and job.cloud = ${cloud}
        and job.state = 'running' and job.is_cancel_requested and l.state = 'deleting') as ending`.execute(db);
  return rows[0]?.ending ?? false;
}

/**
 * Base backups that go from a location, those of which a copy may still be written there left out: it is being
 * cancelled.
 */
export async function deletingBackups(
  db: CatalogDatabase,
  { serviceId, cloud }: BackupPlace,
): Promise<readonly { readonly id: string; readonly reason: "retention" | "request" }[]> {
  const { rows } = await sql<{ id: string; reason: "retention" | "request" }>`
    select l.backup_id as id, coalesce(l.delete_reason, 'request') as reason from backup_location l
    where l.service_id = ${serviceId} and l.cloud = ${cloud} and l.state = 'deleting'
      and not exists (select from job where kind in ('copy', 'backup') and service_id = ${serviceId}
        and cloud = ${cloud} and input ->> 'backupId' = l.backup_id and state = 'running')
    order by l.backup_id`.execute(db);
  return rows;
}
