import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { BtarError } from "../../domain/errors.ts";
import { fileStoreError } from "./file-store-error.ts";

const store = { url: "file:/backups", doing: "cannot store a/b" };

function meaning(failure: { readonly code: string; readonly syscall?: string; readonly errno?: number }) {
  return fileStoreError(Object.assign(new Error(`${failure.code}: it failed`), failure), store);
}

test("a full disk and an exceeded quota are a full store", () => {
  assert.equal(meaning({ code: "ENOSPC" }).code, "STORE_FULL");
  // As Node.js 24 reports a quota: without a name.
  const quota = meaning({ code: "Unknown system error -122", errno: -constants.errno.EDQUOT });
  assert.equal(quota.code, "STORE_FULL");
});

test("missing rights are a store that refuses", () => {
  for (const code of ["EACCES", "EPERM", "EROFS"]) assert.equal(meaning({ code }).code, "STORE_REFUSED");
  assert.match(meaning({ code: "EPERM", syscall: "link" }).hint ?? "", /hard links/);
});

test("everything else is a store that does not answer, and the message says which and why", () => {
  const error = meaning({ code: "EIO" });
  assert.equal(error.code, "STORE_UNREACHABLE");
  assert.equal(error.message, "file:/backups cannot store a/b: EIO: it failed");
  assert.ok(error.cause instanceof Error);
});

test("what btar itself has found out stays as it is", () => {
  const error = new BtarError("CANCELLED", { message: "cancelled" });
  assert.equal(fileStoreError(error, store), error);
});
