import { sql } from "kysely";
import { requestBaseBackup } from "../../catalog/backups.ts";
import type { JobState } from "../../catalog/work-tables.ts";
import type { ControlPlaneContext } from "../context.ts";
import { nextBackupAt, scheduleOf } from "./backup-schedule.ts";

interface Candidate {
  readonly id: string;
  readonly name: string;
  readonly project: string;
  readonly cloud: string;
  readonly user_config: Readonly<Record<string, unknown>>;
  readonly newest_started_at: Date | null;
  readonly last_job_state: JobState | null;
  readonly last_job_finished_at: Date | null;
}

/**
 * Asks for the base backups that are due (P1): of services that run, and have none under way.
 * @returns when the next one is due, if nothing changes
 */
export async function scheduleBackups(context: ControlPlaneContext): Promise<Date | undefined> {
  const { catalog, jobs, configuration, clock } = context;
  let next: Date | undefined;
  for (const service of await candidates(context)) {
    const { newest_started_at, last_job_state, last_job_finished_at } = service;
    const history = {
      newestStartedAt: newest_started_at ?? undefined,
      lastJob:
        last_job_state && last_job_finished_at
          ? { state: last_job_state, finishedAt: last_job_finished_at }
          : undefined,
    };
    const [now, dueAt] = [clock.now(), nextBackupAt(scheduleOf(service, configuration), history, clock.now())];
    if (dueAt <= now)
      await catalog.db.transaction().execute((trx) => requestBaseBackup(trx, jobs, service, "schedule"));
    else if (next === undefined || dueAt < next) next = dueAt;
  }
  return next;
}

async function candidates({ catalog }: ControlPlaneContext): Promise<readonly Candidate[]> {
  const { rows } = await sql<Candidate>`
    select service.id, service.name, service.project, service.cloud, service.user_config,
           newest.started_at as newest_started_at,
           last_job.state as last_job_state, last_job.finished_at as last_job_finished_at
    from service
    left join lateral (
      select started_at from base_backup where service_id = service.id order by started_at desc limit 1) newest on true
    left join lateral (
      select state, finished_at from job where service_id = service.id and kind = 'backup'
      order by created_at desc limit 1) last_job on true
    where service.deleted_at is null and service.is_powered and service.state in ('RUNNING', 'REBALANCING')
      and not exists (select from job where job.service_id = service.id and job.kind = 'backup'
                        and job.state in ('queued', 'running', 'waiting'))`.execute(catalog.db);
  return rows;
}
