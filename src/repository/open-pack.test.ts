import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { sealBlob } from "./blob.ts";
import { OpenPack } from "./open-pack.ts";
import { packProblem } from "./verify-pack.ts";

const key = randomBytes(32);

test("a pack is the same whether its room suffices or not, and what went into it may be used again", () => {
  const session = randomBytes(16);
  const filled = (room: Buffer) => {
    const pack = new OpenPack(room, { keyId: "0123456789abcdef", session });
    for (let sequence = 1; sequence <= 3; sequence += 1) {
      const plain = Buffer.alloc(2000, `blob ${sequence}`);
      const offset = pack.sizeBytes;
      for (const part of sealBlob(key, { role: "delta", sequence, plain, level: 1 })) {
        pack.add(part);
        part.fill(0);
      }
      const sealedBytes = pack.sizeBytes - offset;
      pack.index.push({ role: "delta", offset, sealedBytes, plainBytes: plain.length, sequence });
    }
    const { parts, sha256, sizeBytes } = pack.finish(key, 4);
    const bytes = Buffer.concat(parts);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256);
    assert.equal(bytes.length, sizeBytes);
    assert.equal(packProblem({ pack: bytes, key, fingerprintSeed: 1n }), undefined);
    return bytes;
  };
  const whole = filled(Buffer.alloc(10_000));
  for (const room of [0, 40, 100, whole.length - 1]) assert.ok(filled(Buffer.alloc(room)).equals(whole));
});
