import { recoveryByLocation } from "../../catalog/recovery.ts";
import { servicePath } from "../../contract/paths.ts";
import { forkPlanAnswer, forkPlanBody, reachAnswer } from "../../contract/recovery.ts";
import { joinedWindows, type RecoveryWindow } from "../../domain/recovery-window.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { findServiceEvenDeleted } from "../services/find-service.ts";
import { forkPlan } from "./fork-plan.ts";

/** What could be restored, and what a fork would do. */
export function recoveryRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get(
    "/v1/project/:project/service/:service/btar/reach",
    {
      schema: {
        summary: "Times that each location can restore, and the gaps between them",
        params: servicePath,
        response: answers(reachAnswer),
      },
    },
    async (request) => {
      const { id } = await findServiceEvenDeleted(context, request.params);
      const locations = await recoveryByLocation(context.catalog.db, id);
      return {
        locations: locations.map(({ cloud, role, reach }) => ({
          cloud,
          role,
          windows: joinedWindows(reach).map(spanOf),
          backups: reach.map((window) => ({ backup_name: window.backupId, ...spanOf(window) })),
        })),
      };
    },
  );

  app.post(
    "/v1/project/:project/service/:service/btar/fork_plan",
    {
      schema: {
        summary: "What a fork would restore, to which moment, and about how long it would take; nothing is begun",
        params: servicePath,
        body: forkPlanBody,
        response: answers(forkPlanAnswer),
      },
    },
    async (request) => await forkPlan(context, await findServiceEvenDeleted(context, request.params), request.body),
  );
}

function spanOf({ earliestAt, latestAt }: Pick<RecoveryWindow, "earliestAt" | "latestAt">) {
  return { earliest_at: earliestAt.toISOString(), latest_at: latestAt.toISOString() };
}
