import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { serverOf } from "../../domain/recovery-window.ts";
import { formatStreamName, parseStreamName } from "./stream-name.ts";

const serverUuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

test("P5: binary logs that begin anew are another server's to recovery windows", () => {
  const [first, second] = [
    { serverUuid, generation: 0x69a0f3c1 },
    { serverUuid, generation: 0x69a0f3c2 },
  ] as const;
  assert.equal(formatStreamName(first), `${serverUuid}.69A0F3C1-00000000`);
  assert.notEqual(serverOf(formatStreamName(first)), serverOf(formatStreamName(second)));
  assert.ok(formatStreamName(first) < formatStreamName(second));
  assert.deepEqual(parseStreamName(formatStreamName(first)), first);
});

test("names of other engines' streams are refused", async () => {
  for (const name of ["7312345678901234567-00000001", serverUuid, `${serverUuid}.69A0F3C1-00000001`, ""]) {
    await rejectsWith("INVALID_INPUT", () => parseStreamName(name));
  }
});
