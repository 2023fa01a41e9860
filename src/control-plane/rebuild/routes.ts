import { recordEvent } from "../../catalog/events.ts";
import { projectPath } from "../../contract/paths.ts";
import { rebuildAnswer, rebuildBody } from "../../contract/rebuild.ts";
import { cloudNames, type ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { findJob, jobFields } from "../jobs/job-fields.ts";
import { findProject } from "../projects/find-project.ts";
import { chosenCloud } from "../services/choices.ts";

/** R3: a catalog that was lost is rebuilt from what the stores hold. */
export function rebuildRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.post(
    "/v1/project/:project/btar/rebuild",
    {
      schema: {
        summary: "Take services that the stores hold, and the catalog does not know, into the catalog",
        params: projectPath,
        body: rebuildBody,
        response: answers(rebuildAnswer),
      },
    },
    async (request) => {
      const { name: project } = await findProject(context, request.params.project);
      const location = request.body?.location;
      const clouds = location === undefined ? cloudNames(context.configuration) : [chosenCloud(context, location)];
      const ids = await context.catalog.db.transaction().execute(async (trx) => {
        await recordEvent(trx, {
          project,
          kind: "rebuild_request",
          severity: "info",
          message: `services are looked for in the stores of ${clouds.join(", ")}`,
          actor: actorOf(request),
        });
        const asked: string[] = [];
        for (const cloud of clouds) {
          const job = { kind: "rebuild" as const, cloud, project, service: undefined, input: {}, priority: 20 };
          asked.push(await context.jobs.enqueue(job, trx));
        }
        return asked;
      });
      const jobs = await Promise.all(ids.map((id) => findJob(context, { project, id })));
      return { jobs: jobs.map(jobFields), message: `services are looked for in ${clouds.join(", ")}` };
    },
  );
}
