import type { Selectable } from "kysely";
import type { JobState, JobTable } from "../../catalog/work-tables.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";

export type JobRow = Selectable<JobTable>;

/** States of jobs that have not ended. */
export const openStates: readonly JobState[] = ["queued", "running", "waiting"];

/** A job as the API tells it. */
export function jobFields(job: JobRow) {
  return {
    id: job.id,
    kind: job.kind,
    project: job.project,
    service_name: job.service_name,
    cloud_name: job.cloud,
    state: job.state,
    progress: job.progress && definedOf(job.progress),
    trouble: job.trouble,
    error_code: job.error_code?.toLowerCase() ?? null,
    attempts: job.attempts,
    cancel_requested: job.is_cancel_requested,
    input: job.input,
    result: job.result,
    create_time: job.created_at.toISOString(),
    start_time: job.started_at?.toISOString() ?? null,
    finish_time: job.finished_at?.toISOString() ?? null,
  };
}

function definedOf({ phase, done, total, unit, detail, since, doneBefore }: NonNullable<JobRow["progress"]>) {
  return {
    phase,
    ...(done === undefined ? {} : { done }),
    ...(total === undefined ? {} : { total }),
    ...(unit === undefined ? {} : { unit }),
    ...(detail === undefined ? {} : { detail }),
    ...(since === undefined ? {} : { phase_start_time: since }),
    ...(doneBefore === undefined ? {} : { phase_start_done: doneBefore }),
  };
}

/** @throws {BtarError} NOT_FOUND */
export async function findJob(
  context: ControlPlaneContext,
  wanted: { readonly project: string; readonly id: string },
): Promise<JobRow> {
  const { project, id } = wanted;
  const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
  const job = isUuid
    ? await context.catalog.db
        .selectFrom("job")
        .selectAll()
        .where("id", "=", id)
        .where("project", "=", project)
        .executeTakeFirst()
    : undefined;
  if (!job) throw new BtarError("NOT_FOUND", { message: `There is no job ${id} in project ${project}` });
  return job;
}
