import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLsn } from "../../domain/lsn.ts";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { parseTimelineHistory, timelineAt, timelineEnd } from "./timeline-history.ts";

const content = "# made by hand\n1\t0/1346C4B0\tno recovery target specified\n\n3\t1/20\tbefore 2026-11-22\n";
const history = parseTimelineHistory(4, content);

test("a history file says where each timeline was left, and for which", () => {
  assert.deepEqual(timelineEnd(history, 1, 4), { end: parseLsn("0/1346C4B0"), next: 3 });
  assert.deepEqual(timelineEnd(history, 3, 4), { end: parseLsn("1/20"), next: 4 });
  assert.equal(timelineEnd(history, 2, 4), undefined);
  assert.equal(timelineEnd(history, 4, 4), undefined);
});

test("a position belongs to the timeline that was followed there; a switch belongs to the new one", () => {
  assert.equal(timelineAt(history, 4, parseLsn("0/1346C4AF")), 1);
  assert.equal(timelineAt(history, 4, parseLsn("0/1346C4B0")), 3);
  assert.equal(timelineAt(history, 4, parseLsn("1/20")), 4);
  assert.equal(timelineAt([], 1, parseLsn("1/20")), 1);
});

test("a history with lines that make no sense is refused", async () => {
  for (const line of ["x\t0/1\treason", "1 reason", "4\t0/1\treason", "2\t0/1\tr\n1\t0/2\tr"]) {
    await rejectsWith("SERVER_PROTOCOL", () => parseTimelineHistory(4, line));
  }
});
