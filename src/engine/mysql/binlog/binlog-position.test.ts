import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import {
  binlogFileName,
  formatPosition,
  packPosition,
  parseBinlogFileName,
  unpackPosition,
} from "./binlog-position.ts";

const positions = fc.record({
  file: fc.integer({ min: 0, max: 2 ** 28 - 1 }),
  offset: fc.integer({ min: 0, max: 2 ** 36 - 1 }),
});

test("a position is seven digits of the file's number and nine of the offset", () => {
  assert.equal(packPosition({ file: 123, offset: 4567 }), "000007B0000011D7");
  assert.deepEqual(unpackPosition("000007B0000011D7"), { file: 123, offset: 4567 });
});

test("text order of positions is log order, and the end of each file sorts before the next one", () => {
  fc.assert(
    fc.property(positions, positions, (a, b) => {
      assert.deepEqual(unpackPosition(packPosition(a)), { ...a });
      const isBefore = a.file < b.file || (a.file === b.file && a.offset < b.offset);
      assert.equal(packPosition(a) < packPosition(b), isBefore);
    }),
  );
});

test("numbers that do not fit are refused instead of being cut", async () => {
  for (const position of [
    { file: 2 ** 28, offset: 0 },
    { file: 1, offset: 2 ** 36 },
    { file: -1, offset: 0 },
    { file: 1, offset: 0.5 },
  ]) {
    await rejectsWith("SERVER_PROTOCOL", () => packPosition(position));
  }
  for (const text of ["", "000007B0000011D", "000007b0000011d7", "000007B0000011D7 "]) {
    await rejectsWith("INVALID_INPUT", () => unpackPosition(text));
  }
});

test("file names are taken apart and made again", async () => {
  assert.deepEqual(parseBinlogFileName("binlog.000123"), { baseName: "binlog", file: 123 });
  assert.deepEqual(parseBinlogFileName("./db-1.example.000001"), { baseName: "db-1.example", file: 1 });
  assert.deepEqual(parseBinlogFileName("/var/log/mysql/mysql-bin.1000000"), { baseName: "mysql-bin", file: 1_000_000 });
  assert.equal(binlogFileName("binlog", 123), "binlog.000123");
  assert.equal(binlogFileName("binlog", 1_000_000), "binlog.1000000");
  assert.equal(formatPosition("binlog", { file: 7, offset: 158 }), "binlog.000007:158");
  for (const name of ["binlog", "binlog.index", "binlog.00012", ".000001", ""]) {
    await rejectsWith("SERVER_PROTOCOL", () => parseBinlogFileName(name));
  }
});
