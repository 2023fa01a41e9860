import { sql } from "kysely";
import type { ControlPlaneContext } from "../context.ts";
import { agentSilenceMs } from "../status/cloud-states.ts";

/** Servers that were lost need a while to start, and archivers to go on. */
const settledMs = 60_000;

/**
 * When a cloud is back that was down when services of it were forked elsewhere, it is looked once what never reached
 * those forks, so that people are told.
 */
export async function scheduleLostRanges({ catalog, jobs, clock }: ControlPlaneContext): Promise<void> {
  const now = clock.now().getTime();
  const [heardAfter, settledBefore] = [new Date(now - agentSilenceMs), new Date(now - settledMs)];
  const { rows } = await sql<{ id: string; name: string; project: string; source: string; cloud: string }>`
    select fork.id, fork.name, fork.project, source.name as source, source.cloud from service fork
    join service source on source.id::text = fork.forked_from ->> 'serviceId'
    join location on location.service_id = source.id and location.role = 'primary'
    join cloud_state on cloud_state.cloud = source.cloud
    where fork.forked_from @> '{"sourceWasDown": true}' and fork.forked_from ? 'stoppedIn' and fork.deleted_at is null
      and cloud_state.is_store_up and cloud_state.since < ${settledBefore}
      and exists (select from agent where agent.cloud = source.cloud and agent.seen_at > ${heardAfter}
                    and agent.started_at < ${settledBefore})
      and not exists (select from job where job.service_id = fork.id and job.kind = 'lost-range')`.execute(catalog.db);
  for (const { id, name, project, source, cloud } of rows) {
    await jobs.enqueue({ kind: "lost-range", cloud, project, service: { id, name }, input: { source }, priority: 5 });
  }
}
