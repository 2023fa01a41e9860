import type { ProjectRole } from "../domain/roles.ts";
import type { CatalogDatabase } from "./catalog.ts";

/** Somebody who may do something in a project. */
export interface ProjectMember {
  readonly email: string;
  readonly real_name: string;
  readonly has_password: boolean;
  readonly role: ProjectRole;
  /** Since when. */
  readonly created_at: Date;
}

/** By e-mail. */
export async function membersOf(db: CatalogDatabase, project: string): Promise<readonly ProjectMember[]> {
  return await db
    .selectFrom("project_member")
    .innerJoin("person", "person.id", "project_member.person_id")
    .select(["person.email", "person.real_name", "project_member.role", "project_member.created_at"])
    .select((eb) => eb("person.password_hash", "is not", null).$castTo<boolean>().as("has_password"))
    .where("project_member.project", "=", project)
    .orderBy("person.email")
    .execute();
}

/** Roles of people by project, by person. */
export async function rolesOf(
  db: CatalogDatabase,
  personIds: readonly string[],
): Promise<ReadonlyMap<string, Readonly<Record<string, ProjectRole>>>> {
  const rows = await db
    .selectFrom("project_member")
    .select(["person_id", "project", "role"])
    .where("person_id", "in", [...personIds])
    .orderBy("project")
    .execute();
  const roles = new Map<string, Record<string, ProjectRole>>();
  for (const { person_id, project, role } of rows) {
    roles.set(person_id, { ...roles.get(person_id), [project]: role });
  }
  return roles;
}

/** What membership a change is about. */
export interface Membership {
  readonly project: string;
  readonly personId: string;
}

/** @returns false when the person is a member already */
export async function addMember(
  db: CatalogDatabase,
  { project, personId, role }: Membership & { readonly role: ProjectRole },
): Promise<boolean> {
  const added = await db
    .insertInto("project_member")
    .values({ project, person_id: personId, role })
    .onConflict((conflict) => conflict.doNothing())
    .returning("project")
    .executeTakeFirst();
  return added !== undefined;
}

/** @returns false when the person is no member */
export async function changeRole(
  db: CatalogDatabase,
  { project, personId, role }: Membership & { readonly role: ProjectRole },
): Promise<boolean> {
  const changed = await db
    .updateTable("project_member")
    .set({ role })
    .where("project", "=", project)
    .where("person_id", "=", personId)
    .returning("project")
    .executeTakeFirst();
  return changed !== undefined;
}

/** @returns false when the person is no member */
export async function removeMember(db: CatalogDatabase, { project, personId }: Membership): Promise<boolean> {
  const removed = await db
    .deleteFrom("project_member")
    .where("project", "=", project)
    .where("person_id", "=", personId)
    .returning("project")
    .executeTakeFirst();
  return removed !== undefined;
}
