import { randomUUID } from "node:crypto";
import type { Server } from "node:http";
import swagger, { type FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { type FastifyReply, type FastifyServerFactory, fastify } from "fastify";
import { BtarError, describeError } from "../../domain/errors.ts";
import { accessTokenRoutes } from "../access-tokens/routes.ts";
import { addAuditHooks } from "../audit/audit-hooks.ts";
import { auditRoutes } from "../audit/routes.ts";
import { backupRoutes } from "../backups/routes.ts";
import { catalogueRoutes } from "../catalogue/routes.ts";
import { changeRoutes } from "../changes/routes.ts";
import { Console } from "../console/console.ts";
import type { ControlPlaneContext } from "../context.ts";
import { deletedServiceRoutes } from "../deleted-services/routes.ts";
import { estimateRoutes } from "../estimate/routes.ts";
import { jobRoutes } from "../jobs/routes.ts";
import { locationRoutes } from "../locations/routes.ts";
import { lostRangeRoutes } from "../lost-range/routes.ts";
import { loginRoutes } from "../people/login-routes.ts";
import { peopleRoutes } from "../people/routes.ts";
import { accountRoutes } from "../projects/account-routes.ts";
import { projectChangeRoutes } from "../projects/change-routes.ts";
import { memberRoutes } from "../members/routes.ts";
import { notificationRoutes } from "../notifications/routes.ts";
import { metricsRoutes } from "../metrics/routes.ts";
import { projectRoutes } from "../projects/routes.ts";
import { rebuildRoutes } from "../rebuild/routes.ts";
import { recoveryRoutes } from "../recovery/routes.ts";
import { serverRoutes } from "../servers/routes.ts";
import { serviceAccountRoutes } from "../services/account-routes.ts";
import { attachRoutes } from "../services/attach-routes.ts";
import { serviceRoutes } from "../services/routes.ts";
import { healthRoutes } from "../status/health-routes.ts";
import { statusRoutes } from "../status/routes.ts";
import { Authentication } from "./authentication.ts";
import { authorize } from "./authorization.ts";
import { endConnectionsOf } from "./end-connections.ts";
import { errorAnswer, retryAfterSeconds } from "./error-answer.ts";
import { acceptRequestBodies, isStorable } from "./request-bodies.ts";
import { RouteAccessTable } from "./route-access.ts";
import { addExamples } from "./route-examples.ts";
import type { TlsServer } from "./tls-server.ts";
import { TrustedProxies } from "./trusted-proxies.ts";
import { UnknownRoutes } from "./unknown-routes.ts";
import { refuseUnreadable } from "./unreadable-requests.ts";

const maxBodyBytes = 1024 * 1024;

const featureRoutes = [
  loginRoutes,
  peopleRoutes,
  accountRoutes,
  projectRoutes,
  projectChangeRoutes,
  memberRoutes,
  auditRoutes,
  notificationRoutes,
  catalogueRoutes,
  accessTokenRoutes,
  serviceRoutes,
  deletedServiceRoutes,
  attachRoutes,
  serviceAccountRoutes,
  serverRoutes,
  backupRoutes,
  locationRoutes,
  estimateRoutes,
  lostRangeRoutes,
  jobRoutes,
  statusRoutes,
  changeRoutes,
  recoveryRoutes,
  rebuildRoutes,
  healthRoutes,
  metricsRoutes,
];

/**
 * The HTTP API, not listening yet.
 * @param tls what it is to be served by, instead of HTTP alone
 */
export async function createApiServer(context: ControlPlaneContext, tls?: TlsServer) {
  const proxies = new TrustedProxies(context.configuration);
  const overTls: { readonly serverFactory?: FastifyServerFactory<Server> } = tls
    ? { serverFactory: (listener) => tls.create(listener) }
    : {};
  const app = fastify<Server>({
    ...overTls,
    trustProxy: (address) => proxies.isTrusted(address),
    bodyLimit: maxBodyBytes,
    logger: false,
    genReqId: () => randomUUID(),
    clientErrorHandler: refuseUnreadable,
    routerOptions: { maxParamLength: 512, ignoreTrailingSlash: true },
    // `avn cloud list` without a project asks for /v1/project//clouds.
    rewriteUrl: (request) => (request.url ?? "/").replace(/^\/v1\/project\/\/clouds/, "/v1/clouds"),
    frameworkErrors: (error, request, reply: FastifyReply) => {
      const { status, answer } = errorAnswer(error, request.id);
      void reply.status(status).send(answer);
    },
    ajv: {
      customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, strict: false, verbose: true },
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  const endConnections = endConnectionsOf(app.server);
  app.addHook("preClose", async () => endConnections());
  acceptRequestBodies(app);
  app.decorateRequest("token", undefined);
  app.decorateRequest("role", undefined);
  const authentication = new Authentication(context);
  const consolePages = new Console(context.consoleDirectory);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    proxies.refuseOthers(request);
    if (request.headers.cookie !== undefined) reply.header("cache-control", "no-store");
    if (request.is404 && consolePages.isFor(request)) return;
    await authentication.authenticate(request);
    const names = Object.values((request.params ?? {}) as Readonly<Record<string, string>>);
    if (!names.every(isStorable)) {
      throw new BtarError("NOT_FOUND", { message: "Nothing has a name with a NUL character" });
    }
    authorize(request);
  });
  addAuditHooks(app, context);
  app.setErrorHandler(async (error, request, reply) => {
    const { status, answer } = errorAnswer(error, request.id);
    request.errorCode = answer.errors[0]?.error_code;
    const wait = retryAfterSeconds(error);
    if (wait !== undefined) reply.header("retry-after", wait);
    const { method, routeOptions, id } = request;
    const about = { method, url: routeOptions.url, requestId: id };
    if (status === 503)
      context.logger.warn({ ...about, reason: describeError(error) }, "a request could not be answered now");
    else if (status >= 500) context.logger.error({ ...about, err: error }, "a request failed");
    return await reply.status(status).send(answer);
  });
  const access = new RouteAccessTable();
  app.addHook("onRoute", (route) => {
    access.add(route);
    addExamples(route);
  });
  const unknown = new UnknownRoutes();
  app.addHook("onRoute", (route) => unknown.add(route));
  app.setNotFoundHandler((request, reply) =>
    consolePages.isFor(request) ? consolePages.answer(request, reply) : unknown.answer(request, reply),
  );
  await app.register(swagger, { openapi });
  await app.register(async (routes) => {
    const typed = routes.withTypeProvider<TypeBoxTypeProvider>();
    for (const register of featureRoutes) register(typed, context);
  });
  app.get("/v1/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  return app;
}

/** The app as routes see it. */
export type ApiServer = Awaited<ReturnType<typeof createApiServer>>;

const openapi: NonNullable<FastifyDynamicSwaggerOptions["openapi"]> = {
  openapi: "3.1.0",
  info: { title: "btar", version: "1", description: "Backup to another region for PostgreSQL and MySQL" },
  components: {
    securitySchemes: {
      token: { type: "apiKey", in: "header", name: "Authorization", description: "aivenv1 TOKEN" },
    },
  },
  security: [{ token: [] }],
};
