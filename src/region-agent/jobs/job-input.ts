import type { RunningJob } from "../../catalog/job-queue.ts";
import { BtarError } from "../../domain/errors.ts";

/** A text of a job's input. @throws {BtarError} INTERNAL when whoever enqueued it left it out */
export function textInput(job: Pick<RunningJob, "kind" | "input">, key: string): string {
  const value = job.input[key];
  if (typeof value === "string") return value;
  throw new BtarError("INTERNAL", { message: `a job of kind ${job.kind} came without ${key}` });
}
