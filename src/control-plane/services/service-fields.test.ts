import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobRow } from "../jobs/job-fields.ts";
import { nodeStateOf } from "./service-fields.ts";

const job = (progress: JobRow["progress"]) => ({ progress }) as JobRow;

test("F7: a fork shows its progress on its node, in phases that clients know", () => {
  const service = { name: "shop-2", state: "REBUILDING" } as const;
  const restoring = job({ phase: "restoring files", done: 5, total: 10, unit: "bytes" });
  assert.deepEqual(nodeStateOf(service, restoring), {
    name: "shop-2-1",
    role: "master",
    state: "syncing_data",
    progress_updates: [
      { phase: "basebackup", completed: false, min: 0, max: 10, current: 5, unit: "bytes_uncompressed" },
    ],
  });
  const replaying = nodeStateOf(service, job({ phase: "replaying the log", done: 0.5, total: 1, unit: "fraction" }));
  assert.equal(replaying?.progress_updates[0]?.phase, "stream");
  const fetching = nodeStateOf(service, job({ phase: "fetching the log", done: 5, total: 10, unit: "bytes" }));
  assert.deepEqual([fetching?.progress_updates[0]?.phase, fetching?.progress_updates[0]?.current], ["stream", null]);
  assert.equal(nodeStateOf(service, job(null))?.state, "setting_up_vm");
});

test("clients can divide by the range of a progress", () => {
  const empty = nodeStateOf({ name: "a", state: "REBUILDING" }, job({ phase: "x", done: 0, total: 0, unit: "bytes" }));
  const [update] = empty?.progress_updates ?? [];
  assert.notEqual(update?.max, update?.min);
});

test("a running service shows no progress, and one that is off no node", () => {
  assert.deepEqual(nodeStateOf({ name: "a", state: "RUNNING" }, undefined)?.progress_updates, []);
  assert.equal(nodeStateOf({ name: "a", state: "RUNNING" }, undefined)?.state, "running");
  assert.equal(nodeStateOf({ name: "a", state: "POWEROFF" }, undefined), undefined);
});
