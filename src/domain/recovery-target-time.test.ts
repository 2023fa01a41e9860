import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { formatMicros, parseTargetTime } from "./recovery-target-time.ts";

const noon = BigInt(Date.parse("2026-03-01T12:00:00Z")) * 1000n;

test("F3: a time with zone, and one without (UTC), are understood to the microsecond", () => {
  const forms = [
    "2026-03-01T12:00:00Z",
    "2026-03-01 12:00:00",
    "2026-03-01T14:00:00+02:00",
    "2026-03-01 14:00:00+02",
    "2026-03-01T06:30:00-0530",
    "2026-03-01T12:00Z",
  ];
  for (const form of forms) assert.equal(parseTargetTime(form), noon, form);
  assert.equal(parseTargetTime("2026-03-01T12:00:00.123456789Z"), noon + 123456n);
  assert.equal(parseTargetTime("2026-03-01T12:00:00.5Z"), noon + 500000n);
  assert.equal(formatMicros(noon + 123456n), "2026-03-01T12:00:00.123456Z");
});

test("F3: what is no time is refused, with what would be accepted", async () => {
  for (const text of [
    "",
    "yesterday",
    "2026-03-01",
    "12:00",
    "2026-13-01T00:00:00Z",
    "2026-03-01T25:00:00Z",
    "1700000000",
  ]) {
    const error = await rejectsWith("INVALID_TIME", () => parseTargetTime(text));
    assert.match(error.hint ?? "", /2026-03-01T10:00:00Z/, text);
  }
});
