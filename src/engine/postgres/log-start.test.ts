import assert from "node:assert/strict";
import { test } from "node:test";
import { lsnToSortable, parseLsn } from "../../domain/lsn.ts";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { chooseLogStart } from "./log-start.ts";
import { parseTimelineHistory } from "./timeline-history.ts";

const segmentBytes = 16 * 1024 * 1024;

/** A server on timeline 3 that left timeline 1 at 0/3000100 and timeline 2 at 0/5000200. */
const promoted = {
  position: { systemId: "7711131922836973084", timeline: 3, flushed: parseLsn("0/7000000") },
  history: parseTimelineHistory(3, "1\t0/3000100\tr\n2\t0/5000200\tr\n"),
  segmentBytes,
  reservation: { restartLsn: parseLsn("0/6001234"), isStandby: false },
};

const stored = (timeline: number, lsn: string, systemId = "7711131922836973084") => ({
  stream: `${systemId}-0000000${timeline}`,
  position: lsnToSortable(parseLsn(lsn)),
});

test("a first start begins with the whole segment of the oldest WAL that the slot keeps", () => {
  const start = chooseLogStart(undefined, promoted);
  assert.deepEqual(start, { timeline: 3, start: parseLsn("0/6000000"), stored: 0n });
  const older = chooseLogStart(undefined, {
    ...promoted,
    reservation: { restartLsn: parseLsn("0/4000028"), isStandby: false },
  });
  assert.deepEqual(older, { timeline: 2, start: parseLsn("0/4000000"), stored: 0n });
});

test("the log goes on where the stored one ends", () => {
  const start = chooseLogStart(stored(3, "0/6FFFFFF"), promoted);
  assert.deepEqual(start, { timeline: 3, start: parseLsn("0/6FFFFFF"), stored: parseLsn("0/6FFFFFF") });
});

test("an old timeline is read up to where it was left", () => {
  const start = chooseLogStart(stored(1, "0/30000FF"), promoted);
  assert.deepEqual(start, { timeline: 1, start: parseLsn("0/30000FF"), stored: parseLsn("0/30000FF") });
});

test("when an old timeline is stored to its end, the next one begins with the segment of the switch", () => {
  const start = chooseLogStart(stored(1, "0/3000100"), promoted);
  assert.deepEqual(start, { timeline: 2, start: parseLsn("0/3000000"), stored: parseLsn("0/3000100") });
});

test("what is stored of an old timeline beyond its end is a dead branch, and not told to be stored", () => {
  const start = chooseLogStart(stored(2, "0/6000000"), promoted);
  assert.deepEqual(start, { timeline: 3, start: parseLsn("0/5000000"), stored: 0n });
});

test("another system identifier is another database", async () => {
  const error = await rejectsWith("SYSTEM_IDENTIFIER_CHANGED", () =>
    chooseLogStart(stored(3, "0/6000000", "7711131922836973085"), promoted),
  );
  assert.match(error.message, /7711131922836973084.*7711131922836973085/);
});

test("P5: a server that is behind the stored log has lost WAL: a gap, and not another database", async () => {
  const error = await rejectsWith("LOG_GAP", () => chooseLogStart(stored(3, "0/7000001"), promoted));
  assert.equal(error.details["reason"], "server-behind");
  assert.match(error.message, /lost WAL/);
});

test("P5: a server whose history does not contain the stored timeline is a gap", async () => {
  const error = await rejectsWith("LOG_GAP", () => chooseLogStart(stored(4, "0/6000000"), promoted));
  assert.equal(error.details["reason"], "other-branch");
});

test("a standby that has just started is waited for, since it may get to the end of the stored log", async () => {
  const standby = { ...promoted, reservation: { ...promoted.reservation, isStandby: true } };
  await rejectsWith("SERVER_UNREACHABLE", () => chooseLogStart(stored(3, "0/7000001"), standby));
  await rejectsWith("SERVER_UNREACHABLE", () => chooseLogStart(stored(4, "0/6000000"), standby));
});
