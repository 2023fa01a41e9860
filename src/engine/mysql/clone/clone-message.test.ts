import assert from "node:assert/strict";
import { test } from "node:test";
import { acknowledgeRequest, beginRequest, innodbLocator, locatorEntry, parseResponse } from "./clone-message.ts";

const malformed = (what: string) => new Error(what);

function text(content: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(content));
  return Buffer.concat([length, Buffer.from(content)]);
}

function parse(code: number, ...parts: readonly Buffer[]) {
  return parseResponse(code, Buffer.concat(parts), malformed);
}

test("a clone is begun with version, the choice about DDL, and the locator of InnoDB", () => {
  const locators = locatorEntry(Buffer.from("abc"));
  assert.deepEqual(
    beginRequest("init", { ddl: { isAllowed: true, timeoutSeconds: 300 }, locators }),
    Buffer.from([1, 3, 1, 0, 0, 0x2c, 1, 0, 0x80, 12, 3, 0, 0, 0, 97, 98, 99]),
  );
  const attach = beginRequest("attach", { ddl: { isAllowed: false, timeoutSeconds: 1 }, locators });
  assert.deepEqual(attach.subarray(0, 9), Buffer.from([2, 3, 1, 0, 0, 1, 0, 0, 0]));
});

test("an acknowledgement carries the state, one that ends the clone an error and no state", () => {
  const locator = locatorEntry(Buffer.from("L"));
  const fine = acknowledgeRequest(locator, { state: Buffer.from("xy") });
  assert.deepEqual(fine, Buffer.from([5, 0, 0, 0, 0, 12, 1, 0, 0, 0, 76, 2, 0, 0, 0, 120, 121]));
  const failed = acknowledgeRequest(locator, { error: 1317 });
  assert.deepEqual(failed, Buffer.from([5, 0x25, 5, 0, 0, 12, 1, 0, 0, 0, 76, 0, 0, 0, 0]));
});

test("every kind of response is read", () => {
  const entry = locatorEntry(Buffer.from("loc"));
  const version = Buffer.from([2, 1, 0, 0]);
  assert.deepEqual(parse(1, version, entry), {
    ...{ kind: "locators", version: 0x0102 },
    entries: [{ engine: 12, locator: Buffer.from("loc"), entry }],
  });
  assert.deepEqual(parse(2, Buffer.from([12, 0]), Buffer.from("d")), {
    ...{ kind: "descriptor", descriptor: Buffer.from("d") },
  });
  assert.deepEqual(parse(4, text("InnoDB")), { kind: "plugin", name: "InnoDB", library: undefined });
  assert.deepEqual(parse(7, text("clone"), text("mysql_clone.so")), {
    ...{ kind: "plugin", name: "clone", library: "mysql_clone.so" },
  });
  for (const code of [5, 8, 9]) {
    assert.deepEqual(parse(code, text("version"), text("9.7.4")), { kind: "config", key: "version", value: "9.7.4" });
  }
  assert.deepEqual(parse(6, text("utf8mb4_bin")), { kind: "collation", name: "utf8mb4_bin" });
  assert.deepEqual(parse(99), { kind: "complete" });
  assert.deepEqual(parse(100, Buffer.from([0x17, 7, 0, 0]), Buffer.from("lost")), {
    ...{ kind: "error", errno: 1815, message: "lost" },
  });
});

test("responses that are cut short, too long, or of another kind are refused", () => {
  const wrong: readonly (readonly [() => unknown, RegExp])[] = [
    [() => parse(42), /type 42/],
    [() => parse(5, text("version")), /cut short/],
    [() => parse(6, Buffer.from([255, 255, 255, 255, 1])), /cut short/],
    [() => parse(99, Buffer.from([0])), /1 bytes after a complete/],
    [() => parse(1, Buffer.from([4, 1, 0, 0])), /protocol 0x104/],
    [() => parse(1, Buffer.from([0, 1, 0, 0, 12, 200, 0, 0, 0])), /cut short/],
    [() => parse(2, Buffer.from([13, 0]), Buffer.from("d")), /number 13/],
    [() => parse(2, Buffer.from([12])), /cut short/],
    [() => innodbLocator([], malformed), /engines none/],
  ];
  for (const [work, message] of wrong) assert.throws(work, { message });
});
