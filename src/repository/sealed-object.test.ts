import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { rejectsWith } from "../../test/support/assert-error.ts";
import { DataKeys } from "./data-keys.ts";
import { checkSealedObject, openObject, sealObject } from "./sealed-object.ts";

const key = { id: "0123456789abcdef", bytes: randomBytes(32) };
const keys = new DataKeys("service", [key]);
const name = "service/log/s/a";

async function seal(plain: Uint8Array): Promise<Buffer> {
  return Buffer.concat(await sealObject({ role: "logPiece", name, key, plain, compressionLevel: 3 }));
}

test("what is sealed opens, whatever it holds", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (plain) => {
      const opened = await openObject({ role: "logPiece", name, keys, sealed: await seal(plain) });
      assert.deepEqual(opened, Buffer.from(plain));
    }),
    { numRuns: 50 },
  );
});

test("X3: a flipped byte anywhere is found, without a key by the checksum", async () => {
  const sealed = await seal(Buffer.from("bytes of log"));
  for (let at = 0; at < sealed.length; at += 1) {
    const flipped = Buffer.from(sealed);
    flipped.writeUInt8(flipped.readUInt8(at) ^ 0x10, at);
    await assert.rejects(openObject({ role: "logPiece", name, keys, sealed: flipped }), `byte ${at}`);
    assert.throws(() => checkSealedObject(name, flipped), `byte ${at}`);
  }
});

test("X3: an object cut short anywhere is found", async () => {
  const sealed = await seal(Buffer.from("bytes of log"));
  for (let length = 0; length < sealed.length; length += 1) {
    await rejectsWith("OBJECT_DAMAGED", () => checkSealedObject(name, sealed.subarray(0, length)));
  }
});

test("X3: an object in another's place, or as another kind, does not open", async () => {
  const sealed = await seal(Buffer.from("bytes of log"));
  await rejectsWith("OBJECT_DAMAGED", () => openObject({ role: "logPiece", name: "service/log/s/b", keys, sealed }));
  await rejectsWith("OBJECT_DAMAGED", () => openObject({ role: "manifest", name, keys, sealed }));
  const others = new DataKeys("service", [{ id: "ffffffffffffffff", bytes: randomBytes(32) }]);
  await rejectsWith("KEY_UNAVAILABLE", () => openObject({ role: "logPiece", name, keys: others, sealed }));
});
