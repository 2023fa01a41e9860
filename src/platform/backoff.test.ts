import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffDelayMs } from "./backoff.ts";

const backoff = { firstMs: 100, maxMs: 5_000 };

test("waits double up to the limit", () => {
  const waits = [1, 2, 3, 6, 7, 1000].map((failures) => backoffDelayMs(failures, backoff, 0));
  assert.deepEqual(waits, [100, 200, 400, 3200, 5000, 5000]);
});

test("at most half of a wait is taken off at random", () => {
  assert.equal(backoffDelayMs(3, backoff, 1), 200);
  assert.equal(backoffDelayMs(3, backoff, 0.5), 300);
});
