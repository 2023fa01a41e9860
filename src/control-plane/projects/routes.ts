import { projectPath } from "../../contract/paths.ts";
import {
  authorityAnswer,
  eventsAnswer,
  eventsQuery,
  projectAnswer,
  projectsAnswer,
  staticIpsAnswer,
  vpcsAnswer,
} from "../../contract/projects.ts";
import { adviceFor } from "../../domain/event-kinds.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { findProject } from "./find-project.ts";
import { membershipFields, projectsOf } from "./memberships.ts";
import { projectFields } from "./project-fields.ts";

const defaultEventCount = 100;
const maxEventCount = 1000;

export function projectRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get("/v1/project", { schema: { summary: "Projects", response: answers(projectsAnswer) } }, async (request) => {
    const own = await projectsOf(context, request);
    return { projects: own.map(({ project }) => projectFields(project)), ...membershipFields(own) };
  });

  app.get(
    "/v1/project/:project",
    { schema: { summary: "One project", params: projectPath, response: answers(projectAnswer) } },
    async (request) => ({ project: projectFields(await findProject(context, request.params.project)) }),
  );

  app.get(
    "/v1/project/:project/kms/ca",
    {
      schema: {
        summary: "Authority of the servers' certificates",
        params: projectPath,
        response: answers(authorityAnswer),
      },
    },
    async (request) => ({ certificate: (await findProject(context, request.params.project)).ca_certificate }),
  );

  app.get(
    "/v1/project/:project/vpcs",
    { schema: { summary: "Always empty", params: projectPath, response: answers(vpcsAnswer) } },
    async (request) => {
      await findProject(context, request.params.project);
      return { vpcs: [] };
    },
  );

  app.get(
    "/v1/project/:project/static-ips",
    { schema: { summary: "Always empty", params: projectPath, response: answers(staticIpsAnswer) } },
    async (request) => {
      await findProject(context, request.params.project);
      return { static_ips: [] };
    },
  );

  app.get(
    "/v1/project/:project/events",
    {
      schema: {
        summary: "What happened, newest first",
        params: projectPath,
        querystring: eventsQuery,
        response: answers(eventsAnswer),
      },
    },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      return { events: await events(context, name, Number(request.query.limit ?? defaultEventCount)) };
    },
  );
}

async function events(context: ControlPlaneContext, project: string, asked: number) {
  const limit = Number.isInteger(asked) && asked > 0 ? Math.min(asked, maxEventCount) : defaultEventCount;
  const rows = await context.catalog.db
    .selectFrom("event")
    .selectAll()
    .where("project", "=", project)
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map((event) => ({
    id: String(event.id),
    time: event.at.toISOString(),
    actor: event.actor,
    event_type: event.kind,
    event_desc: event.message,
    severity: event.severity,
    advice: adviceFor(event.kind, event.severity),
    service_name: event.service_name,
    project: event.project,
  }));
}
