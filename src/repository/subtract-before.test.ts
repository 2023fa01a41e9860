import assert from "node:assert/strict";
import { test } from "node:test";
import { mulberry32 } from "../../test/support/random-numbers.ts";
import { DifferenceMemory } from "./subtract-before.ts";

test("each word becomes its difference from the one before it at that distance, and no other word changes", () => {
  const random = mulberry32(7);
  const memory = new DifferenceMemory();
  const words = new Int32Array(memory.bytes.buffer);
  for (const distance of [1, 2, 3, 4, 5, 7, 30, 255]) {
    for (const [first, end] of [
      [distance, distance],
      [distance + 1, distance + 2],
      [distance + 3, distance + 20],
      [4096, 6144],
      [words.length - 2048, words.length],
    ] as const) {
      for (let at = 0; at < words.length; at += 1) words[at] = Math.floor(random() * 2 ** 32);
      const expected = words.slice();
      for (let at = end - 1; at >= first; at -= 1) expected[at] = (expected[at] ?? 0) - (expected[at - distance] ?? 0);
      memory.subtractBefore({ first, end, distance });
      assert.deepEqual(words, expected, `${first} to ${end}, distance ${distance}`);
    }
  }
});
