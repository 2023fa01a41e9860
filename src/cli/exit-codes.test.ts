import assert from "node:assert/strict";
import { test } from "node:test";
import { BtarError } from "../domain/errors.ts";
import { exitCodeHelp, exitCodeOf, exitCodes } from "./exit-codes.ts";

test("exit codes tell scripts what a failure means", () => {
  const codeOf = (code: ConstructorParameters<typeof BtarError>[0]) => exitCodeOf(new BtarError(code, { message: "" }));
  assert.equal(codeOf("INVALID_INPUT"), 1);
  assert.equal(codeOf("NOT_FOUND"), 3);
  assert.equal(codeOf("ALREADY_EXISTS"), 4);
  assert.equal(codeOf("STORE_UNREACHABLE"), 5);
  assert.equal(codeOf("OBJECT_DAMAGED"), 6);
});

test("help tells every exit code", () => {
  for (const code of Object.values(exitCodes)) assert.match(exitCodeHelp, new RegExp(`\\b${code} `));
});
