import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { decodeFileMapGroup, encodeFileMapGroup, extentBytes, type FileMapGroup } from "./file-map.ts";

const pack = (seed: string) => ({ sha256: seed.repeat(64), session: seed.repeat(32), keyId: seed.repeat(16) });
const blob = (number: number) => ({
  pack: number % 2,
  offset: 40 + number,
  sealedBytes: 1000 + number,
  plainBytes: extentBytes,
  sequence: 2 ** 40 + number,
});

const group: FileMapGroup = {
  packs: [pack("a"), pack("b")],
  files: [
    { sizeBytes: 0, extents: [], fingerprints: new Uint8Array(0) },
    {
      sizeBytes: 2 * extentBytes + 5,
      extents: [
        { kind: "whole", plainBytes: extentBytes, blob: blob(1) },
        { kind: "delta", plainBytes: extentBytes, base: blob(2), delta: { ...blob(3), plainBytes: 8192 } },
        { kind: "hole", plainBytes: 5 },
      ],
      fingerprints: randomBytes(257 * 8),
    },
  ],
};

test("file maps read back as they were written", () => {
  const decoded = decodeFileMapGroup(encodeFileMapGroup(group), "pack x");
  assert.deepEqual(decoded.packs, group.packs);
  assert.deepEqual(
    decoded.files.map(({ sizeBytes, extents }) => ({ sizeBytes, extents })),
    group.files.map(({ sizeBytes, extents }) => ({ sizeBytes, extents })),
  );
  assert.deepEqual(Buffer.from(decoded.files[1]?.fingerprints ?? []), Buffer.from(group.files[1]?.fingerprints ?? []));
});

test("X3: file maps that contradict themselves are refused", async () => {
  const bytes = encodeFileMapGroup(group);
  const changed = (change: (copy: Buffer) => void) => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  };
  const records = 8 + 2 * 56;
  const bad = [
    bytes.subarray(0, bytes.length - 1),
    Buffer.concat([bytes, Buffer.alloc(1)]),
    changed((copy) => copy.writeUInt32LE(1, 0)),
    changed((copy) => copy.writeUInt32LE(0xffffffff, 4)),
    changed((copy) => copy.writeUInt8(7, records + 16 + 16)),
    changed((copy) => copy.writeUInt32LE(9, records + 16 + 16 + 8)),
    changed((copy) => copy.writeUInt32LE(4, records + 16 + 16 + 4)),
    Buffer.alloc(0),
  ];
  for (const content of bad) await rejectsWith("OBJECT_DAMAGED", () => decodeFileMapGroup(content, "pack x"));
});
