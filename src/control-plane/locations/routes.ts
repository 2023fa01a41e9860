import { locationBody } from "../../contract/locations.ts";
import { locationPath } from "../../contract/paths.ts";
import { protectionAnswer } from "../../contract/status.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { findService } from "../services/find-service.ts";
import { protectionFields } from "../status/protection.ts";
import { changeLocation } from "./change-location.ts";

export function locationRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.put(
    "/v1/project/:project/service/:service/btar/locations/:cloud",
    {
      schema: {
        summary: "Change one location: how long backups are kept there, and whether anything is copied to it",
        params: locationPath,
        body: locationBody,
        response: answers(protectionAnswer),
      },
    },
    async (request) => {
      const row = await findService(context, request.params);
      const { retention_days: retentionDays, paused: isPaused, pause_reason: pauseReason } = request.body;
      const { cloud } = request.params;
      const actor = actorOf(request);
      await changeLocation(context, row, { cloud, retentionDays, isPaused, pauseReason, actor });
      return await protectionFields(context, row);
    },
  );
}
