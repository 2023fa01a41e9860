import { deletedServicesAnswer, undeleteBody } from "../../contract/deleted-services.ts";
import { projectPath, servicePath } from "../../contract/paths.ts";
import { serviceAnswer } from "../../contract/services.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { findProject } from "../projects/find-project.ts";
import { findService } from "../services/find-service.ts";
import { serviceFields } from "../services/service-fields.ts";
import { deletedFields, deletedServices } from "./deleted-fields.ts";
import { undeleteService } from "./undelete-service.ts";

/** Services that were deleted, while their backups stay. */
export function deletedServiceRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get(
    "/v1/project/:project/btar/deleted_services",
    {
      schema: {
        summary: "Deleted services that still have backups, and until when",
        params: projectPath,
        response: answers(deletedServicesAnswer),
      },
    },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      return { services: await deletedFields(context, await deletedServices(context, name)) };
    },
  );

  app.post(
    "/v1/project/:project/service/:service/btar/undelete",
    {
      schema: {
        summary: "Take the deletion of a service back: restore it to its last moment, or attach it again",
        params: servicePath,
        body: undeleteBody,
        response: answers(serviceAnswer),
      },
    },
    async (request) => {
      const { project, service: name } = request.params;
      const serviceId = request.body?.service_id;
      await undeleteService(context, { project, name, serviceId, actor: actorOf(request) });
      return { service: await serviceFields(context, await findService(context, request.params)) };
    },
  );
}
