import Type from "typebox";
import { moment, nullableText } from "./schema-parts.ts";

const query = (description: string) => Type.Optional(Type.String({ description, maxLength: 256 }));

export const auditQuery = Type.Object({
  limit: query("How many at most; 100 by default, up to 1000"),
  before: query("Number of an entry: those before it, newest first; the newest by default"),
  after: query("Number of an entry, or 0: those after it, oldest first"),
  actor: query("E-mail of who asked"),
  service: query("Name of a service"),
  since: query("RFC 3339: not before it"),
  until: query("RFC 3339: before it"),
  failed: query("true: only what was refused or has failed"),
});

export const auditAnswer = Type.Object({
  entries: Type.Array(
    Type.Object({
      id: Type.Integer({ description: "Grows with time" }),
      time: moment("When it was asked for"),
      actor: nullableText("E-mail of who asked; null for a login that failed"),
      token_prefix: nullableText("Prefix of the token; null for a login"),
      address: Type.String({ description: "IP address that it came from" }),
      method: Type.String({ description: "Of HTTP" }),
      route: Type.String({ description: "Endpoint, as the reference names it" }),
      project: nullableText("Project that it was about"),
      service: nullableText("Service that it was about"),
      summary: Type.String({ description: "What was asked for; of secrets, only that they were there" }),
      outcome: Type.Enum(["done", "refused", "failed", "unknown"], {
        description: "failed: not for a mistake of who asked; unknown: btar ended meanwhile, or it goes on",
      }),
      status: Type.Union([Type.Integer(), Type.Null()], { description: "HTTP status of the answer" }),
      error_code: nullableText("What it was refused for"),
      request_id: Type.String({ description: "`x-request-id` of the answer" }),
    }),
  ),
  next: Type.Union([Type.Integer(), Type.Null()], {
    description: "`before` or `after` of the next page; null: no more",
  }),
});
