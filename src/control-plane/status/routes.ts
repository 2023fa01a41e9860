import { projectPath, servicePath } from "../../contract/paths.ts";
import { protectionAnswer, statusAnswer } from "../../contract/status.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { findProject } from "../projects/find-project.ts";
import { findService } from "../services/find-service.ts";
import { cloudStates } from "./cloud-states.ts";
import { protectionFields, protectionsFields } from "./protection.ts";

export function statusRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get(
    "/v1/project/:project/btar/status",
    {
      schema: { summary: "All services and clouds at a glance", params: projectPath, response: answers(statusAnswer) },
    },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      const rows = await context.catalog.db
        .selectFrom("service")
        .selectAll()
        .where("project", "=", name)
        .where("deleted_at", "is", null)
        .orderBy("name")
        .execute();
      return { clouds: await cloudStates(context), services: [...(await protectionsFields(context, rows))] };
    },
  );

  app.get(
    "/v1/project/:project/service/:service/btar",
    {
      schema: {
        summary: "Where a service's backup is, and what it reaches",
        params: servicePath,
        response: answers(protectionAnswer),
      },
    },
    async (request) => await protectionFields(context, await findService(context, request.params)),
  );
}
