import Type from "typebox";
import { projectRoles } from "../domain/roles.ts";
import { alwaysEmpty, alwaysNull, closed, moment, text } from "./schema-parts.ts";

const role = Type.Enum([...projectRoles], { description: "What the person may do in the project" });
const email = text("E-mail of a user, in any case of letters", 254);

export const memberPath = Type.Object({
  project: Type.String({ description: "Name of the project" }),
  email: Type.String({ description: "E-mail of the user" }),
});

export const inviteBody = Type.Object({ user_email: email, member_type: Type.Optional(role) }, closed);
export const changeMemberBody = Type.Object({ member_type: role }, closed);

export const membersAnswer = Type.Object({
  users: Type.Array(
    Type.Object({
      user_email: Type.String({ description: "E-mail, in lower case" }),
      real_name: Type.String({ description: "Name for people" }),
      member_type: role,
      auth: Type.Array(Type.String(), { description: "Ways to log in: password, or none" }),
      billing_contact: Type.Boolean({ description: "Always false" }),
      create_time: moment("Since when it is a member"),
      team_id: alwaysNull,
      team_name: alwaysNull,
    }),
    { description: "By e-mail; super admins are members of all projects, and not listed" },
  ),
  invitations: alwaysEmpty(),
  group_users: alwaysEmpty(),
});
