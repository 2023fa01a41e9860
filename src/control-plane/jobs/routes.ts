import { cancelAnswer, jobAnswer, jobsAnswer, jobsQuery } from "../../contract/jobs.ts";
import { jobPath, projectPath, servicePath } from "../../contract/paths.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { findProject } from "../projects/find-project.ts";
import { findServiceEvenDeleted } from "../services/find-service.ts";
import { findJob, jobFields, openStates } from "./job-fields.ts";

const maxJobs = 200;

/** Long work: what goes on, how far it is, and ending it. */
export function jobRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get(
    "/v1/project/:project/jobs",
    {
      schema: {
        summary: "Jobs of a project, newest first",
        params: projectPath,
        querystring: jobsQuery,
        response: answers(jobsAnswer),
      },
    },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      return { jobs: await jobs(context, { project: name, isOpenOnly: request.query.open === "true" }) };
    },
  );

  app.get(
    "/v1/project/:project/service/:service/jobs",
    {
      schema: {
        summary: "Jobs of a service, newest first; of a deleted one too",
        params: servicePath,
        querystring: jobsQuery,
        response: answers(jobsAnswer),
      },
    },
    async (request) => {
      const { id, project } = await findServiceEvenDeleted(context, request.params);
      return { jobs: await jobs(context, { project, serviceId: id, isOpenOnly: request.query.open === "true" }) };
    },
  );

  app.get(
    "/v1/project/:project/jobs/:job",
    { schema: { summary: "One job", params: jobPath, response: answers(jobAnswer) } },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      return { job: jobFields(await findJob(context, { project: name, id: request.params.job })) };
    },
  );

  app.delete(
    "/v1/project/:project/jobs/:job",
    { schema: { summary: "Cancel a job", params: jobPath, response: answers(cancelAnswer) } },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      const { id, state } = await findJob(context, { project: name, id: request.params.job });
      const isOpen = openStates.includes(state);
      if (isOpen) await context.jobs.cancel(id);
      return {
        job: jobFields(await findJob(context, { project: name, id })),
        message: isOpen ? "cancellation was asked for" : `the job has ended already: ${state}`,
      };
    },
  );
}

async function jobs(
  context: ControlPlaneContext,
  wanted: { readonly project: string; readonly serviceId?: string; readonly isOpenOnly: boolean },
) {
  let query = context.catalog.db.selectFrom("job").selectAll().where("project", "=", wanted.project);
  if (wanted.serviceId !== undefined) query = query.where("service_id", "=", wanted.serviceId);
  if (wanted.isOpenOnly) query = query.where("state", "in", openStates);
  const rows = await query.orderBy("created_at", "desc").orderBy("id").limit(maxJobs).execute();
  return rows.map(jobFields);
}
