import { extractLostRangeAnswer, extractLostRangeBody, lostRangeAnswer } from "../../contract/lost-range.ts";
import { servicePath } from "../../contract/paths.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { requireHostAccess } from "../http/authorization.ts";
import { findJob, jobFields } from "../jobs/job-fields.ts";
import { findService } from "../services/find-service.ts";
import { askForLostRange } from "./ask-for-lost-range.ts";
import { lostRangeFields } from "./lost-range-fields.ts";

/** What the source of a fork has committed that never reached the fork. */
export function lostRangeRoutes(app: ApiServer, context: ControlPlaneContext): void {
  app.get(
    "/v1/project/:project/service/:service/btar/lost_range",
    {
      schema: {
        summary: "What a fork lacks of its source: as the catalog knows it, and as it was found last",
        params: servicePath,
        response: answers(lostRangeAnswer),
      },
    },
    async (request) => ({ lost_range: await lostRangeFields(context, await findService(context, request.params)) }),
  );

  app.post(
    "/v1/project/:project/service/:service/btar/lost_range",
    {
      schema: {
        summary: "Look what a fork lacks of its source, in the source's store and on its server, and extract it",
        params: servicePath,
        body: extractLostRangeBody,
        response: answers(extractLostRangeAnswer),
      },
    },
    async (request) => {
      const row = await findService(context, request.params);
      if (request.body?.directory != null) requireHostAccess(context, request);
      const id = await askForLostRange(context, row, { directory: request.body?.directory ?? undefined });
      return { job: jobFields(await findJob(context, { project: row.project, id })) };
    },
  );
}
