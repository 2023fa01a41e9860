import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDataRow, parseServerMessage, queryMessage, type Row } from "./backend-message.ts";

function dataRow(row: Row): Buffer {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(row.length);
  const values = row.flatMap((value) => {
    const bytes = Buffer.from(value ?? "", "utf8");
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === undefined ? -1 : bytes.length);
    return [length, bytes];
  });
  return Buffer.concat([count, ...values]);
}

test("rows come out as they were sent, and one that is cut short or too long is none", () => {
  const value = fc.option(fc.string({ unit: "grapheme" }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(value), (row) => {
      const bytes = dataRow(row);
      assert.deepEqual(parseDataRow(bytes), row);
      assert.equal(parseDataRow(bytes.subarray(0, -1)), undefined);
      assert.equal(parseDataRow(Buffer.concat([bytes, Buffer.alloc(1)])), undefined);
    }),
  );
});

test("an error's fields are read, whatever the server's language", () => {
  const fields = ["SFEHLER", "VERROR", "C58P01", "Mdas angeforderte WAL-Segment wurde schon entfernt", "FxlogReader.c"];
  const said = parseServerMessage(Buffer.from(`${fields.join("\0")}\0\0`));
  assert.equal(said.severity, "ERROR");
  assert.equal(said.sqlState, "58P01");
  assert.equal(said.message, "das angeforderte WAL-Segment wurde schon entfernt");
  assert.equal(said.detail, undefined);
});

test("an error that is cut short still is an error", () => {
  assert.equal(parseServerMessage(Buffer.from("SFATAL\0C570")).sqlState, "XX000");
  assert.equal(parseServerMessage(Buffer.alloc(0)).message, "an error without a message");
});

test("a command goes out as one simple query", () => {
  assert.deepEqual(queryMessage("SHOW x"), Buffer.from("Q\0\0\0\x0bSHOW x\0", "latin1"));
});
