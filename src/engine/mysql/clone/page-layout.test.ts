import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkEncryptionBlock,
  encryptionBlockBytes,
  initialPage,
  initialSize,
  pageChecksum,
  roundedSize,
  tablespaceLayout,
} from "./page-layout.ts";

const plain16 = 0x4021;
const plain4 = 0x4021 | (3 << 6);
const keyBlock8 = 0x4021 | (4 << 1);

test("pages, extents and the place of the key follow from a tablespace's flags", () => {
  const of = (flags: number) => {
    const { pageBytes, extentBytes, encryptionOffset } = tablespaceLayout(flags);
    return [pageBytes, extentBytes, encryptionOffset];
  };
  assert.deepEqual(of(plain16), [16_384, 1_048_576, 10_390]);
  assert.deepEqual(of(plain4), [4096, 1_048_576, 1558]);
  assert.deepEqual(of(0x4021 | (7 << 6)).slice(0, 2), [65_536, 4_194_304]);
  assert.deepEqual(of(keyBlock8).slice(0, 2), [8192, 524_288]);
});

test("files of more than an extent are of whole extents", () => {
  const layout = tablespaceLayout(plain16);
  assert.deepEqual(
    [114_688, 1_048_576, 1_048_577, 5_242_880].map((size) => roundedSize(size, layout)),
    [114_688, 1_048_576, 2_097_152, 5_242_880],
  );
  assert.equal(initialSize(9, layout), 7 * 16_384);
  assert.equal(initialSize(0xffff_ffed, layout), 16 * 1024 * 1024);
});

test("the first page of a new tablespace has its ids, versions and a checksum", () => {
  const versions = Buffer.from("0001adfc00000001", "hex");
  const page = initialPage({ flags: plain16, spaceId: 9, versions, key: undefined });
  assert.equal(page.length, 16_384);
  assert.ok(page.subarray(8, 16).equals(versions));
  assert.deepEqual([page.readUInt32BE(34), page.readUInt32BE(38), page.readUInt32BE(54)], [9, 9, plain16]);
  assert.equal(page.readUInt32BE(0), pageChecksum(page));
  assert.equal(page.readUInt32BE(page.length - 8), page.readUInt32BE(0));
  assert.equal(initialPage({ flags: keyBlock8, spaceId: 9, versions, key: undefined }).length, 8192);
});

test("a key that changed on its way is noticed; one that is wrapped cannot be checked", () => {
  const { encryptionOffset } = tablespaceLayout(plain16);
  const page = initialPage({ flags: plain16, spaceId: 9, versions: Buffer.alloc(8), key: Buffer.alloc(64, 5) });
  const block = page.subarray(encryptionOffset, encryptionOffset + encryptionBlockBytes);
  assert.equal(checkEncryptionBlock(block), "sound");
  block[50] = 6;
  assert.equal(checkEncryptionBlock(block), "damaged");
  block.writeUInt32BE(3, 3);
  assert.equal(checkEncryptionBlock(block), undefined);
  assert.equal(checkEncryptionBlock(Buffer.alloc(encryptionBlockBytes)), undefined);
  assert.equal(checkEncryptionBlock(block.subarray(0, 50)), undefined);
});
