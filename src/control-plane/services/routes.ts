import { projectPath, servicePath } from "../../contract/paths.ts";
import { messageAnswer } from "../../contract/schema-parts.ts";
import {
  createServiceBody,
  serviceAnswer,
  servicesAnswer,
  tagsAnswer,
  tagsBody,
  updateServiceBody,
} from "../../contract/services.ts";
import { BatchLoader } from "../../platform/batch-loader.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { maySeeSecrets, roleIn } from "../http/authorization.ts";
import { findProject } from "../projects/find-project.ts";
import { createService } from "./create-service.ts";
import { deleteService, deletionEvent } from "./delete-service.ts";
import { findService, findServiceEvenDeleted, type ServiceName } from "./find-service.ts";
import { withoutSecrets } from "./hidden-secrets.ts";
import { type ServiceFields, serviceFields, ServiceTeller } from "./service-fields.ts";
import { updateService } from "./update-service.ts";

export function serviceRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const teller = new ServiceTeller(context);
  const told = async (name: ServiceName) => ({
    service: await serviceFields(context, await findService(context, name)),
  });

  /** Many clients may wait for a service to run, and ask again and again. */
  const askedTogether = new BatchLoader<ServiceName, ServiceFields | undefined>(async (names) => {
    const known = await context.catalog.services.living(names);
    return known.map((each) => each && teller.full(each));
  });

  app.post(
    "/v1/project/:project/service",
    {
      schema: {
        summary: "Create a service, or fork one",
        params: projectPath,
        body: createServiceBody,
        response: answers(serviceAnswer),
      },
    },
    async (request) => {
      const { project } = request.params;
      const { body, token } = request;
      await createService(context, {
        ...{ project, body, actor: actorOf(request) },
        roleIn: (name) => (token ? roleIn(token, name) : undefined),
      });
      // A fork that cannot be made is gone again in no time: the request was taken all the same.
      const made = await findServiceEvenDeleted(context, { project, service: body.service_name });
      return { service: await serviceFields(context, made) };
    },
  );

  app.get(
    "/v1/project/:project/service",
    { schema: { summary: "Services of a project", params: projectPath, response: answers(servicesAnswer) } },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      const known = await context.catalog.services.ofProject(name);
      const services = known.map((each) => teller.listed(each));
      return { services: maySeeSecrets(request) ? services : services.map(withoutSecrets) };
    },
  );

  app.get(
    "/v1/project/:project/service/:service",
    { schema: { summary: "One service", params: servicePath, response: answers(serviceAnswer) } },
    async (request) => {
      const found = await askedTogether.load(request.params);
      const { service } = found ? { service: found } : await told(request.params); // which says what there is instead
      return { service: maySeeSecrets(request) ? service : withoutSecrets(service) };
    },
  );

  app.put(
    "/v1/project/:project/service/:service",
    {
      schema: {
        summary: "Change a service; what is absent stays",
        params: servicePath,
        body: updateServiceBody,
        response: answers(serviceAnswer),
      },
    },
    async (request) => {
      const row = await findService(context, request.params);
      await updateService(context, { row, body: request.body, actor: actorOf(request) });
      return await told(request.params);
    },
  );

  app.delete(
    "/v1/project/:project/service/:service",
    {
      schema: {
        summary: "Delete a service, or detach an attached one; its backups stay for a while",
        params: servicePath,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      const { id, kind } = await findService(context, request.params);
      await deleteService(context, { id, actor: actorOf(request), event: deletionEvent });
      return { message: kind === "attached" ? "detached" : "deleted" };
    },
  );

  app.put(
    "/v1/project/:project/service/:service/maintenance/start",
    {
      schema: {
        summary: "Start maintenance updates; there are none",
        params: servicePath,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      await findService(context, request.params);
      return { message: "there are no maintenance updates" };
    },
  );

  tagRoutes(app, context);
}

function tagRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const url = "/v1/project/:project/service/:service/tags";
  const change = async (
    name: ServiceName,
    changed: (current: Readonly<Record<string, string>>) => Readonly<Record<string, string | null>>,
  ) => {
    const { id } = await findService(context, name);
    await context.catalog.db.transaction().execute(async (trx) => {
      const { tags } = await trx
        .selectFrom("service")
        .select("tags")
        .where("id", "=", id)
        .forUpdate()
        .executeTakeFirstOrThrow();
      const kept = Object.fromEntries(Object.entries(changed(tags)).filter(([, value]) => value !== null));
      await trx
        .updateTable("service")
        .set({ tags: JSON.stringify(kept) })
        .where("id", "=", id)
        .execute();
    });
    return { message: "tags updated" };
  };

  app.get(
    url,
    { schema: { summary: "Tags", params: servicePath, response: answers(tagsAnswer) } },
    async (request) => ({ tags: (await findService(context, request.params)).tags }),
  );
  app.put(
    url,
    {
      schema: { summary: "Replace all tags", params: servicePath, body: tagsBody, response: answers(messageAnswer) },
    },
    async (request) => await change(request.params, () => request.body.tags),
  );
  app.patch(
    url,
    {
      schema: {
        summary: "Change tags; null removes one",
        params: servicePath,
        body: tagsBody,
        response: answers(messageAnswer),
      },
    },
    async (request) => await change(request.params, (current) => ({ ...current, ...request.body.tags })),
  );
}
