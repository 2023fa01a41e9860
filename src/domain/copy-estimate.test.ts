import assert from "node:assert/strict";
import { test } from "node:test";
import { type CopyFacts, estimateCopy } from "./copy-estimate.ts";

const gb = 1e9;
const facts: CopyFacts = {
  packBytes: 8 * gb,
  logBytes: 2 * gb,
  heldBytes: 0,
  log: { bytes: 43_200_000, seconds: 43_200 },
  added: { bytes: 30_000_000, backups: 3 },
  newestPackBytes: 8 * gb,
  intervalHours: 12,
  retentionDays: 2,
  bytesPerSecond: 10_000_000,
  prices: { storedGbMonth: 0.02, transferredGb: 0.01 },
};

test("what is to be copied, what comes a day, and what it costs follow from what is stored and the recent rate", () => {
  const estimate = estimateCopy(facts);
  assert.equal(estimate.bytesToCopy, 10 * gb);
  assert.equal(estimate.logBytesPerDay, 86_400_000);
  assert.equal(estimate.backupBytesPerDay, 20_000_000);
  assert.equal(estimate.bytesPerDay, 106_400_000);
  // 10 MB/s, less what comes meanwhile.
  assert.equal(Math.round(estimate.secondsToCatchUp ?? 0), 1000);
  assert.equal(estimate.storedBytes, 10 * gb);
  assert.equal(estimate.storedBytesLater, 10 * gb);
  assert.equal(estimate.money?.once.toFixed(4), "0.1000");
  assert.equal(estimate.money?.perMonthStored.toFixed(4), "0.2000");
  assert.equal(estimate.money?.perMonthTransferred.toFixed(4), "0.0324");
});

test("backups grow older: what is held when they are as old as they get counts for the money", () => {
  const { storedBytesLater, money } = estimateCopy({ ...facts, retentionDays: 90 });
  assert.equal(storedBytesLater, 8 * gb + 106_400_000 * 90.5);
  assert.equal(money?.perMonthStored.toFixed(3), (((8 * gb + 106_400_000 * 90.5) / gb) * 0.02).toFixed(3));
});

test("what is not known is not made up", () => {
  const estimate = estimateCopy({
    ...facts,
    ...{ log: undefined, added: undefined, bytesPerSecond: undefined, prices: undefined },
  });
  assert.deepEqual(
    [estimate.bytesPerDay, estimate.secondsToCatchUp, estimate.neverCatchesUp, estimate.money],
    [undefined, undefined, false, undefined],
  );
});

test("a copy that is slower than what comes never catches up, and one that has everything needs no time", () => {
  assert.equal(estimateCopy({ ...facts, bytesPerSecond: 1000 }).neverCatchesUp, true);
  assert.equal(estimateCopy({ ...facts, packBytes: 0, logBytes: 0, bytesPerSecond: 1000 }).secondsToCatchUp, 0);
});
