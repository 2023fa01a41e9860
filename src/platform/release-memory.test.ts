import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { releaseMemory } from "./release-memory.ts";

test("the memory of a large buffer is given back, and what small ones share is left alone", () => {
  const packed = zstdCompressSync(Buffer.alloc(1024 * 1024, "row "));
  const plain = zstdDecompressSync(packed, { chunkSize: 1024 * 1024 + 1024 });
  releaseMemory(plain);
  assert.equal(plain.length, 0);
  const small = [Buffer.from("one"), Buffer.from("two"), Buffer.allocUnsafe(30_000), packed];
  for (const each of small) releaseMemory(each);
  assert.equal(small[0]?.toString(), "one");
  assert.ok(zstdDecompressSync(packed).length > 0);
});
