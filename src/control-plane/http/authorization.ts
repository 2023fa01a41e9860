import type { FastifyRequest } from "fastify";
import type { PersonalToken } from "../../catalog/access-tokens.ts";
import { BtarError } from "../../domain/errors.ts";
import { isAtLeast, lesserRole, type ProjectRole } from "../../domain/roles.ts";
import type { ControlPlaneContext } from "../context.ts";
import { isProjectRole } from "./route-access.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Of whoever asks, in the project that the path names. */
    role: ProjectRole | undefined;
  }
}

/** What a token may do in a project; undefined where its person is no member, or the token is for another one. */
export function roleIn(token: PersonalToken, project: string): ProjectRole | undefined {
  if (token.project !== null && token.project !== project) return undefined;
  const ofPerson = Object.hasOwn(token.roles, project) ? token.roles[project] : undefined;
  const role = token.is_super_admin ? "admin" : ofPerson;
  return role === undefined || token.role === null ? role : lesserRole(role, token.role);
}

/**
 * Lets through who may use the route, by its entry in the table of roles. A project that one is no member of is
 * refused in the same words as one that does not exist.
 * @throws {BtarError} NOT_A_PROJECT_MEMBER, ROLE_TOO_LOW
 */
export function authorize(request: FastifyRequest): void {
  const { token } = request;
  const { access } = request.routeOptions.config;
  if (!token || access === undefined || access === "public") return;
  const { project } = (request.params ?? {}) as { readonly project?: string };
  if (project !== undefined) {
    request.role = roleIn(token, project);
    // Clients look for exactly these words.
    if (request.role === undefined) throw new BtarError("NOT_A_PROJECT_MEMBER", { message: "Not a project member" });
  }
  if (isProjectRole(access)) {
    if (request.role !== undefined && isAtLeast(request.role, access)) return;
    throw new BtarError("ROLE_TOO_LOW", {
      message: `${what(request)} needs the role ${access} in project ${project}; ${who(token)} has ${request.role}`,
      hint: token.role === null ? "an admin of the project can give it" : "use a token that is not narrowed to a role",
    });
  }
  requireBeyondProjects(request, token, access);
}

function requireBeyondProjects(
  request: FastifyRequest,
  token: PersonalToken,
  access: "anybody" | "whole_token" | "installation_reader" | "super_admin",
): void {
  if (access === "anybody") return;
  const isNarrow = token.project !== null || (token.role !== null && access !== "installation_reader");
  if (isNarrow) {
    throw new BtarError("ROLE_TOO_LOW", {
      message: `${what(request)} is not for tokens that are narrowed to a role or a project`,
      hint: "use a token that is not, or log in",
    });
  }
  if (access === "whole_token" || token.is_super_admin) return;
  throw new BtarError("ROLE_TOO_LOW", {
    message: `${what(request)} is for super admins; ${token.user_email} is none`,
    hint: "ask one of them",
  });
}

function what({ method, routeOptions }: FastifyRequest): string {
  return `${method} ${routeOptions.url}`;
}

function who({ user_email, role, project }: PersonalToken): string {
  return role === null && project === null ? user_email : `this token of ${user_email}`;
}

/**
 * Files are written on the host of an agent, which all projects share: anywhere only for super admins, for others below
 * the directories that the configuration names.
 * @throws {BtarError} ROLE_TOO_LOW
 */
export function requireHostAccess({ configuration }: ControlPlaneContext, { token }: FastifyRequest): void {
  if (configuration.restoreRoots !== undefined || (token?.is_super_admin && token.role === null)) return;
  throw new BtarError("ROLE_TOO_LOW", {
    message: "writing into a directory of an agent's host is for super admins while restore_roots is not configured",
    hint: "have the configuration name directories for it: restore_roots",
  });
}

/** Whether secrets of services are shown to whoever asks: passwords let one write, which `read_only` must not. */
export function maySeeSecrets({ role }: FastifyRequest): boolean {
  return role !== undefined && isAtLeast(role, "developer");
}
