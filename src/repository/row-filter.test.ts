import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pageOfRows, pageOfTuples } from "../../test/support/equal-row-pages.ts";
import { mulberry32 } from "../../test/support/random-numbers.ts";
import { extentBytes } from "./file-map.ts";
import { RowFilter } from "./row-filter.ts";

const innodbPageBytes = 16 * 1024;

function filtered(plain: Buffer): Buffer | undefined {
  const result = new RowFilter().apply(plain);
  return result && Buffer.from(result);
}

function readBack(found: Buffer, plain: Buffer): void {
  assert.ok(new RowFilter().undo(found, plain.length).equals(plain), "it reads back as it was");
}

test("pages of records of one length lose what all records share, and read back", () => {
  for (const shape of [
    { rowBytes: 13, rows: 1100 },
    { rowBytes: 208, rows: 74 },
    { rowBytes: 1023, rows: 15 },
    { rowBytes: 40, rows: 300, isCompact: false },
    { rowBytes: 40, rows: 90, pageBytes: 4096 },
    { rowBytes: 40, rows: 180, pageBytes: 8192 },
    { rowBytes: 40, rows: 1500, pageBytes: 65_536 },
  ]) {
    const plain = Buffer.concat([1, 2, 3].map((seed) => pageOfRows(shape, seed)));
    const found = filtered(plain);
    assert.ok(found, JSON.stringify(shape));
    const shared = plain.length - found.length;
    assert.ok(shared > 3 * shape.rows * shape.rowBytes * 0.25, `${JSON.stringify(shape)}: ${shared} bytes less`);
    readBack(found, plain);
  }
});

test("so do PostgreSQL's pages of tuples of one length, and not those of others", () => {
  const plain = Buffer.concat([1, 2, 3].map((seed) => pageOfTuples(133, 50, seed)));
  const found = filtered(plain);
  assert.ok(found);
  assert.ok(plain.length - found.length > 3 * 49 * 24 - 200);
  readBack(found, plain);
  const other = pageOfTuples(133, 50);
  other.writeUInt32LE((other.readUInt32LE(24 + 4 * 25) & 0x1ffff) | (121 << 17), 24 + 4 * 25);
  assert.equal(filtered(other), undefined);
});

test("pages of other records among them, and what lies after the last page, stay as they are", () => {
  const page = pageOfRows({ rowBytes: 60, rows: 200 });
  const other = pageOfRows({ rowBytes: 61, rows: 200 });
  other.writeUInt16BE(other.readUInt16BE(40) + 1, 40);
  const plain = Buffer.concat([other, page, Buffer.alloc(innodbPageBytes, 7), page, Buffer.from("the end")]);
  const found = filtered(plain);
  assert.ok(found);
  assert.ok(found.subarray(0, innodbPageBytes).equals(other));
  readBack(found, plain);
});

test("what has no page of such records, or gains too little, is left alone", () => {
  const few = pageOfRows({ rowBytes: 60, rows: 7 });
  const unlike = pageOfRows({ rowBytes: 60, rows: 200 });
  const random = mulberry32(3);
  for (let at = 120; at < unlike.length; at += 1) unlike[at] = Math.floor(random() * 256);
  const beyond = pageOfRows({ rowBytes: 60, rows: 200 });
  beyond.writeUInt16BE(120 + 60 * 400, 40);
  beyond.writeUInt16BE(402 | 0x8000, 42);
  for (const plain of [few, unlike, beyond, Buffer.alloc(innodbPageBytes), Buffer.alloc(0), Buffer.alloc(25, 0x45)]) {
    assert.equal(filtered(plain), undefined);
  }
});

test("a whole extent of pages fits, one after the other in one filter", () => {
  const filter = new RowFilter();
  for (const shape of [
    { rowBytes: 13, rows: 1100 },
    { rowBytes: 208, rows: 74 },
  ]) {
    const plain = Buffer.concat(
      Array.from({ length: extentBytes / innodbPageBytes }, (_, seed) => pageOfRows(shape, seed)),
    );
    const found = filter.apply(plain);
    assert.ok(found);
    const kept = Buffer.from(found);
    assert.ok(filter.undo(kept, plain.length).equals(plain));
  }
});

test("any bytes read back, whatever their headers claim", () => {
  const shape = fc.record({
    rowBytes: fc.integer({ min: 8, max: 1023 }),
    rows: fc.integer({ min: 1, max: 1200 }),
    claimedRows: fc.option(fc.integer({ min: 0, max: 0xffff })),
    claimedEnd: fc.option(fc.integer({ min: 0, max: 0xffff })),
    seed: fc.integer(),
  });
  fc.assert(
    fc.property(fc.array(shape, { minLength: 1, maxLength: 6 }), fc.integer({ min: 0, max: 5000 }), (shapes, rest) => {
      const pages = shapes.map(({ rowBytes, rows, claimedRows, claimedEnd, seed }) => {
        if (seed % 3 === 0) return pageOfTuples(24 + (rowBytes % 200), Math.min(rows, Math.floor(8000 / 232)), seed);
        const page = pageOfRows({ rowBytes, rows: Math.min(rows, Math.floor(16_000 / rowBytes)) }, seed);
        if (claimedRows !== null) page.writeUInt16BE(claimedRows, 42);
        if (claimedEnd !== null) page.writeUInt16BE(claimedEnd, 40);
        return page;
      });
      const plain = Buffer.concat([...pages, Buffer.alloc(rest, 1)]);
      const found = filtered(plain);
      if (found) readBack(found, plain);
    }),
  );
});

test("what the filter did not make is refused, or becomes as many bytes as it should", () => {
  const plain = Buffer.concat([1, 2].map((seed) => pageOfRows({ rowBytes: 30, rows: 100 }, seed)));
  const found = filtered(plain);
  assert.ok(found);
  assert.throws(() => new RowFilter().undo(found, plain.length + 1), /do not fit/);
  assert.throws(() => new RowFilter().undo(found, plain.length - 1), /do not fit/);
  assert.throws(() => new RowFilter().undo(found, 2 ** 40), /do not fit/);
  for (const length of [0, 3, 4, 100]) {
    assert.throws(() => new RowFilter().undo(found.subarray(0, length), plain.length), /do not fit/);
  }
  const described = found.length - 4 - found.readUInt32LE(found.length - 4);
  const change = fc.record({ at: fc.integer({ min: described, max: found.length - 1 }), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const damaged = Buffer.from(found);
      for (const { at, value } of changes) damaged[at] = value;
      try {
        assert.equal(new RowFilter().undo(damaged, plain.length).length, plain.length);
      } catch (error) {
        assert.match(String(error), /do not fit/);
      }
    }),
  );
});
