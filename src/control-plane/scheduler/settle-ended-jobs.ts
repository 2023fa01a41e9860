import { sql } from "kysely";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import type { ControlPlaneContext } from "../context.ts";
import { deleteService } from "../services/delete-service.ts";

/** Ends what a job that was cancelled, or that could not end well itself, has left open in the catalog. */
export async function settleEndedJobs(context: ControlPlaneContext): Promise<void> {
  await context.jobs.endAbandoned();
  await failBackupsWithoutJob(context.catalog.db);
  await removeCancelledServices(context);
  await applyMissedChanges(context);
}

/** A base backup whose job was cancelled is taken by nobody any more. */
async function failBackupsWithoutJob(db: CatalogDatabase): Promise<void> {
  await sql`
    with ended as (
      update base_backup set state = 'failed', trouble = coalesce(trouble, 'its job was cancelled')
      where state = 'running'
        and not exists (select from job where job.service_id = base_backup.service_id and job.kind = 'backup'
                          and job.input ->> 'backupId' = base_backup.id
                          and job.state in ('queued', 'running', 'waiting'))
      returning id, trouble)
    update backup_location set state = 'failed', trouble = ended.trouble
    from ended where backup_location.backup_id = ended.id`.execute(db);
}

/** F7: a service whose fork or creation was cancelled before an agent had it leaves nothing behind. */
async function removeCancelledServices(context: ControlPlaneContext): Promise<void> {
  const { rows } = await sql<{ id: string }>`
    select service.id from service
    join lateral (select state from job where job.service_id = service.id and job.kind in ('provision', 'fork')
                  order by created_at desc limit 1) build on true
    where service.deleted_at is null and service.state = 'REBUILDING' and service.agent_id is null
      and not service.termination_protection and build.state = 'cancelled'`.execute(context.catalog.db);
  for (const { id } of rows) {
    await deleteService(context, {
      id,
      actor: "btar",
      event: ({ name }) => ({
        kind: "service_delete",
        message: `Removed service '${name}': its creation was cancelled`,
      }),
    });
  }
}

/** What was changed while a service was being built is applied when it runs. */
async function applyMissedChanges({ catalog, jobs }: ControlPlaneContext): Promise<void> {
  const { rows } = await sql<{ id: string; name: string; project: string; cloud: string; generation: number }>`
    select id, name, project, cloud, generation from service
    where deleted_at is null and kind = 'managed' and agent_id is not null
      and state in ('RUNNING', 'REBALANCING') and generation > applied_generation
      and not exists (select from job where job.service_id = service.id and job.kind = 'apply'
                        and (job.input ->> 'generation')::bigint >= service.generation)`.execute(catalog.db);
  for (const { id, name, project, cloud, generation } of rows) {
    await jobs.enqueue({ kind: "apply", cloud, project, service: { id, name }, input: { generation }, priority: 20 });
  }
}
