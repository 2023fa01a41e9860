import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import { ScheduledTask } from "./scheduled-task.ts";

function given(run: () => Promise<Date | undefined> = async () => undefined) {
  const clock = new FakeClock();
  const task = new ScheduledTask({ name: "look", everyMs: 1000, after: { tables: ["job"], anywayMs: 30_000 }, run });
  const isDue = (areChangesTold = true) => task.isDue({ nowMs: clock.now().getTime(), areChangesTold });
  return { clock, task, isDue, run: () => task.run(clock) };
}

test("a task is due at the start, after a change that it waits for, and after a while in any case", async () => {
  const { clock, task, isDue, run } = given();
  assert.ok(isDue());
  await run();
  await clock.advance(2000);
  assert.ok(!isDue());
  task.noteChange("agent");
  assert.ok(!isDue());
  task.noteChange("job");
  assert.ok(isDue());
  await run();
  assert.ok(!isDue());
  await clock.advance(30_000);
  assert.ok(isDue());
});

test("a task is not due more often than it may be, whatever changes", async () => {
  const { clock, task, isDue, run } = given();
  await run();
  task.noteChange("job");
  await clock.advance(999);
  assert.ok(!isDue());
  await clock.advance(1);
  assert.ok(isDue());
});

test("a task that changes are not told to is due as often as it may be, and so is one that has failed", async () => {
  let fails = true;
  const { clock, isDue, run } = given(async () => {
    if (fails) throw new Error("the catalog does not answer");
    return undefined;
  });
  await assert.rejects(run);
  await clock.advance(1000);
  assert.ok(isDue());
  fails = false;
  await run();
  await clock.advance(1000);
  assert.ok(!isDue());
  assert.ok(isDue(false));
});

test("what changes while a task looks makes it due again", async () => {
  const { clock, task, isDue, run } = given(async () => {
    task.noteChange(undefined);
    return undefined;
  });
  await run();
  await clock.advance(1000);
  assert.ok(isDue());
});

test("a task is due at the moment that it has named", async () => {
  const { clock, isDue, run } = given(async () => new Date(clock.now().getTime() + 7000));
  await run();
  await clock.advance(6999);
  assert.ok(!isDue());
  await clock.advance(1);
  assert.ok(isDue());
});
