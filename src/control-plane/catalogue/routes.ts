import { cloudsAnswer } from "../../contract/clouds.ts";
import { accountPath, planPath, pricePath, projectPath, typePath } from "../../contract/paths.ts";
import {
  planAnswer,
  plansAnswer,
  priceAnswer,
  serviceTypeAnswer,
  serviceTypesAnswer,
  serviceTypesWithPlansAnswer,
  versionsAnswer,
} from "../../contract/service-types.ts";
import { engineNames } from "../../domain/engine-name.ts";
import { plans } from "../../domain/plan.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { findProject } from "../projects/find-project.ts";
import { cloudFields } from "./cloud-fields.ts";
import {
  planFields,
  planPrice,
  planSpecification,
  requireServiceType,
  serviceTypeFields,
  versionFields,
} from "./service-types.ts";

/** What there is to choose from: clouds, service types, plans, versions. */
export function catalogueRoutes(app: ApiServer, context: ControlPlaneContext): void {
  cloudRoutes(app, context);
  serviceTypeRoutes(app, context);
  planRoutes(app, context);
  versionRoutes(app, context);
}

function cloudRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const clouds = () => ({ clouds: context.configuration.clouds.map(cloudFields) });
  app.get("/v1/clouds", { schema: { summary: "Clouds", response: answers(cloudsAnswer) } }, async () => clouds());
  app.get(
    "/v1/project/:project/clouds",
    { schema: { summary: "Clouds", params: projectPath, response: answers(cloudsAnswer) } },
    async (request) => {
      await findProject(context, request.params.project);
      return clouds();
    },
  );
}

function serviceTypeRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const withPlans = async () => {
    const entries = engineNames.map(async (name) => [
      name,
      {
        ...(await serviceTypeFields(context, name)),
        service_plans: plans.map((plan) => planFields(context, name, plan)),
      },
    ]);
    return { service_types: Object.fromEntries(await Promise.all(entries)) };
  };
  const summary = "Service types with their plans";
  const response = answers(serviceTypesWithPlansAnswer);
  app.get("/v1/service_types", { schema: { summary, response } }, withPlans);
  app.get(
    "/v1/project/:project/service_types",
    { schema: { summary, params: projectPath, response } },
    async (request) => {
      await findProject(context, request.params.project);
      return await withPlans();
    },
  );
  app.get(
    "/v1/project/:project/service-types",
    { schema: { summary: "Service types", params: projectPath, response: answers(serviceTypesAnswer) } },
    async (request) => {
      await findProject(context, request.params.project);
      const entries = engineNames.map(async (name) => [name, await serviceTypeFields(context, name)]);
      return Object.fromEntries(await Promise.all(entries));
    },
  );
  app.get(
    "/v1/project/:project/service-types/:type",
    {
      schema: {
        summary: "One service type, with the schema of its user_config",
        params: typePath,
        response: answers(serviceTypeAnswer),
      },
    },
    async (request) => {
      await findProject(context, request.params.project);
      return await serviceTypeFields(context, requireServiceType(request.params.type));
    },
  );
}

function planRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get(
    "/v1/project/:project/service-types/:type/plans",
    { schema: { summary: "Plans", params: typePath, response: answers(plansAnswer) } },
    async (request) => {
      await findProject(context, request.params.project);
      const type = requireServiceType(request.params.type);
      return { service_plans: plans.map((plan) => planFields(context, type, plan)) };
    },
  );
  app.get(
    "/v1/project/:project/service-types/:type/plans/:plan",
    { schema: { summary: "One plan", params: planPath, response: answers(planAnswer) } },
    async (request) => {
      await findProject(context, request.params.project);
      return planSpecification(context, request.params.type, request.params.plan);
    },
  );
  app.get(
    "/v1/project/:project/pricing/service-types/:type/plans/:plan/clouds/:cloud",
    {
      schema: {
        summary: "Price of a plan: nothing, since it is your own machine",
        params: pricePath,
        response: answers(priceAnswer),
      },
    },
    async (request) => {
      await findProject(context, request.params.project);
      return planPrice(context, request.params);
    },
  );
}

function versionRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const versions = async () => ({ service_versions: await versionFields(context) });
  const [summary, response] = ["Versions of the service types", answers(versionsAnswer)];
  app.get("/v1/service_versions", { schema: { summary, response } }, versions);
  app.get("/v1/account/:account/service_versions", { schema: { summary, params: accountPath, response } }, versions);
}
