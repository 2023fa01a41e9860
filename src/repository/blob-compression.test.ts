import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { BlobCompressor } from "./blob-compression.ts";
import { extentBytes } from "./file-map.ts";

const [digits, words] = ["0123456789-", ["ordered ", "shipped ", "failed ", "invoice ", "the ", "of ", "region "]].map(
  (symbols) => {
    let text = "";
    for (let state = 1; text.length < extentBytes; state = (state * 48_271) % 2_147_483_647) {
      text += symbols[state % symbols.length];
    }
    return Buffer.from(text.slice(0, extentBytes));
  },
);

test("what repeats little is compressed quickly, to no more than thoroughly; all else as is wanted", () => {
  assert.ok(digits && words);
  const sizes = (plain: Buffer, level: number) => {
    const compressor = new BlobCompressor();
    return Array.from({ length: 10 }, () => compressor.compress(plain, level).length);
  };
  assert.deepEqual(sizes(digits, 3), sizes(digits, 1));
  assert.notDeepEqual(sizes(words, 3), sizes(words, 1));
  for (const plain of [digits, words, digits.subarray(0, 1000), Buffer.alloc(0)]) {
    assert.deepEqual(zstdDecompressSync(new BlobCompressor().compress(plain, 3)), plain);
  }
});

test("when other contents come, a sample of them tells before long", () => {
  assert.ok(digits && words);
  const thorough = new BlobCompressor().compress(words, 3).length;
  const compressor = new BlobCompressor();
  compressor.compress(digits, 3);
  const sizes = Array.from({ length: 32 }, () => compressor.compress(words, 3).length);
  assert.equal(sizes.at(-1), thorough);
});
