import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { extentBytes, pageBytes } from "./file-map.ts";
import { TupleFilter, undoTupleFilter } from "./tuple-filter.ts";

/** A page as PostgreSQL lays it out, of tuples of one length that count up. */
function pageOfTuples(lengthBytes: number, tuples: number, specialBytes = 0): Buffer {
  const page = Buffer.alloc(pageBytes);
  const special = pageBytes - specialBytes;
  const step = Math.ceil(lengthBytes / 8) * 8;
  page.writeUInt16LE(24 + 4 * tuples, 12);
  page.writeUInt16LE(special - tuples * step, 14);
  page.writeUInt16LE(special, 16);
  page.writeUInt16LE(pageBytes | 4, 18);
  for (let tuple = 0; tuple < tuples; tuple += 1) {
    const at = special - (tuple + 1) * step;
    page.writeUInt32LE((at | (1 << 15) | (lengthBytes << 17)) >>> 0, 24 + 4 * tuple);
    page.fill(0x20, at, at + lengthBytes);
    page.writeUInt32LE(1000 + tuple, at);
    page.writeUInt32LE(0xfffffff0 + tuple > 0xffffffff ? tuple : 0xfffffff0 + tuple, at + 4);
  }
  return page;
}

function filtered(plain: Buffer): Buffer | undefined {
  const result = new TupleFilter().apply(plain);
  return result && Buffer.from(result);
}

test("pages of tuples of one length become nearly all the same, and read back", () => {
  for (const page of [pageOfTuples(16, 300, 16), pageOfTuples(121, 60), pageOfTuples(44, 100)]) {
    const plain = Buffer.concat([page, page, page.subarray(0, 100)]);
    const found = filtered(plain);
    assert.ok(found);
    const values = new Set(new Uint32Array(new Uint8Array(found.subarray(pageBytes / 2, pageBytes)).buffer));
    assert.ok(values.size < 10, `${values.size} different words`);
    assert.deepEqual(undoTupleFilter(found, plain.length), plain);
  }
});

test("what is no page of such tuples is left as it is", () => {
  const mixed = pageOfTuples(40, 100);
  mixed.writeUInt32LE((mixed.readUInt32LE(24 + 200) & 0x1ffff) | (36 << 17), 24 + 200);
  const noPage = pageOfTuples(16, 300);
  noPage.writeUInt16LE(4, 18);
  for (const page of [Buffer.alloc(pageBytes), Buffer.alloc(pageBytes, 0xff), mixed, noPage, Buffer.alloc(77)]) {
    assert.equal(filtered(page), undefined);
  }
});

test("any bytes read back, whatever their headers claim", () => {
  const word = fc.oneof(fc.integer(), fc.integer({ min: 0, max: 9000 }), fc.constant((pageBytes | 4) << 16));
  const header = fc.array(word, { minLength: 8, maxLength: 40 });
  const shape = fc.record({ header, of: fc.integer({ min: 1, max: 400 }), seed: fc.integer() });
  fc.assert(
    fc.property(fc.array(shape, { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 100 }), (shapes, rest) => {
      const pages = shapes.map(({ header: words, of, seed }) => {
        const page = Buffer.from(pageOfTuples((of % 200) + 1, Math.min(of, Math.floor(8000 / (of + 12)) + 1)));
        for (const [index, value] of words.entries())
          if ((seed >> (index % 31)) & 1) page.writeInt32LE(value, 4 * index);
        return page;
      });
      const plain = Buffer.concat([...pages, Buffer.alloc(rest, 1)]);
      const found = filtered(plain);
      if (found) assert.deepEqual(undoTupleFilter(found, plain.length), plain);
    }),
  );
});

test("a whole extent of pages fits", () => {
  const page = pageOfTuples(121, 60);
  const plain = Buffer.concat(Array.from({ length: extentBytes / pageBytes }, () => page));
  const found = filtered(plain);
  assert.ok(found);
  assert.deepEqual(undoTupleFilter(found, plain.length), plain);
});
