import assert from "node:assert/strict";
import { test } from "node:test";
import { expectedEnd, type SeenProgress, withSeen } from "./expected-end.ts";

const start = Date.parse("2026-03-01T10:00:00Z");
const files = {
  phase: "restoring files",
  done: 300e6,
  total: 900e6,
  unit: "bytes",
  phase_start_time: new Date(start).toISOString(),
} as const;

test("a step ends at the rate that it has had since it began", () => {
  const end = expectedEnd(files, { seen: [], now: start + 30_000 });
  assert.deepEqual(end, { secondsLeft: 60, basis: "10 MB/s since this step began" });
  const resumed = { ...files, phase_start_done: 150e6 };
  assert.equal(expectedEnd(resumed, { seen: [], now: start + 30_000 })?.secondsLeft, 120);
});

test("what was seen in the last minute counts more than the whole step", () => {
  let seen: readonly SeenProgress[] = [];
  for (let second = 0; second <= 200; second += 20) {
    seen = withSeen(seen, { phase: files.phase, at: start + second * 1000, done: second * 1e6 });
  }
  assert.equal(seen[0]?.at, start + 140_000);
  const now = start + 220_000;
  assert.deepEqual(expectedEnd(files, { seen, now }), { secondsLeft: 300, basis: "2.0 MB/s in the last 80 s" });
});

test("nothing is said of a step that has just begun, has not moved, or tells no total", () => {
  assert.equal(expectedEnd(files, { seen: [], now: start + 1000 }), undefined);
  assert.equal(expectedEnd({ ...files, done: 0 }, { seen: [], now: start + 30_000 }), undefined);
  assert.equal(expectedEnd({ phase: "checking" }, { seen: [], now: start + 30_000 }), undefined);
});

test("what was seen of an earlier step is forgotten", () => {
  const seen = withSeen([{ phase: "restoring files", at: start, done: 5 }], { phase: "replaying", at: start, done: 0 });
  assert.equal(seen.length, 1);
  const replay = {
    phase: "replaying",
    done: 0.5,
    total: 1,
    unit: "fraction",
    phase_start_time: files.phase_start_time,
  };
  const end = expectedEnd({ ...replay, unit: "fraction" }, { seen, now: start + 60_000 });
  assert.deepEqual(end, { secondsLeft: 60, basis: "50 % a minute in the last 60 s" });
});
