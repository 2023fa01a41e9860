import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import type { EventBody } from "../binlog/event-scanner.ts";
import { eventHeaderBytes } from "../binlog/event-header.ts";
import { TransactionPayload } from "./transaction-payload.ts";

function event(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(eventHeaderBytes);
  head.writeUInt8(type, 4);
  head.writeUInt32LE(eventHeaderBytes + body.length, 9);
  return Buffer.concat([head, body]);
}

/** Fields of a type, a length and a value, before the events. */
function payload(events: Buffer, compression: 0 | 255): Buffer {
  const content = compression === 0 ? zstdCompressSync(events) : events;
  const size = Buffer.from([1, 3, 0xfc, content.length & 0xff, content.length >> 8]);
  const kind = compression === 0 ? [2, 1, 0] : [2, 3, 0xfc, 255, 0];
  return Buffer.concat([size, Buffer.from([...kind, 0]), content]);
}

/** Reads a payload that comes in pieces. @returns the bodies of its events by type */
async function read(bytes: Buffer, pieceBytes: number): Promise<readonly (readonly [number, string])[]> {
  const bodies: [number, string][] = [];
  const reader = new TransactionPayload(({ type }): EventBody => {
    const parts: Buffer[] = [];
    return {
      take: (part) => void parts.push(Buffer.from(part)),
      end: () => void bodies.push([type, Buffer.concat(parts).toString()]),
    };
  });
  for (let at = 0; at < bytes.length; at += pieceBytes) await reader.write(bytes.subarray(at, at + pieceBytes));
  await reader.end();
  return bodies;
}

test("the events in a compressed transaction are taken apart, however it comes, compressed or not", async () => {
  const texts = fc.array(fc.string({ maxLength: 3000 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(
      texts,
      fc.constantFrom(0, 255),
      fc.integer({ min: 1, max: 500 }),
      async (all, kind, pieceBytes) => {
        const events = Buffer.concat(all.map((text, index) => event(index, Buffer.from(text))));
        const bytes = payload(events, kind === 0 ? 0 : 255);
        assert.deepEqual(
          await read(bytes, pieceBytes),
          all.map((text, index) => [index, text]),
        );
      },
    ),
    { numRuns: 50 },
  );
});

test("what is damaged is an error, never anything else, wherever it is", async () => {
  const events = Buffer.concat([event(2, Buffer.from("x".repeat(500))), event(30, Buffer.from("y".repeat(2000)))]);
  const sound = payload(events, 0);
  for (const [at, byte] of [...sound].entries()) {
    const damaged = Buffer.from(sound);
    damaged[at] = byte ^ 0xff;
    await read(damaged, 50).then(
      () => undefined,
      (error: unknown) => assert.ok(error instanceof Error),
    );
  }
  await assert.rejects(read(sound.subarray(0, -5), 50));
  await assert.rejects(read(Buffer.alloc(200, 1), 50), RangeError);
});
