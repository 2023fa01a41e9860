import type { RouteOptions } from "fastify";
import { BtarError } from "../../domain/errors.ts";
import { type ProjectRole, projectRoles } from "../../domain/roles.ts";

/** Who may use a route: for routes of a project the least role there; for others one of these words. */
export type RouteAccess =
  | ProjectRole
  /** Everybody, without a token. */
  | "public"
  /** Whoever has a token. */
  | "anybody"
  /** Whoever has a token that is not narrowed: it could else give itself more. */
  | "whole_token"
  /** A super admin, also with a token that is narrowed to a role: what it shows is of all projects. */
  | "installation_reader"
  | "super_admin";

/**
 * Every route, and who may use it; the only place that says so. A route that is not here makes the start fail.
 * `docs/reference.md` repeats it for people, which a test compares.
 */
export const routeAccess: Readonly<Record<string, RouteAccess>> = {
  // the process
  "GET /livez": "public",
  "GET /readyz": "public",
  "GET /v1/openapi.json": "public",
  "GET /metrics": "installation_reader",
  // what there is to choose from
  "GET /v1/clouds": "public",
  "GET /v1/service_types": "public",
  "GET /v1/service_versions": "public",
  "GET /v1/account/:account/service_versions": "anybody",
  // oneself
  "POST /v1/userauth": "public",
  "POST /v1/btar/session": "public",
  "DELETE /v1/btar/session": "anybody",
  "GET /v1/me": "anybody",
  "PUT /v1/me/password": "whole_token",
  "POST /v1/me/expire_tokens": "whole_token",
  "GET /v1/access_token": "whole_token",
  "POST /v1/access_token": "whole_token",
  "PUT /v1/access_token/:token": "whole_token",
  "DELETE /v1/access_token/:token": "whole_token",
  // the installation
  "GET /v1/account": "anybody",
  "GET /v1/account/:account": "anybody",
  "GET /v1/organizations": "anybody",
  "GET /v1/organization/:organization": "anybody",
  "GET /v1/btar/audit": "super_admin",
  "GET /v1/btar/user": "super_admin",
  "POST /v1/btar/user": "super_admin",
  "PUT /v1/btar/user/:email": "super_admin",
  "DELETE /v1/btar/user/:email": "super_admin",
  // projects
  "GET /v1/project": "anybody",
  "POST /v1/project": "super_admin",
  "GET /v1/project/:project": "read_only",
  "PUT /v1/project/:project": "admin",
  "DELETE /v1/project/:project": "admin",
  "GET /v1/project/:project/tags": "read_only",
  "PUT /v1/project/:project/tags": "admin",
  "PATCH /v1/project/:project/tags": "admin",
  "GET /v1/project/:project/users": "read_only",
  "POST /v1/project/:project/invite": "admin",
  "PUT /v1/project/:project/user/:email": "admin",
  "DELETE /v1/project/:project/user/:email": "admin",
  "GET /v1/project/:project/kms/ca": "read_only",
  "GET /v1/project/:project/vpcs": "read_only",
  "GET /v1/project/:project/static-ips": "read_only",
  "GET /v1/project/:project/events": "read_only",
  "GET /v1/project/:project/clouds": "read_only",
  "GET /v1/project/:project/service_types": "read_only",
  "GET /v1/project/:project/service-types": "read_only",
  "GET /v1/project/:project/service-types/:type": "read_only",
  "GET /v1/project/:project/service-types/:type/plans": "read_only",
  "GET /v1/project/:project/service-types/:type/plans/:plan": "read_only",
  "GET /v1/project/:project/pricing/service-types/:type/plans/:plan/clouds/:cloud": "read_only",
  "GET /v1/project/:project/btar/status": "read_only",
  "GET /v1/project/:project/btar/lag": "read_only",
  "GET /v1/project/:project/btar/changes": "read_only",
  "GET /v1/project/:project/btar/deleted_services": "read_only",
  "GET /v1/project/:project/btar/audit": "admin",
  "GET /v1/project/:project/btar/notifications": "operator",
  "POST /v1/project/:project/btar/notifications": "admin",
  "GET /v1/project/:project/btar/notifications/:destination": "operator",
  "PUT /v1/project/:project/btar/notifications/:destination": "admin",
  "DELETE /v1/project/:project/btar/notifications/:destination": "admin",
  "POST /v1/project/:project/btar/notifications/:destination/test": "operator",
  "GET /v1/project/:project/btar/notifications/:destination/deliveries": "operator",
  "POST /v1/project/:project/btar/rebuild": "super_admin",
  "GET /v1/project/:project/jobs": "read_only",
  "GET /v1/project/:project/jobs/:job": "read_only",
  "DELETE /v1/project/:project/jobs/:job": "operator",
  // services
  "GET /v1/project/:project/service": "read_only",
  "POST /v1/project/:project/service": "operator",
  "POST /v1/project/:project/service/attach": "operator",
  "POST /v1/project/:project/service/attach/preflight": "operator",
  "GET /v1/project/:project/service/:service": "read_only",
  "PUT /v1/project/:project/service/:service": "operator",
  "DELETE /v1/project/:project/service/:service": "operator",
  "POST /v1/project/:project/service/:service/btar/undelete": "operator",
  "PUT /v1/project/:project/service/:service/maintenance/start": "operator",
  "GET /v1/project/:project/service/:service/tags": "read_only",
  "PUT /v1/project/:project/service/:service/tags": "developer",
  "PATCH /v1/project/:project/service/:service/tags": "developer",
  "GET /v1/project/:project/service/:service/jobs": "read_only",
  "POST /v1/project/:project/service/:service/logs": "developer",
  "POST /v1/project/:project/service/:service/metrics": "read_only",
  "POST /v1/project/:project/service/:service/task": "developer",
  "GET /v1/project/:project/service/:service/task/:task": "read_only",
  // users and databases of services
  "POST /v1/project/:project/service/:service/user": "developer",
  "GET /v1/project/:project/service/:service/user/:user": "developer",
  "PUT /v1/project/:project/service/:service/user/:user": "developer",
  "DELETE /v1/project/:project/service/:service/user/:user": "developer",
  "PUT /v1/project/:project/service/:service/credentials/reset": "developer",
  "GET /v1/project/:project/service/:service/db": "read_only",
  "POST /v1/project/:project/service/:service/db": "developer",
  "DELETE /v1/project/:project/service/:service/db/:database": "developer",
  // backups
  "GET /v1/project/:project/service/:service/btar": "read_only",
  "GET /v1/project/:project/service/:service/btar/reach": "read_only",
  "POST /v1/project/:project/service/:service/btar/fork_plan": "read_only",
  "GET /v1/project/:project/service/:service/backups": "read_only",
  "POST /v1/project/:project/service/:service/backups": "developer",
  "GET /v1/project/:project/service/:service/backups/:backup": "read_only",
  "PUT /v1/project/:project/service/:service/backups/:backup": "operator",
  "DELETE /v1/project/:project/service/:service/backups/:backup": "operator",
  "POST /v1/project/:project/service/:service/backup_to_another_region/report": "read_only",
  "GET /v1/project/:project/service/:service/btar/estimate/:cloud": "read_only",
  "PUT /v1/project/:project/service/:service/btar/locations/:cloud": "operator",
  "POST /v1/project/:project/service/:service/btar/verify": "operator",
  "POST /v1/project/:project/service/:service/restore": "operator",
  "GET /v1/project/:project/service/:service/btar/lost_range": "read_only",
  "POST /v1/project/:project/service/:service/btar/lost_range": "operator",
};

