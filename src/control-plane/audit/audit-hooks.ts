import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { addAuditOutcome, type AuditContent, type AuditOutcome, writeAudit } from "../../catalog/audit.ts";
import { describeError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { readingRoutes } from "../http/route-access.ts";
import { auditSummary } from "./audit-summary.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Number of the request's entry in the audit log, when it was made before its work. */
    auditId: number | undefined;
    /** Who logged in with this request. */
    loggedIn: { readonly email: string } | undefined;
    /** Code of the error that it is answered with. */
    errorCode: string | undefined;
  }
}

const logIns: ReadonlySet<string | undefined> = new Set(["POST /v1/userauth", "POST /v1/btar/session"]);

/**
 * Writes down who asks for a change, before it is made, and what came of it: an entry without an outcome is of a process
 * that ended meanwhile. Logins are written down as well, and whatever was forbidden to somebody. Requests without a token
 * are not: anybody could fill the log with them.
 */
export function addAuditHooks(app: FastifyInstance, context: ControlPlaneContext): void {
  const { db } = context.catalog;
  app.decorateRequest("auditId", undefined);
  app.decorateRequest("loggedIn", undefined);
  app.decorateRequest("errorCode", undefined);
  app.addHook("preHandler", async (request) => {
    if (request.token && isChange(request)) request.auditId = await writeAudit(db, contentOf(request));
  });
  app.addHook("onSend", async (request, reply, payload) => {
    const outcome = { status: reply.statusCode, errorCode: request.errorCode ?? null };
    try {
      if (request.auditId !== undefined) await addAuditOutcome(db, request.auditId, outcome);
      else if (isNoted(request, reply)) await writeAudit(db, contentOf(request), outcome);
    } catch (error) {
      // A change has its entry already; a token that nobody knows of must not be given.
      const reason = describeError(error);
      context.logger.error({ requestId: request.id, ...outcome, reason }, "the audit log could not be written");
      if (request.auditId === undefined && isDone(outcome)) throw error;
    }
    return payload;
  });
}

function isChange({ method, routeOptions }: FastifyRequest): boolean {
  if (routeOptions.url === undefined || method === "GET" || method === "HEAD") return false;
  return !readingRoutes.has(`${method} ${routeOptions.url}`);
}

/** What never came to its work, or is no change, and is written down all the same. */
function isNoted(request: FastifyRequest, reply: FastifyReply): boolean {
  if (logIns.has(`${request.method} ${request.routeOptions.url}`)) return reply.statusCode !== 429;
  if (!request.token || request.routeOptions.url === undefined) return false;
  return isChange(request) || reply.statusCode === 403;
}

function isDone({ status }: AuditOutcome): boolean {
  return status < 400;
}

function contentOf(request: FastifyRequest): AuditContent {
  const { token, loggedIn, ip, method, routeOptions, id } = request;
  const params = (request.params ?? {}) as { readonly project?: string; readonly service?: string };
  const created = (request.body ?? {}) as { readonly service_name?: unknown };
  const service = params.service ?? (typeof created.service_name === "string" ? created.service_name : undefined);
  return {
    actor: token?.user_email ?? loggedIn?.email ?? null,
    tokenPrefix: token?.prefix ?? null,
    address: ip,
    method,
    route: routeOptions.url ?? "",
    project: params.project ?? null,
    service: service?.slice(0, 64) ?? null,
    summary: auditSummary(request),
    requestId: id,
  };
}
