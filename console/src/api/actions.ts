import type { ProjectRole } from "../../../src/domain/roles.ts";

/**
 * What the console offers beside looking: the route that does it, and who may use that. The server decides, by its own
 * table, `control-plane/http/route-access.ts`; a test holds the two together.
 */
export const actions = {
  createService: ["POST /v1/project/:project/service", "operator"],
  changeService: ["PUT /v1/project/:project/service/:service", "operator"],
  deleteService: ["DELETE /v1/project/:project/service/:service", "operator"],
  undeleteService: ["POST /v1/project/:project/service/:service/btar/undelete", "operator"],
  readServerLog: ["POST /v1/project/:project/service/:service/logs", "developer"],
  addUser: ["POST /v1/project/:project/service/:service/user", "developer"],
  changeUser: ["PUT /v1/project/:project/service/:service/user/:user", "developer"],
  deleteUser: ["DELETE /v1/project/:project/service/:service/user/:user", "developer"],
  addDatabase: ["POST /v1/project/:project/service/:service/db", "developer"],
  deleteDatabase: ["DELETE /v1/project/:project/service/:service/db/:database", "developer"],
  backUp: ["POST /v1/project/:project/service/:service/backups", "developer"],
  keepBackup: ["PUT /v1/project/:project/service/:service/backups/:backup", "operator"],
  deleteBackup: ["DELETE /v1/project/:project/service/:service/backups/:backup", "operator"],
  verify: ["POST /v1/project/:project/service/:service/btar/verify", "operator"],
  changeLocation: ["PUT /v1/project/:project/service/:service/btar/locations/:cloud", "operator"],
  examineLostRange: ["POST /v1/project/:project/service/:service/btar/lost_range", "operator"],
  cancelJob: ["DELETE /v1/project/:project/jobs/:job", "operator"],
  readNotifications: ["GET /v1/project/:project/btar/notifications", "operator"],
  testNotification: ["POST /v1/project/:project/btar/notifications/:destination/test", "operator"],
  addNotification: ["POST /v1/project/:project/btar/notifications", "admin"],
  changeNotification: ["PUT /v1/project/:project/btar/notifications/:destination", "admin"],
  deleteNotification: ["DELETE /v1/project/:project/btar/notifications/:destination", "admin"],
  addMember: ["POST /v1/project/:project/invite", "admin"],
  changeMember: ["PUT /v1/project/:project/user/:email", "admin"],
  removeMember: ["DELETE /v1/project/:project/user/:email", "admin"],
  readAudit: ["GET /v1/project/:project/btar/audit", "admin"],
  changeProject: ["PUT /v1/project/:project", "admin"],
  deleteProject: ["DELETE /v1/project/:project", "admin"],
  createProject: ["POST /v1/project", "super_admin"],
  readPeople: ["GET /v1/btar/user", "super_admin"],
} as const satisfies Readonly<Record<string, readonly [route: string, least: ProjectRole | "super_admin"]>>;

export type Action = keyof typeof actions;

/** Whether a role in the project allows it. */
export function isOfProject(action: Action): boolean {
  return actions[action][1] !== "super_admin";
}

/** What one must be to do it, for people. */
export function leastFor(action: Action): string {
  return isOfProject(action) ? `the role ${actions[action][1]} in the project` : "a super admin";
}
