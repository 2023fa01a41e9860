import Type from "typebox";
import { type ProjectRole, projectRoles } from "../domain/roles.ts";
import { alwaysNull, closed, ignored, moment, nullable, nullableMoment, nullableText, text } from "./schema-parts.ts";

const description = Type.String({ description: "What it is for", maxLength: 1000 });

const narrowedRole = Type.Unsafe<ProjectRole | null>({
  enum: [...projectRoles, null],
  description: "It may do no more than this role",
});

export const updateTokenBody = Type.Object({ description }, closed);

export const createTokenBody = Type.Object(
  {
    description,
    max_age_seconds: Type.Optional(
      nullable(
        Type.Integer({ description: "It expires after this time; never by default", minimum: 600, maximum: 315360000 }),
      ),
    ),
    extend_when_used: Type.Optional(
      nullable(Type.Boolean({ description: "The time until it expires begins anew with each use" })),
    ),
    role: Type.Optional(narrowedRole),
    project: Type.Optional(nullable(text("It is for this project only", 63))),
    scopes: ignored,
    ip_allowlist: ignored,
  },
  closed,
);

export const tokenAnswer = Type.Object({
  token_prefix: Type.String({ description: "Names the token" }),
  create_time: moment("When it was made"),
  created_manually: Type.Boolean({ description: "False for tokens that a login made" }),
  currently_active: Type.Boolean({ description: "Whether this request came with it" }),
  description: Type.String({ description: "What it is for" }),
  expiry_time: nullableMoment("When it ends; null: never"),
  extend_when_used: Type.Boolean({ description: "The time until it expires begins anew with each use" }),
  max_age_seconds: nullable(Type.Integer({ description: "Its life; null: without end" })),
  role: nullableText("It may do no more than this role; null: what its user may"),
  project: nullableText("It is for this project only; null: for all of its user's"),
  last_ip: nullableText("Address that used it last"),
  last_used_time: nullableMoment("When it was used last"),
  last_user_agent: nullableText("Program that used it last"),
  last_user_agent_human_readable: nullableText("Program that used it last"),
  scopes: alwaysNull,
  ip_allowlist: alwaysNull,
});

export const tokensAnswer = Type.Object({ tokens: Type.Array(tokenAnswer) });

export const newTokenAnswer = Type.Object({
  ...tokenAnswer.properties,
  full_token: Type.String({ description: "The token; shown this once" }),
});
