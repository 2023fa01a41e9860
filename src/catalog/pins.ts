import { sql } from "kysely";
import { BtarError } from "../domain/errors.ts";
import type { CatalogDatabase } from "./catalog.ts";

/** Open work that needs a base backup at a location. */
export interface BackupPin {
  readonly backupId: string;
  readonly cloud: string;
  readonly jobId: string;
  readonly kind: string;
}

/**
 * What open work needs of a service's base backups: forks and restores what they read, copies that have begun the
 * primary's, and a backup that is being taken the newest one, which it builds on. What was cancelled needs nothing.
 */
export async function pinsOf(db: CatalogDatabase, serviceId: string): Promise<readonly BackupPin[]> {
  const { rows } = await sql<BackupPin>`
    with open_job as (
      select id, kind, cloud, state, service_id, input ->> 'backupId' as backup_id, input ->> 'fromCloud' as from_cloud
      from job where state in ('queued', 'running', 'waiting') and not is_cancel_requested
        and kind in ('fork', 'restore', 'copy', 'backup'))
    select backup_id as "backupId", from_cloud as cloud, id as "jobId", kind from open_job
    where kind in ('fork', 'restore') and backup_id in (select id from base_backup where service_id = ${serviceId})
    union all
    select l.backup_id, l.cloud, j.id, j.kind from open_job j
    join backup_location l on l.backup_id = j.backup_id and l.role = 'primary'
    where j.kind = 'copy' and j.state != 'queued' and j.service_id = ${serviceId}
    union all
    (select b.id, l.cloud, j.id, j.kind from open_job j
    join base_backup b on b.service_id = j.service_id
    join backup_location l on l.backup_id = b.id and l.role = 'primary' and l.state = 'complete'
    where j.kind = 'backup' and j.state != 'queued' and j.service_id = ${serviceId}
    order by b.consistent_at desc limit 1)`.execute(db);
  return rows;
}

/**
 * Makes sure that a base backup is complete at a location until the transaction ends; a job that the transaction adds
 * keeps it from then on.
 * @throws {BtarError} NO_BACKUP
 */
export async function lockCompleteBackup(
  trx: CatalogDatabase,
  backup: { readonly backupId: string; readonly cloud: string },
): Promise<void> {
  const row = await trx
    .selectFrom("backup_location")
    .select("state")
    .where("backup_id", "=", backup.backupId)
    .where("cloud", "=", backup.cloud)
    .forShare()
    .executeTakeFirst();
  if (row?.state === "complete") return;
  throw new BtarError("NO_BACKUP", {
    message: `base backup ${backup.backupId} in ${backup.cloud} was deleted meanwhile`,
    hint: "choose another one; `btar backup list` shows them",
  });
}
