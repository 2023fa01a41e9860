import Type from "typebox";
import { alwaysNull, closed, ignored, moment, nullable, text, textsByName } from "./schema-parts.ts";

const password = (description: string) => Type.String({ description, minLength: 8, maxLength: 256 });
const realName = Type.String({ description: "Name for people", minLength: 1, maxLength: 256 });

const superAdmin = Type.Boolean({ description: "Whether it may do everything, in all projects" });

const email = Type.String({
  description: "E-mail, in any case of letters",
  maxLength: 254,
  pattern: "^[^\\s@/\\p{Cc}]+@[^\\s@/\\p{Cc}]+$",
});

export const loginBody = Type.Object(
  {
    email: text("E-mail"),
    password: text("Password"),
    otp: ignored,
    tenant: ignored,
  },
  closed,
);

export const loginAnswer = Type.Object({
  token: Type.String({ description: "Holds for 12 hours" }),
  state: Type.Literal("active"),
  user_email: Type.String({ description: "E-mail, in lower case" }),
  expiry_time: moment("Until when the token holds"),
});

export const meAnswer = Type.Object({
  user: Type.Object({
    user: Type.String({ description: "E-mail of whoever asks" }),
    user_id: Type.String({ description: "UUID" }),
    real_name: Type.String({ description: "Name for people" }),
    state: Type.Enum(["active", "disabled"]),
    auth: Type.Array(Type.String(), { description: "Ways to log in: password, or none" }),
    create_time: moment("When the user was made"),
    is_super_admin: superAdmin,
    projects: Type.Array(Type.String(), { description: "Names of the projects" }),
    project_membership: textsByName("Role, by project"),
    project_memberships: Type.Record(Type.String(), Type.Array(Type.String()), { description: "Roles, by project" }),
    token_validity_begin: alwaysNull,
  }),
});

export const changeMyPasswordBody = Type.Object(
  { password: text("The password until now"), new_password: password("The one from now on") },
  closed,
);

export const personPath = Type.Object({ email: Type.String({ description: "E-mail" }) });

export const createPersonBody = Type.Object(
  {
    email,
    real_name: Type.Optional(nullable(realName)),
    password: Type.Optional(nullable(password("A random one by default, which the answer tells"))),
    is_super_admin: Type.Optional(superAdmin),
  },
  closed,
);

export const changePersonBody = Type.Object(
  {
    real_name: Type.Optional(realName),
    password: Type.Optional(password("The one from now on; tokens of earlier logins end")),
    state: Type.Optional(
      Type.Enum(["active", "disabled"], { description: "disabled: cannot log in, and has no tokens" }),
    ),
    is_super_admin: Type.Optional(superAdmin),
  },
  closed,
);

const person = Type.Object({
  email: Type.String({ description: "E-mail, in lower case" }),
  real_name: Type.String({ description: "Name for people" }),
  state: Type.Enum(["active", "disabled"]),
  is_super_admin: superAdmin,
  projects: Type.Record(Type.String(), Type.String(), { description: "Roles, by project" }),
  has_password: Type.Boolean({ description: "Whether one can log in as this user" }),
  create_time: moment("When it was made"),
});

export const peopleAnswer = Type.Object({ users: Type.Array(person) });
export const personAnswer = Type.Object({ user: person });
export const newPersonAnswer = Type.Object({
  user: person,
  password: Type.Optional(Type.String({ description: "The random one; shown this once" })),
});
