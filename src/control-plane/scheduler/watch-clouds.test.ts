import assert from "node:assert/strict";
import { test } from "node:test";
import { changedClouds } from "./watch-clouds.ts";

const north = (isUp: boolean) => ({
  cloud_name: "local-north",
  is_up: isUp,
  trouble: isUp ? null : "no agent answers",
});

test("R1: a cloud that goes down is told once, and once when it is back", () => {
  assert.deepEqual(changedClouds([north(true)], new Set()), []);
  assert.deepEqual(changedClouds([north(false)], new Set()), [north(false)]);
  assert.deepEqual(changedClouds([north(false)], new Set(["local-north"])), []);
  assert.deepEqual(changedClouds([north(true)], new Set(["local-north"])), [north(true)]);
});
