import assert from "node:assert/strict";
import { test } from "node:test";
import { mulberry32 } from "../../test/support/random-numbers.ts";
import { RowMemory } from "./row-memory.ts";

/** Lengths of what is left out and of what is copied, in turn, of rows of `stride` bytes. */
function randomRuns(stride: number, random: () => number): Uint16Array {
  const runs: number[] = [];
  for (let left = stride; left > 0; ) {
    const length = runs.length === 0 && random() < 0.3 ? 0 : 1 + Math.floor(random() * Math.min(left, 40));
    runs.push(Math.min(length, left));
    left -= length;
  }
  if (runs.length % 2 === 1) runs.push(0);
  return Uint16Array.from(runs);
}

test("the loops do what plain code does, and touch nothing that they should not", () => {
  const random = mulberry32(11);
  const memory = new RowMemory();
  for (const stride of [1, 2, 7, 15, 16, 17, 33, 208, 1023]) {
    for (const count of [2, 3, 77]) {
      const at = Math.floor(random() * 5000);
      const bytes = Buffer.from(Array.from({ length: stride * count }, () => Math.floor(random() * 3)));
      memory.source.set(bytes, at);
      const row = (number: number) => bytes.subarray(number * stride, (number + 1) * stride);
      const rows = Array.from({ length: count }, (_, number) => row(number));
      const differs = [...row(0)].map((first, column) => rows.some((each) => each[column] !== first));
      const found = [...memory.differences({ at, stride, count })].map((value) => value !== 0);
      assert.deepEqual(found, differs, `stride ${stride}, count ${count}`);

      const runs = randomRuns(stride, random);
      const kept = rows.map((each) => {
        let from = 0;
        const parts: Buffer[] = [];
        for (const [index, length] of runs.entries()) {
          if (index % 2 === 1) parts.push(each.subarray(from, from + length));
          from += length;
        }
        return Buffer.concat(parts);
      });
      memory.target.fill(9, 0, 100);
      const end = memory.gather(at, count, runs, 100);
      assert.ok(memory.target.subarray(100, end).equals(Buffer.concat(kept)));
      assert.ok(memory.target.subarray(0, 100).every((byte) => byte === 9));
    }
  }
});

test("rows whose columns were taken out are put together again from the row before them", () => {
  const random = mulberry32(12);
  const memory = new RowMemory();
  for (const stride of [1, 2, 7, 15, 16, 17, 33, 208, 1023]) {
    const runs = randomRuns(stride, random);
    const isKept = [...runs].flatMap((length, index) => new Array<boolean>(length).fill(index % 2 === 1));
    const first = Buffer.from(Array.from({ length: stride }, () => Math.floor(random() * 256)));
    const rows = Array.from({ length: 50 }, () => first.map((byte, at) => (isKept[at] ? random() * 256 : byte)));
    memory.target.set(first, 10);
    const kept = Buffer.concat(rows.map((row) => Buffer.from(row.filter((_, at) => isKept[at]))));
    memory.source.set(kept, 20);
    const end = memory.scatter(20, { stride, count: rows.length }, runs, 10 + stride);
    assert.equal(end, 20 + kept.length);
    assert.ok(memory.target.subarray(10, 10 + 51 * stride).equals(Buffer.concat([first, ...rows])), `stride ${stride}`);
  }
});
