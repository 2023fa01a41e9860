import assert from "node:assert/strict";
import { test } from "node:test";
import { isOutside, type LogNeed, retainedLog } from "./log-retention.ts";

const onwards = (stream: string, start: string): LogNeed => ({ stream, start, end: `${start}5`, reach: "onwards" });
const itself = (stream: string, start: string, end: string): LogNeed => ({ stream, start, end, reach: "itself" });

test("log is needed from the oldest base backup on", () => {
  const needs = [onwards("7-1", "30"), onwards("7-1", "20"), onwards("7-1", "40")];
  assert.deepEqual(retainedLog("7-1", needs), [{ start: "20", end: undefined }]);
});

test("of a backup that is kept beyond the retention, only the log that makes it consistent stays", () => {
  const needs = [itself("7-1", "10", "13"), itself("7-1", "12", "14"), onwards("7-1", "30")];
  assert.deepEqual(retainedLog("7-1", needs), [
    { start: "10", end: "14" },
    { start: "30", end: undefined },
  ]);
  assert.deepEqual(retainedLog("7-1", [itself("7-1", "35", "36"), onwards("7-1", "30")]), [
    { start: "30", end: undefined },
  ]);
});

test("timelines that lead on from the oldest base backup stay whole, earlier ones go", () => {
  const needs = [onwards("7-2", "20"), onwards("7-4", "50")];
  assert.deepEqual(retainedLog("7-1", needs), []);
  assert.deepEqual(retainedLog("7-2", needs), [{ start: "20", end: undefined }]);
  assert.deepEqual(retainedLog("7-3", needs), [{ start: "", end: undefined }]);
  assert.deepEqual(retainedLog("7-4", needs), [{ start: "", end: undefined }]);
});

test("nothing is said of the log of a server that no base backup is of", () => {
  assert.equal(retainedLog("8-1", [onwards("7-1", "20")]), undefined);
});

test("a piece goes when no part of it is needed", () => {
  const spans = [
    { start: "10", end: "14" },
    { start: "30", end: undefined },
  ];
  assert.equal(isOutside({ start: "05", end: "10" }, spans), true);
  assert.equal(isOutside({ start: "05", end: "11" }, spans), false);
  assert.equal(isOutside({ start: "14", end: "30" }, spans), true);
  assert.equal(isOutside({ start: "29", end: "31" }, spans), false);
  assert.equal(isOutside({ start: "80", end: "90" }, spans), false);
  assert.equal(isOutside({ start: "80", end: "90" }, []), true);
});
