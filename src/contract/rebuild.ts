import Type from "typebox";
import { job } from "./jobs.ts";
import { closed, nullable, text } from "./schema-parts.ts";

/** May be left out altogether. */
export const rebuildBody = nullable(
  Type.Object({ location: Type.Optional(text("Cloud whose store is read; all by default")) }, closed),
);

export const rebuildAnswer = Type.Object({
  jobs: Type.Array(job, { description: "One for each store; their results tell what was found" }),
  message: Type.String({ description: "What was asked for" }),
});
