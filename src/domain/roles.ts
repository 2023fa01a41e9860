/** What a person may do in a project; each role may do all that those before it may. */
export const projectRoles = ["read_only", "developer", "operator", "admin"] as const;

export type ProjectRole = (typeof projectRoles)[number];

/** Whether a role may do what `least` is needed for. */
export function isAtLeast(role: ProjectRole, least: ProjectRole): boolean {
  return projectRoles.indexOf(role) >= projectRoles.indexOf(least);
}

/** The role that may do less. */
export function lesserRole(a: ProjectRole, b: ProjectRole): ProjectRole {
  return isAtLeast(a, b) ? b : a;
}
