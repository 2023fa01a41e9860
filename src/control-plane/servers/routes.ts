import { servicePath, taskPath } from "../../contract/paths.ts";
import {
  logsAnswer,
  logsBody,
  metricsAnswer,
  metricsBody,
  taskAnswer,
  taskBody,
} from "../../contract/server-reports.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { findService } from "../services/find-service.ts";
import { serverLog } from "./server-log.ts";
import { serverMetrics } from "./server-metrics.ts";
import { createTask, findTask } from "./service-tasks.ts";

/** What is told of a managed server itself. */
export function serverRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const service = "/v1/project/:project/service/:service";

  app.post(
    `${service}/logs`,
    {
      schema: {
        summary: "The newest lines of the server's log, or those after or before an offset",
        params: servicePath,
        body: logsBody,
        response: answers(logsAnswer),
      },
    },
    async (request) => await serverLog(context, await findService(context, request.params), request.body),
  );

  app.post(
    `${service}/metrics`,
    {
      schema: {
        summary: "What the server needed over time",
        params: servicePath,
        body: metricsBody,
        response: answers(metricsAnswer),
      },
    },
    async (request) => {
      const row = await findService(context, request.params);
      return { metrics: await serverMetrics(context, row, request.body?.period ?? "hour") };
    },
  );

  app.post(
    `${service}/task`,
    {
      schema: {
        summary: "Ask whether something can be done; the answer is there at once",
        params: servicePath,
        body: taskBody,
        response: answers(taskAnswer),
      },
    },
    async (request) => ({
      task: await createTask(context, await findService(context, request.params), request.body),
    }),
  );

  app.get(
    `${service}/task/:task`,
    { schema: { summary: "A question and its answer", params: taskPath, response: answers(taskAnswer) } },
    async (request) => ({
      task: await findTask(context, await findService(context, request.params), request.params.task),
    }),
  );
}
