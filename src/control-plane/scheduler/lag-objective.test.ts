import assert from "node:assert/strict";
import { test } from "node:test";
import { objectiveChange } from "./lag-objective.ts";

test("L4: a location that falls behind its objective is told once, and once when it has caught up", () => {
  const lags = [0, 10, 900, 901, 5000, 900, 0];
  const changes = lags.slice(1).map((now, index) => objectiveChange({ before: lags[index] ?? 0, now }, 900));
  assert.deepEqual(changes, [undefined, undefined, "behind", undefined, "caught-up", undefined]);
});
