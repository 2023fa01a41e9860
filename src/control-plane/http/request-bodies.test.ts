import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { parseBody } from "./request-bodies.ts";

test("an empty body is no body", () => {
  assert.equal(parseBody(""), undefined);
  assert.deepEqual(parseBody('{"a":[1,null,"ü"]}'), { a: [1, null, "ü"] });
});

test("what is not JSON, or cannot be stored, is refused", async () => {
  for (const text of ["{", "{'a':1}", '{"a":"\\u0000"}', '{"\\u0000":1}', '{"a":["\\ud800"]}', '{"__proto__":{}}']) {
    await rejectsWith("INVALID_INPUT", () => parseBody(text));
  }
});

test("a body of brackets only does not bring the process down", async () => {
  await rejectsWith("INVALID_INPUT", () => parseBody("[".repeat(1024 * 1024)));
});
