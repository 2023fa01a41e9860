import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { checkBody, checkFolder, checkPrefix, checkRange, checkStoredSize, compareKeys, isKey } from "./key.ts";

test("keys are plain segments joined by slashes", () => {
  for (const key of ["a", "a/b", "A-Z/a_z/0.9", "..a", "a..", "...", `${"a/".repeat(255)}ab`])
    assert.ok(isKey(key), key);
});

test("keys that could leave the store or mean something else elsewhere are refused", () => {
  const bad = [
    "",
    ".",
    "..",
    "/a",
    "a/",
    "a//b",
    "a/./b",
    "a/../b",
    "../a",
    "a b",
    "a\\b",
    "a\0",
    "ä",
    "a%2f",
    "a\n",
    "a?",
  ];
  for (const key of [...bad, "a".repeat(513)]) assert.ok(!isKey(key), JSON.stringify(key));
});

test("a prefix is what a key can start with", async () => {
  for (const prefix of ["", "a", "a/", "a/b", "a/.", "a/b/", ".."]) checkPrefix(prefix);
  for (const prefix of ["/", "../", "a/../", "a//", "a b", "a/b c", "a".repeat(513)]) {
    await rejectsWith("INVALID_INPUT", () => checkPrefix(prefix));
  }
});

test("folders are asked for below a folder only", async () => {
  checkFolder("");
  checkFolder("a/b/");
  await rejectsWith("INVALID_INPUT", () => checkFolder("a/b"));
});

test("a range is two whole numbers", async () => {
  checkRange(undefined);
  checkRange({ offset: 0, lengthBytes: 0 });
  for (const range of [
    { offset: -1, lengthBytes: 1 },
    { offset: 0, lengthBytes: 1.5 },
    { offset: Number.NaN, lengthBytes: 1 },
    { offset: 0, lengthBytes: Number.POSITIVE_INFINITY },
  ]) {
    await rejectsWith("INVALID_INPUT", () => checkRange(range));
  }
});

test("objects larger than 512 MiB are neither stored nor read", async () => {
  const quarter = new Uint8Array(128 * 1024 * 1024);
  assert.equal(checkBody("a", [quarter, quarter, quarter, quarter]).sizeBytes, 512 * 1024 * 1024);
  await rejectsWith("INVALID_INPUT", () => checkBody("a", [quarter, quarter, quarter, quarter, new Uint8Array(1)]));
  const object = { key: "a/b", store: "memory:x" };
  checkStoredSize({ ...object, sizeBytes: 512 * 1024 * 1024 });
  const error = await rejectsWith("OBJECT_DAMAGED", () => checkStoredSize({ ...object, sizeBytes: 2 ** 40 }));
  assert.match(error.message, /a\/b in memory:x has 1099511627776 bytes/);
});

test("keys are ordered by their bytes", () => {
  assert.deepEqual(["a/b", "a.b", "a-b", "aB", "ab", "a"].sort(compareKeys), ["a", "a-b", "a.b", "a/b", "aB", "ab"]);
});
