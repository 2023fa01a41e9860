import { recordEvent } from "../../catalog/events.ts";
import { type Person, requirePerson } from "../../catalog/people.ts";
import { addMember, changeRole, membersOf, type ProjectMember, removeMember } from "../../catalog/project-members.ts";
import { changeMemberBody, inviteBody, memberPath, membersAnswer } from "../../contract/members.ts";
import { projectPath } from "../../contract/paths.ts";
import { messageAnswer } from "../../contract/schema-parts.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ProjectRole } from "../../domain/roles.ts";
import type { ControlPlaneContext } from "../context.ts";
import { answers } from "../http/answers.ts";
import type { ApiServer } from "../http/api-server.ts";
import { actorOf } from "../http/authentication.ts";
import { findProject } from "../projects/find-project.ts";

/** What is given to whoever is invited without a word about it. */
const usualRole: ProjectRole = "developer";

/** Who may do what in a project. */
export function memberRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const { db } = context.catalog;

  app.get(
    "/v1/project/:project/users",
    { schema: { summary: "Members of a project", params: projectPath, response: answers(membersAnswer) } },
    async (request) => {
      const { name } = await findProject(context, request.params.project);
      return { users: (await membersOf(db, name)).map(memberFields), invitations: [], group_users: [] };
    },
  );

  app.post(
    "/v1/project/:project/invite",
    {
      schema: {
        summary: "Make a user a member of a project; at once, nothing is mailed",
        params: projectPath,
        body: inviteBody,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      const { user_email, member_type: role = usualRole } = request.body;
      const { project } = request.params;
      await invite(context, { project, email: user_email, role, actor: actorOf(request) });
      return { message: `${user_email.toLowerCase()} is ${role} of ${project}` };
    },
  );

  changeRoutes(app, context);
}

function changeRoutes(app: ApiServer, context: ControlPlaneContext): void {
  const { db } = context.catalog;
  const url = "/v1/project/:project/user/:email";

  app.put(
    url,
    {
      schema: {
        summary: "Give a member another role",
        params: memberPath,
        body: changeMemberBody,
        response: answers(messageAnswer),
      },
    },
    async (request) => {
      const { project } = await known(context, request.params);
      const person = await memberToBe(context, request.params);
      const { member_type: role } = request.body;
      await db.transaction().execute(async (trx) => {
        if (!(await changeRole(trx, { project, personId: person.id, role }))) throw noMember(person, project);
        const message = `${person.email} is ${role} of the project now`;
        await recordEvent(trx, { project, kind: "member_update", severity: "info", message, actor: actorOf(request) });
      });
      return { message: `${person.email} is ${role} of ${project}` };
    },
  );

  app.delete(
    url,
    { schema: { summary: "Take a member out of a project", params: memberPath, response: answers(messageAnswer) } },
    async (request) => {
      const { project } = await known(context, request.params);
      const person = await memberToBe(context, request.params);
      await db.transaction().execute(async (trx) => {
        if (!(await removeMember(trx, { project, personId: person.id }))) throw noMember(person, project);
        const message = `${person.email} is no member of the project any more`;
        await recordEvent(trx, { project, kind: "member_remove", severity: "info", message, actor: actorOf(request) });
      });
      return { message: `${person.email} is no member of ${project} any more` };
    },
  );
}

async function known(context: ControlPlaneContext, { project }: { readonly project: string }) {
  return { project: (await findProject(context, project)).name };
}

async function invite(
  context: ControlPlaneContext,
  asked: { readonly project: string; readonly email: string; readonly role: ProjectRole; readonly actor: string },
): Promise<void> {
  const { role, actor } = asked;
  const { project } = await known(context, asked);
  const person = await memberToBe(context, asked);
  await context.catalog.db.transaction().execute(async (trx) => {
    if (!(await addMember(trx, { project, personId: person.id, role }))) {
      throw new BtarError("ALREADY_EXISTS", {
        message: `Member ${person.email} of project ${project} already exists`,
        hint: "change the role instead",
      });
    }
    const message = `${person.email} was made ${role} of the project`;
    await recordEvent(trx, { project, kind: "member_add", severity: "info", message, actor });
  });
}

async function memberToBe(context: ControlPlaneContext, { email }: { readonly email: string }): Promise<Person> {
  try {
    return await requirePerson(context.catalog.db, email);
  } catch (error) {
    if (!(error instanceof BtarError) || error.code !== "NOT_FOUND") throw error;
    throw new BtarError("NOT_FOUND", { message: error.message, hint: "a super admin can make it: btar user create" });
  }
}

function noMember({ email }: Person, project: string): BtarError {
  return new BtarError("NOT_FOUND", { message: `${email} is no member of project ${project}` });
}

function memberFields({ email, real_name, role, has_password, created_at }: ProjectMember) {
  return {
    user_email: email,
    real_name,
    member_type: role,
    auth: has_password ? ["password"] : [],
    billing_contact: false,
    create_time: created_at.toISOString(),
    team_id: null,
    team_name: null,
  };
}
