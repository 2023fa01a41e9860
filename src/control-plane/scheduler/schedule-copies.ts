import { sql } from "kysely";
import type { BackupLocationState } from "../../catalog/backup-tables.ts";
import type { ControlPlaneContext } from "../context.ts";
import { copyPriority, isCopyDue } from "./copy-schedule.ts";

interface Lacking {
  readonly service_id: string;
  readonly service_name: string;
  readonly project: string;
  readonly cloud: string;
  readonly backup_id: string;
  readonly started_at: Date;
  readonly completed_at: Date;
  readonly state: BackupLocationState | null;
  readonly last_ended_at: Date | null;
}

/** Asks for the copies that are due: complete base backups that an additional cloud lacks, the newest first (E5). */
export async function scheduleCopies(context: ControlPlaneContext): Promise<void> {
  for (const lacking of await whatIsLacking(context)) {
    const { started_at, state, last_ended_at } = lacking;
    const candidate = {
      startedAt: started_at,
      state: state ?? undefined,
      lastEndedAt: last_ended_at ?? undefined,
    };
    if (isCopyDue(candidate, context.clock.now())) await requestCopy(context, lacking);
  }
}

async function whatIsLacking({ catalog }: ControlPlaneContext): Promise<readonly Lacking[]> {
  const { rows } = await sql<Lacking>`
    select service.id as service_id, service.name as service_name, service.project, location.cloud,
           backup.id as backup_id, backup.started_at, backup.completed_at, copy.state,
           (select max(finished_at) from job where job.service_id = service.id and job.kind = 'copy'
              and job.cloud = location.cloud and job.input ->> 'backupId' = backup.id) as last_ended_at
    from location
    join service on service.id = location.service_id
    join base_backup backup on backup.service_id = service.id and backup.state = 'complete'
    join backup_location original on original.backup_id = backup.id and original.role = 'primary'
      and original.state = 'complete'
    left join backup_location copy on copy.backup_id = backup.id and copy.cloud = location.cloud
    where location.role = 'secondary' and location.state = 'active' and not location.is_paused
      and (copy.state is null or copy.state in ('waiting', 'copying', 'failed'))
      and not exists (select from job where job.service_id = service.id and job.kind = 'copy'
                        and job.cloud = location.cloud and job.input ->> 'backupId' = backup.id
                        and job.state in ('queued', 'running', 'waiting'))
    order by backup.started_at desc`.execute(catalog.db);
  return rows;
}

async function requestCopy({ catalog, jobs }: ControlPlaneContext, lacking: Lacking): Promise<void> {
  const { service_id, service_name, project, cloud, backup_id, started_at, completed_at } = lacking;
  await catalog.db.transaction().execute(async (trx) => {
    // It may be paused or turned off at this moment, and the backup may have been deleted, or have expired.
    const location = await trx
      .selectFrom("location")
      .select(["state", "is_paused"])
      .where("service_id", "=", service_id)
      .where("cloud", "=", cloud)
      .forShare()
      .executeTakeFirst();
    if (location?.state !== "active" || location.is_paused) return;
    const original = await trx
      .selectFrom("backup_location")
      .select("state")
      .where("backup_id", "=", backup_id)
      .where("role", "=", "primary")
      .forShare()
      .executeTakeFirst();
    if (original?.state !== "complete") return;
    await trx
      .insertInto("backup_location")
      .values({ backup_id, service_id, cloud, role: "secondary", state: "waiting" })
      .onConflict((conflict) =>
        conflict
          .columns(["backup_id", "cloud"])
          .doUpdateSet({ state: "waiting", trouble: null })
          .where("backup_location.state", "not in", ["deleting", "deleted"]),
      )
      .execute();
    // L1: a location that was just enabled lacks what was stored before.
    await sql`
      update location set oldest_missing_at = least(oldest_missing_at, ${completed_at}::timestamptz)
      where service_id = ${service_id} and cloud = ${cloud}`.execute(trx);
    await jobs.enqueue(
      {
        kind: "copy",
        cloud,
        project,
        service: { id: service_id, name: service_name },
        input: { backupId: backup_id },
        priority: copyPriority(started_at),
      },
      trx,
    );
  });
}
