import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { formatGtid, parseGtid } from "./gtid.ts";

const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

test("a GTID is read as MySQL writes it, with a tag or without", () => {
  assert.deepEqual(parseGtid(`${uuid}:23`), { uuid, tag: "", number: 23n });
  assert.deepEqual(parseGtid(` ${uuid.toUpperCase()} : App_1 : 5 `), { uuid, tag: "app_1", number: 5n });
  assert.equal(parseGtid(`${uuid}:9223372036854775806`).number, 2n ** 63n - 2n);
  for (const text of [`${uuid}:23`, `${uuid}:app:5`]) assert.equal(formatGtid(parseGtid(text)), text);
});

test("F3: what is no GTID, and sets of them, are refused, with what would be accepted", async () => {
  const sets = [`${uuid}:1-5`, `${uuid}:1:3`, `${uuid}:app:1-2`, `${uuid}:1,${uuid}:2`, `${uuid}:1:app:2`];
  const others = ["", "5", uuid, `${uuid}:`, `${uuid}:0`, `${uuid}:x`, `${uuid}:9223372036854775807`, "16/B374D848"];
  for (const text of [...sets, ...others]) {
    const error = await rejectsWith("INVALID_GTID", () => parseGtid(text));
    assert.match(error.message, sets.includes(text) ? /is a set of GTIDs/ : /is not a GTID/, text);
    assert.match(error.hint ?? "", /UUID:NUMBER or UUID:TAG:NUMBER/);
  }
});
