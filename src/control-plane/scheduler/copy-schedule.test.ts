import assert from "node:assert/strict";
import { test } from "node:test";
import { copyPriority, isCopyDue } from "./copy-schedule.ts";

const startedAt = new Date("2026-03-05T03:30:00Z");
const at = (time: string) => new Date(`2026-03-05T${time}Z`);

test("E5: what an additional cloud lacks is due at once, what it has is not", () => {
  for (const state of [undefined, "waiting", "copying"] as const) {
    assert.equal(isCopyDue({ startedAt, state, lastEndedAt: undefined }, at("04:00:00")), true, state);
    assert.equal(isCopyDue({ startedAt, state, lastEndedAt: at("03:59:59") }, at("04:00:00")), true, state);
  }
  for (const state of ["complete", "deleting"] as const) {
    assert.equal(isCopyDue({ startedAt, state, lastEndedAt: undefined }, at("04:00:00")), false, state);
  }
});

test("a copy that failed for good is tried anew after an hour", () => {
  const failed = { startedAt, state: "failed", lastEndedAt: at("04:00:00") } as const;
  assert.equal(isCopyDue(failed, at("04:59:59")), false);
  assert.equal(isCopyDue(failed, at("05:00:00")), true);
});

test("E5: newer base backups have the larger priority, which fits 32 bits", () => {
  const newer = new Date(startedAt.getTime() + 1000);
  assert.ok(copyPriority(newer) > copyPriority(startedAt));
  assert.ok(copyPriority(new Date("2087-12-31T00:00:00Z")) < 2 ** 31);
  assert.equal(copyPriority(new Date("1999-01-01T00:00:00Z")), 0);
});