/** Those that change nothing, though their method says so. */
export const readingRoutes: ReadonlySet<string> = new Set([
  "POST /v1/project/:project/service/:service/logs",
  "POST /v1/project/:project/service/:service/metrics",
  "POST /v1/project/:project/service/:service/backup_to_another_region/report",
  "POST /v1/project/:project/service/:service/btar/fork_plan",
]);

declare module "fastify" {
  interface FastifyContextConfig {
    /** Who may use the route; undefined for paths that are none. */
    access?: RouteAccess;
  }
}

/** Gives routes as they are made their entry of the table. */
export class RouteAccessTable {
  readonly #entries: Readonly<Record<string, RouteAccess>>;

  constructor(entries: Readonly<Record<string, RouteAccess>> = routeAccess) {
    this.#entries = entries;
  }

  /** @throws {BtarError} INTERNAL for one that the table does not name, or names with a word that does not fit it */
  add(route: Pick<RouteOptions, "method" | "url" | "config" | "schema">): void {
    // HEAD is answered as GET is, without the body.
    const methods = [route.method].flat().map((method) => (method === "HEAD" ? "GET" : method));
    for (const method of methods) {
      const access = this.#entries[`${method} ${route.url}`];
      if (access === undefined || isProjectRole(access) !== isOfProject(route.url, access)) {
        throw new BtarError("INTERNAL", {
          message: `the route ${method} ${route.url} has ${access === undefined ? "no" : "an unfitting"} entry in the table of roles`,
          hint: "give it its least role in http/route-access.ts",
        });
      }
      route.config = { ...route.config, access };
      route.schema = { ...route.schema, ...(access === "public" ? { security: [] } : {}), description: told(access) };
    }
  }
}

export function isProjectRole(access: RouteAccess): access is ProjectRole {
  return projectRoles.some((role) => role === access);
}

/** Routes of a project have a role there, but for those that reach beyond it. */
function isOfProject(url: string, access: RouteAccess): boolean {
  return url.startsWith("/v1/project/:project") && access !== "super_admin";
}

/** For the API's description of itself. */
function told(access: RouteAccess): string {
  if (access === "public") return "Needs no token.";
  if (access === "anybody") return "For whoever has a token.";
  if (access === "whole_token") return "For whoever has a token that is not narrowed.";
  if (access === "installation_reader") return "For super admins; a token that is narrowed to a role will do.";
  return access === "super_admin" ? "For super admins." : `Needs the role ${access} in the project.`;
}
