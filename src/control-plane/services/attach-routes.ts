import { attachAnswer, attachServiceBody, preflightAnswer, preflightBody } from "../../contract/attached-services.ts";
import { projectPath } from "../../contract/paths.ts";
import type { PreflightFinding } from "../../engine/engine.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { findProject } from "../projects/find-project.ts";
import { attachService, preflight } from "./attach-service.ts";
import { findService } from "./find-service.ts";
import { serviceFields } from "./service-fields.ts";

/** Databases that btar does not run, but backs up. */
export function attachRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.post(
    "/v1/project/:project/service/attach/preflight",
    {
      schema: {
        summary: "What a database lacks to be attached; changes nothing",
        params: projectPath,
        body: preflightBody,
        response: answers(preflightAnswer),
      },
    },
    async (request) => {
      await findProject(context, request.params.project);
      return { findings: told(await preflight(context, request.body)) };
    },
  );

  app.post(
    "/v1/project/:project/service/attach",
    {
      schema: {
        summary: "Back up a database that btar does not run",
        params: projectPath,
        body: attachServiceBody,
        response: answers(attachAnswer),
      },
    },
    async (request) => {
      const { project } = request.params;
      const { body } = request;
      const findings = await attachService(context, { project, body, actor: actorOf(request) });
      const row = await findService(context, { project, service: body.service_name });
      return { service: await serviceFields(context, row), findings: told(findings) };
    },
  );
}

function told(findings: readonly PreflightFinding[]): PreflightFinding[] {
  return [...findings];
}
