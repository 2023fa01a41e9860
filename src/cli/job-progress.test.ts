import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job } from "./api-answers.ts";
import { describeJob, jobError } from "./job-progress.ts";

const job: Job = {
  id: "0190",
  kind: "copy",
  project: "demo",
  service_name: "shop",
  cloud_name: "local-south",
  state: "running",
  progress: null,
  trouble: null,
  error_code: null,
  attempts: 1,
  cancel_requested: false,
  input: {},
  result: null,
  create_time: "2026-03-01T10:00:00Z",
  start_time: null,
  finish_time: null,
};

test("F7: a job tells what it does and how far it is", () => {
  const progress = { phase: "copying", done: 512 * 2 ** 20, total: 2 ** 30, unit: "bytes" as const, detail: "pack 7" };
  assert.equal(
    describeJob({ ...job, progress }),
    `copying  ${"█".repeat(12)}${"░".repeat(12)} 50 %  512.0 MiB of 1.0 GiB  pack 7`,
  );
  assert.match(describeJob({ ...job, progress: { phase: "replaying", done: 3, total: 2 } }), /100 %$/);
  assert.equal(describeJob({ ...job, progress: { phase: "preparing", done: 0, total: 0 } }), "preparing");
});

test("C5: a job that waits says why", () => {
  assert.equal(
    describeJob({ ...job, state: "waiting", trouble: "the store\nis full" }),
    "waiting  waits: the store is full",
  );
});

test("the failure of a job is an error of its own kind", () => {
  const failed: Job = { ...job, state: "failed", trouble: "pack 12 is damaged", error_code: "object_damaged" };
  assert.equal(jobError(failed).kind, "damaged");
  assert.equal(jobError(failed).message, "the copy failed: pack 12 is damaged");
  assert.equal(describeJob(failed), "failed  pack 12 is damaged");
  assert.equal(jobError({ ...failed, error_code: "from_a_newer_btar" }).code, "INTERNAL");
  assert.equal(jobError({ ...job, state: "cancelled" }).code, "CANCELLED");
});
