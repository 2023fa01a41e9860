import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatMoment, formatPairs, formatSeconds, formatTable, oneLine } from "./format.ts";

test("sizes and spans of time are told in units that people read", () => {
  assert.deepEqual([0, 1023, 1536, 5 * 2 ** 30, 2 ** 51].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.5 KiB",
    "5.0 GiB",
    "2048.0 TiB",
  ]);
  assert.deepEqual([0.4, 119, 120, 7200, 200_000].map(formatSeconds), ["0 s", "119 s", "2 min", "2.0 h", "2.3 d"]);
});

test("moments are told in UTC, with their age", () => {
  const now = Date.parse("2026-03-01T10:01:30Z");
  assert.equal(formatMoment("2026-03-01T10:00:00.123Z", now), "2026-03-01 10:00:00 UTC (90 s ago)");
  assert.equal(formatMoment("2026-03-01T10:05:00Z", now), "2026-03-01 10:05:00 UTC");
});

test("tables have a header and no lines, and stand in columns", () => {
  const table = formatTable(
    ["name", "state"],
    [
      ["shop", "RUNNING"],
      ["a-long-name", ""],
    ],
  );
  assert.equal(table, "NAME         STATE\nshop         RUNNING\na-long-name");
  assert.equal(
    formatPairs([
      ["a", "1"],
      ["long", "2"],
    ]),
    "a     1\nlong  2",
  );
});

test("text from elsewhere cannot steer the terminal", () => {
  assert.equal(oneLine(" first\nsecond \x1b[31mred\x07\u009b2J "), "first second [31mred2J");
});
