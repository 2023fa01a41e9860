import type { BtarConfiguration } from "../contract/configuration.ts";
import { describeError } from "../domain/errors.ts";
import type { Logger } from "../platform/logger.ts";
import { btarVersion } from "./version.ts";

/**
 * Sends traces to where the configuration says, from now on; nothing is loaded when it does not. Headers, such as a
 * collector's token, are taken from `OTEL_EXPORTER_OTLP_HEADERS`, as OpenTelemetry's own programs do.
 * @param options.process `server`, or `agent CLOUD`
 * @returns what ends it, after everything has been sent
 */
export async function startTracing(
  { tracing }: Pick<BtarConfiguration, "tracing">,
  options: { readonly process: string; readonly logger: Logger },
): Promise<() => Promise<void>> {
  const { endpoint } = tracing;
  if (endpoint === undefined) return () => Promise.resolve();
  const [api, core, { resourceFromAttributes }, { BatchSpanProcessor, TracerProvider }, exporter, hooks] =
    await Promise.all([
      import("@opentelemetry/api"),
      import("@opentelemetry/core"),
      import("@opentelemetry/resources"),
      import("@opentelemetry/sdk-trace"),
      import("@opentelemetry/exporter-trace-otlp-http"),
      import("@opentelemetry/context-async-hooks"),
    ]);
  core.setGlobalErrorHandler((error) =>
    options.logger.warn({ endpoint, reason: describeError(error) }, "traces cannot be sent"),
  );
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": `btar ${options.process}`,
      "service.version": btarVersion,
    }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new exporter.OTLPTraceExporter({ url: endpoint }) })],
  });
  const contexts = new hooks.AsyncLocalStorageContextManager();
  api.context.setGlobalContextManager(contexts.enable());
  api.propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  api.trace.setGlobalTracerProvider(provider);
  return () => provider.shutdown();
}
