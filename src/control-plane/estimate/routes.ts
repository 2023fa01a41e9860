import { estimateAnswer } from "../../contract/estimate.ts";
import { locationPath } from "../../contract/paths.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { findService } from "../services/find-service.ts";
import { estimateFields } from "./estimate.ts";

export function estimateRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get(
    "/v1/project/:project/service/:service/btar/estimate/:cloud",
    {
      schema: {
        summary: "What copying a service's backups to a cloud takes: bytes, time, storage, money",
        params: locationPath,
        response: answers(estimateAnswer),
      },
    },
    async (request) => await estimateFields(context, await findService(context, request.params), request.params.cloud),
  );
}
