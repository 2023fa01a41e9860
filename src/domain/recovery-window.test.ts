import assert from "node:assert/strict";
import { test } from "node:test";
import {
  backupForTime,
  joinedWindows,
  reachOfBackups,
  recoveryWindow,
  type WindowLogRange,
} from "./recovery-window.ts";

const at = (time: string) => new Date(`2026-03-01T${time}:00Z`);
const position = (number: number) => String(number).padStart(16, "0");

function backup(id: string, time: string, start: number, end: number, logStream = "7-00000001") {
  return { id, consistentAt: at(time), logStream, logStart: position(start), logEnd: position(end) };
}

function range(start: number, end: number, until: string | undefined, stream = "7-00000001"): WindowLogRange {
  return {
    stream,
    start: position(start),
    end: position(end),
    coveredUntil: until === undefined ? undefined : at(until),
  };
}

test("the window goes from the oldest complete base backup to the end of the log", () => {
  const window = recoveryWindow(
    [backup("b1", "10:00", 10, 12), backup("b2", "11:00", 20, 22)],
    [range(5, 40, "11:30")],
  );
  assert.deepEqual(window, { earliestAt: at("10:00"), latestAt: at("11:30"), backupId: "b1" });
});

test("without a complete base backup there is no window", () => {
  assert.equal(recoveryWindow([], [range(5, 40, "11:30")]), undefined);
});

test("a base backup whose own log is not complete reaches nothing", () => {
  assert.deepEqual(reachOfBackups([backup("b1", "10:00", 10, 50)], [range(5, 40, "11:30")]), []);
  assert.deepEqual(reachOfBackups([backup("b1", "10:00", 10, 12)], [range(11, 40, "11:30")]), []);
});

test("P5: a time inside a gap of the log is never offered", () => {
  const backups = [backup("b1", "10:00", 10, 12), backup("b2", "11:00", 70, 72)];
  const ranges = [range(5, 40, "10:20"), range(60, 90, "11:30")];
  assert.deepEqual(recoveryWindow(backups, ranges), { earliestAt: at("11:00"), latestAt: at("11:30"), backupId: "b2" });
  const reach = reachOfBackups(backups, ranges);
  assert.equal(backupForTime(reach, at("10:40")), undefined);
  assert.equal(backupForTime(reach, at("10:10"))?.backupId, "b1");
  assert.equal(backupForTime(reach, at("11:10"))?.backupId, "b2");
});

test("the newest base backup that reaches a time is chosen", () => {
  const reach = reachOfBackups([backup("b1", "10:00", 10, 12), backup("b2", "11:00", 20, 22)], [range(5, 40, "11:30")]);
  assert.equal(backupForTime(reach, at("10:30"))?.backupId, "b1");
  assert.equal(backupForTime(reach, at("11:00"))?.backupId, "b2");
  assert.equal(backupForTime(reach, at("11:31")), undefined);
});

test("the log goes on through a later timeline of the same server, not through another server's", () => {
  const backups = [backup("b1", "10:00", 10, 12)];
  const promoted = [range(5, 40, "10:20"), range(32, 60, "10:50", "7-00000002")];
  assert.deepEqual(recoveryWindow(backups, promoted)?.latestAt, at("10:50"));
  const replaced = [range(5, 40, "10:20"), range(32, 60, "10:50", "8-00000002")];
  assert.deepEqual(recoveryWindow(backups, replaced)?.latestAt, at("10:20"));
});

test("P5: what base backups reach is joined where it touches, and a gap stays one", () => {
  const reach = (backupId: string, from: string, until: string) => ({
    backupId,
    earliestAt: at(from),
    latestAt: at(until),
  });
  assert.deepEqual(
    joinedWindows([reach("c", "14:00", "15:00"), reach("b", "11:00", "12:00"), reach("a", "10:00", "11:30")]),
    [
      { earliestAt: at("10:00"), latestAt: at("12:00") },
      { earliestAt: at("14:00"), latestAt: at("15:00") },
    ],
  );
  assert.deepEqual(joinedWindows([]), []);
});
