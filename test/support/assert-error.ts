import assert from "node:assert/strict";
import { BtarError, type ErrorCode } from "../../src/domain/errors.ts";

/** Expects a BtarError of the code; returns it, for a look at its message. */
export async function rejectsWith(code: ErrorCode, work: () => unknown): Promise<BtarError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof BtarError, `not a BtarError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  throw new assert.AssertionError({ message: `nothing was thrown, ${code} was expected` });
}
