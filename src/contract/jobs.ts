import Type from "typebox";
import { anyObject, moment, nullable, nullableMoment, nullableText } from "./schema-parts.ts";

export const jobsQuery = Type.Object({
  open: Type.Optional(Type.String({ description: "true: only those that have not ended" })),
});

const progress = Type.Object({
  phase: Type.String({ description: "What goes on" }),
  done: Type.Optional(Type.Number({ description: "How much is done, in `unit`" })),
  total: Type.Optional(Type.Number({ description: "Of how much; it may change" })),
  unit: Type.Optional(Type.Enum(["bytes", "objects", "fraction"])),
  detail: Type.Optional(Type.String({ description: "Such as the position in the log" })),
  phase_start_time: Type.Optional(moment("When this phase was begun")),
  phase_start_done: Type.Optional(Type.Number({ description: "How much was done then" })),
});

export const job = Type.Object({
  id: Type.String({ description: "Names the job" }),
  kind: Type.String({
    description: "provision, apply, remove, backup, copy, fork, restore, collect, verify, rebuild or lost-range",
  }),
  project: Type.String({ description: "Name of the project" }),
  service_name: nullableText("Name of the service"),
  cloud_name: Type.String({ description: "Cloud whose agent carries it out" }),
  state: Type.Enum(["queued", "running", "waiting", "complete", "failed", "cancelled"]),
  progress: nullable(progress),
  trouble: nullableText("Why it waits, or why it failed"),
  error_code: nullableText("Stable word for why it failed"),
  attempts: Type.Integer({ description: "How often it was begun" }),
  cancel_requested: Type.Boolean({ description: "Its end was asked for" }),
  input: anyObject("What it was asked to do"),
  result: nullable(anyObject("What came out of it")),
  create_time: moment("When it was asked for"),
  start_time: nullableMoment("When it was begun first"),
  finish_time: nullableMoment("When it ended"),
});

export const jobAnswer = Type.Object({ job });
export const jobsAnswer = Type.Object({ jobs: Type.Array(job, { description: "Newest first, 200 at most" }) });
export const cancelAnswer = Type.Object({
  job,
  message: Type.String({ description: "What was asked for" }),
});
