import type { FastifyRequest } from "fastify";
import type { Selectable } from "kysely";
import type { ProjectTable } from "../../catalog/schema.ts";
import type { ProjectRole } from "../../domain/roles.ts";
import type { ControlPlaneContext } from "../context.ts";
import { roleIn } from "../http/authorization.ts";

/** Projects that whoever asks is a member of, by name, with the role there. */
export async function projectsOf(
  { catalog }: ControlPlaneContext,
  { token }: FastifyRequest,
): Promise<readonly { readonly project: Selectable<ProjectTable>; readonly role: ProjectRole }[]> {
  const projects = await catalog.db.selectFrom("project").selectAll().orderBy("name").execute();
  return projects.flatMap((project) => {
    const role = token && roleIn(token, project.name);
    return role === undefined ? [] : [{ project, role }];
  });
}

/** The same, as clients of the API expect it. */
export async function membershipsOf(context: ControlPlaneContext, request: FastifyRequest) {
  return membershipFields(await projectsOf(context, request));
}

export function membershipFields(
  projects: readonly { readonly project: { readonly name: string }; readonly role: ProjectRole }[],
) {
  return {
    project_membership: Object.fromEntries(projects.map(({ project, role }) => [project.name, role])),
    project_memberships: Object.fromEntries(projects.map(({ project, role }) => [project.name, [role]])),
  };
}
