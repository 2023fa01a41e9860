import { projectPath, servicePath } from "../../contract/paths.ts";
import { lagAnswer, lagQuery, protectionAnswer, statusAnswer } from "../../contract/status.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { findProject } from "../projects/find-project.ts";
import { findService } from "../services/find-service.ts";
import { affectedBy } from "./affected-services.ts";
import { cloudStates, namesOfDown } from "./cloud-states.ts";
import { linkTraffic } from "./link-traffic.ts";
import { protectionFields, protectionsOf } from "./protection.ts";
import { recentLag } from "./recent-lag.ts";

export function statusRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get(
    "/v1/project/:project/btar/status",
    {
      schema: { summary: "All services and clouds at a glance", params: projectPath, response: answers(statusAnswer) },
    },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      const known = await context.catalog.services.ofProject(name);
      const [states, services] = [await cloudStates(context), await protectionsOf(context, known)];
      const links = await linkTraffic(context, name);
      const downClouds = namesOfDown(states);
      const clouds = states.map((state) => ({
        ...state,
        affected: state.is_up ? [] : affectedBy(state.cloud_name, services, downClouds),
      }));
      return {
        lag_objective_seconds: context.configuration.limits.lagObjectiveSeconds,
        clouds,
        links: [...links],
        services: [...services],
      };
    },
  );

  app.get(
    "/v1/project/:project/btar/lag",
    {
      schema: {
        summary: "Lag and data at risk of several services in the last hour",
        params: projectPath,
        querystring: lagQuery,
        response: answers(lagAnswer),
      },
    },
    async (request) => {
      const { name: project } = await findProject(context, request.params.project);
      const names = (request.query.services ?? "").split(",").filter((name) => name !== "");
      return await recentLag(context, { project, names });
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
