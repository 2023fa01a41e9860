import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchLoader } from "./batch-loader.ts";

test("what is asked at once, or while an answer is under way, is answered together", async () => {
  const batches: (readonly number[])[] = [];
  const gate = Promise.withResolvers<void>();
  const loader = new BatchLoader<number, number>(async (keys) => {
    batches.push(keys);
    if (batches.length === 1) await gate.promise;
    return keys.map((key) => key * 10);
  });
  const first = [loader.load(1), loader.load(2)];
  await new Promise((resolve) => setImmediate(resolve));
  const next = [loader.load(3), loader.load(3), loader.load(4)];
  gate.resolve();
  assert.deepEqual(await Promise.all([...first, ...next]), [10, 20, 30, 30, 40]);
  assert.deepEqual(batches, [
    [1, 2],
    [3, 3, 4],
  ]);
  assert.equal(await loader.load(5), 50, "it can be asked again");
});

test("no more than so many are asked together", async () => {
  const sizes: number[] = [];
  const loader = new BatchLoader<number, number>(
    async (keys) => {
      sizes.push(keys.length);
      return keys;
    },
    { maxAtOnce: 3 },
  );
  await Promise.all([1, 2, 3, 4, 5, 6, 7].map(async (key) => await loader.load(key)));
  assert.deepEqual(sizes, [3, 3, 1]);
});

test("a failure is everybody's who asked together, and nobody else's", async () => {
  const loader = new BatchLoader<number, number>(async (keys) => {
    if (keys.includes(1)) throw new Error("not now");
    return keys;
  });
  const together = await Promise.allSettled([loader.load(1), loader.load(2)]);
  assert.deepEqual(
    together.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(await loader.load(2), 2);
});
