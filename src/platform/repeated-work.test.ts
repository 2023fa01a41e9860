import assert from "node:assert/strict";
import { test } from "node:test";
import { RepeatedWork } from "./repeated-work.ts";

test("rounds follow each other after failures, too, of which each reason is told once until a round succeeds", async () => {
  const outcomes = ["no answer", "no answer", "refused", "", "refused"];
  const told: string[] = [];
  const done = Promise.withResolvers<void>();
  const work = new RepeatedWork(
    async () => {
      const outcome = outcomes.shift();
      if (outcome === undefined) done.resolve();
      else if (outcome !== "") throw new Error(outcome);
    },
    { everyMs: 0, onFailure: (reason) => told.push(reason) },
  );
  work.start();
  await done.promise;
  await work.stop();
  assert.deepEqual(told, ["no answer", "refused", "refused"]);
});

test("what is stopped ends its round, and begins no other, however long the pause would be", async () => {
  let rounds = 0;
  const work = new RepeatedWork(
    async (signal) => {
      rounds += 1;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    { everyMs: 3_600_000, onFailure: assert.fail },
  );
  await work.stop();
  work.start();
  assert.equal(rounds, 0);
  const other = new RepeatedWork(async () => (rounds += 1), { everyMs: 3_600_000, onFailure: assert.fail });
  other.start();
  await other.stop();
  assert.equal(rounds, 1);
});
