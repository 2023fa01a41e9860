import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { isBtarError } from "../domain/errors.ts";
import { systemClock } from "./clock.ts";

test("a sleep ends at once, as cancelled, when its signal fires", async () => {
  const controller = new AbortController();
  const sleep = systemClock.sleep(60_000, controller.signal);
  controller.abort();
  await assert.rejects(sleep, (error) => isBtarError(error, "CANCELLED"));
});

test("the fake clock wakes sleepers in order, and those that sleep again in the same stretch", async () => {
  const clock = new FakeClock();
  const woken: string[] = [];
  const ticker = (async () => {
    for (let tick = 1; tick <= 3; tick += 1) {
      await clock.sleep(10);
      woken.push(`tick ${tick}`);
    }
  })();
  const once = clock.sleep(25).then(() => woken.push("once"));
  await clock.advance(29);
  assert.deepEqual(woken, ["tick 1", "tick 2", "once"]);
  await clock.advance(1);
  await Promise.all([ticker, once]);
  assert.equal(clock.now().toISOString(), "2026-03-01T10:00:00.030Z");
});
