import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { BandwidthLimit, type Pace } from "./bandwidth-limit.ts";

const neverAborted = new AbortController().signal;

/** Takes `count` slices of `sizeBytes`, one after the other, and notes when each one may be read. */
async function takeAll(pace: Pace, what: { count: number; sizeBytes: number; note: (index: number) => void }) {
  for (let index = 0; index < what.count; index += 1) {
    await pace.take(what.sizeBytes, neverAborted);
    what.note(index);
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test("C7: all copies of a pair of clouds together go as fast as the limit says, log before base backups", async () => {
  const clock = new FakeClock();
  const start = clock.now().getTime();
  const limit = new BandwidthLimit(1000, clock);
  const notes: string[] = [];
  const note = (who: string) => (index: number) => notes.push(`${who}${index} ${clock.now().getTime() - start}`);
  const base = limit.pace({ isUrgent: false });
  const copies = [
    takeAll(base, { count: 3, sizeBytes: 500, note: note("a") }),
    takeAll(base, { count: 2, sizeBytes: 500, note: note("b") }),
  ];
  await settle();
  copies.push(takeAll(limit.pace({ isUrgent: true }), { count: 2, sizeBytes: 250, note: note("log") }));
  for (let step = 0; step < 40; step += 1) {
    await clock.advance(100);
    await settle();
  }
  await Promise.all(copies);
  assert.deepEqual(notes, ["a0 0", "log0 500", "log1 750", "b0 1000", "a1 1500", "b1 2000", "a2 2500"]);
});

test("C7: agents that share a pair of clouds have an equal share each", async () => {
  const clock = new FakeClock();
  const limit = new BandwidthLimit(1000, clock);
  limit.shareAmong(4);
  let taken = 0;
  const pace = limit.pace({ isUrgent: false });
  const copy = takeAll(pace, { count: 5, sizeBytes: 250, note: () => (taken += 1) });
  await settle();
  for (const expected of [1, 2, 3, 4, 5]) {
    assert.equal(taken, expected);
    await clock.advance(1000);
    await settle();
  }
  await copy;
});

test("C7: who is cancelled while it waits lets the others go on", async () => {
  const clock = new FakeClock();
  const limit = new BandwidthLimit(1000, clock);
  const pace = limit.pace({ isUrgent: false });
  const stop = new AbortController();
  await pace.take(1000, neverAborted);
  const cancelled = rejectsWith("CANCELLED", () => pace.take(1_000_000, stop.signal));
  const next = pace.take(1000, neverAborted);
  stop.abort();
  await cancelled;
  await settle();
  await clock.advance(1000);
  await next;
  await rejectsWith("CANCELLED", () => pace.take(1, stop.signal));
});

test("slices are a quarter of a second of the limit, within what is worth a request and fits into memory", () => {
  const sliceOf = (rate: number) => new BandwidthLimit(rate).pace({ isUrgent: false }).sliceBytes;
  assert.deepEqual([1024, 2 ** 20, 2 ** 30].map(sliceOf), [16 * 1024, 2 ** 18, 4 * 2 ** 20]);
});
