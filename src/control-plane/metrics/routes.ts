import { collectDefaultMetrics, Registry } from "prom-client";
import type { ControlPlaneContext } from "../context.ts";
import type { ApiServer } from "../http/api-server.ts";
import { agentFamilies } from "./agent-families.ts";
import { distributionText, register } from "./families.ts";
import { serviceFamilies } from "./service-families.ts";
import { systemFamilies } from "./system-families.ts";

/** For Prometheus, in its text format; wants a token as every route does. */
export function metricsRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess });
  // Gauges that the library calls like counters.
  for (const what of ["handles", "requests", "resources"]) ofProcess.removeSingleMetric(`nodejs_active_${what}_total`);
  app.get("/metrics", { schema: { hide: true } }, async (_request, reply) => {
    const registry = new Registry();
    const agents = await agentFamilies(context);
    register(registry, [...(await systemFamilies(context)), ...(await serviceFamilies(context)), ...agents.families]);
    const distributions = agents.distributions.map(distributionText);
    const text = [await registry.metrics(), ...distributions, await ofProcess.metrics()].join("\n");
    return await reply.type(registry.contentType).send(text);
  });
}
