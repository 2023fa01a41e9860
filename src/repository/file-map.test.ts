import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { decodeFileMapGroup, encodeFileMapGroup, extentBytes, type FileMapGroup } from "./file-map.ts";

const pack = (seed: string) => ({
  sha256: seed.repeat(64),
  session: seed.repeat(32),
  keyId: seed.repeat(16),
  fingerprints: { offset: 99, sealedBytes: 24, plainBytes: 8, sequence: 2 ** 33 },
});
const blob = (number: number) => ({
  pack: number % 2,
  offset: 40 + number,
  sealedBytes: 1000 + number,
  plainBytes: extentBytes,
  sequence: 2 ** 40 + number,
});
const extent = (number: number) => ({ ...blob(number), firstFingerprint: 128 * number });

const group: FileMapGroup = {
  packs: [pack("a"), pack("b")],
  files: [
    { sizeBytes: 0, extents: [] },
    {
      sizeBytes: 3 * extentBytes + 5,
      extents: [
        { kind: "whole", plainBytes: extentBytes, blob: extent(1) },
        {
          kind: "delta",
          plainBytes: extentBytes,
          base: extent(2),
          delta: { ...blob(3), plainBytes: 5 * 8192 },
          deltaOffset: 2 * 8192,
          pages: [0, 63, 127],
          fingerprints: new BigUint64Array(randomBytes(24).buffer.slice(0, 24)),
        },
        { kind: "whole", plainBytes: extentBytes, blob: { ...extent(4), plainBytes: 8192 } },
        { kind: "hole", plainBytes: 5 },
      ],
    },
  ],
};

test("file maps read back as they were written", () => {
  assert.deepEqual(decodeFileMapGroup(encodeFileMapGroup(group), "pack x"), group);
});

test("X3: file maps that contradict themselves are refused", async () => {
  const bytes = encodeFileMapGroup(group);
  const changed = (change: (copy: Buffer) => void) => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  };
  const records = 8 + 2 * 80;
  const bad = [
    bytes.subarray(0, bytes.length - 1),
    Buffer.concat([bytes, Buffer.alloc(1)]),
    changed((copy) => copy.writeUInt32LE(1, 0)),
    changed((copy) => copy.writeUInt32LE(0xffffffff, 4)),
    changed((copy) => copy.writeUInt8(7, records + 16 + 16)),
    changed((copy) => copy.writeUInt32LE(9, records + 16 + 16 + 8)),
    changed((copy) => copy.writeUInt32LE(4, records + 16 + 16 + 4)),
    changed((copy) => copy.writeUInt32LE(3 * 8192, records + 16 + 16 + 64 + 36 + 24)),
    Buffer.alloc(0),
  ];
  for (const content of bad) await rejectsWith("OBJECT_DAMAGED", () => decodeFileMapGroup(content, "pack x"));
});
