import assert from "node:assert/strict";
import { test } from "node:test";
import { StopSignals } from "./stop-signals.ts";

function isListening(): boolean {
  return process.listenerCount("SIGHUP") > 0;
}

test("a first signal asks for a clean end; its echo, a moment later, for nothing more", async (context) => {
  context.mock.timers.enable({ apis: ["Date"] });
  let atOnce = 0;
  const signals = new StopSignals(() => {
    atOnce += 1;
  });
  process.emit("SIGHUP", "SIGHUP");
  await signals.asked();
  context.mock.timers.tick(300);
  process.emit("SIGHUP", "SIGHUP");
  assert.equal(signals.signal.aborted, true);
  assert.equal(atOnce, 0);
  context.mock.timers.tick(2000);
  process.emit("SIGHUP", "SIGHUP");
  assert.equal(atOnce, 1, "a signal of its own ends at once");
  signals.dispose();
  assert.equal(isListening(), false);
});
