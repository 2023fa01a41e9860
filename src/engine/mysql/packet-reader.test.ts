import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PacketReader } from "./packet-reader.ts";
import { packetOf } from "./packets.ts";

const malformed = (what: string) => new Error(what);
const partBytes = 0xff_ff_ff;

/** A payload as a server sends it: in packets of at most 16777215 bytes, the last one shorter than that. */
function packetsOf(payload: Buffer, sequence = 0): Buffer {
  const packets: Buffer[] = [];
  for (let start = 0; ; start += partBytes) {
    const part = payload.subarray(start, start + partBytes);
    const head = Buffer.alloc(4);
    head.writeUIntLE(part.length, 0, 3);
    head.writeUInt8((sequence + packets.length / 2) % 256, 3);
    packets.push(head, part);
    if (part.length < partBytes) return Buffer.concat(packets);
  }
}

/** Reads all packets of `wire`, fed in chunks that are overwritten when the next one comes. */
function readAll(wire: Buffer, chunkBytes: (index: number) => number): { payload: Buffer; sequence: number }[] {
  const reader = new PacketReader(malformed);
  const found: { payload: Buffer; sequence: number }[] = [];
  let parts: Buffer[] | undefined;
  let sequence = 0;
  let last: Buffer = Buffer.alloc(0);
  for (let offset = 0, index = 0; offset < wire.length; index += 1) {
    last.fill(0xaa);
    last = Buffer.from(wire.subarray(offset, offset + chunkBytes(index)));
    offset += last.length;
    reader.feed(last);
    for (;;) {
      if (!parts) {
        const header = reader.next();
        if (!header) break;
        parts = [];
        sequence = header.sequence;
      }
      for (let part = reader.fragment(); part; part = reader.fragment()) parts.push(Buffer.from(part));
      if (!reader.isOver) break;
      found.push({ payload: Buffer.concat(parts), sequence });
      parts = undefined;
    }
  }
  return found;
}

test("packets cut at any byte come out as they were sent", () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 });
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
  fc.assert(
    fc.property(payloads, sizes, (sent, chunks) => {
      const wire = Buffer.concat(sent.map((payload, index) => packetOf(payload, index)));
      const found = readAll(wire, (index) => chunks[index % chunks.length] ?? 1);
      assert.deepEqual(
        found.map(({ payload }) => payload),
        sent.map((payload) => Buffer.from(payload)),
      );
      assert.deepEqual(
        found.map((packet) => packet.sequence),
        sent.map((_, index) => index),
      );
    }),
  );
});

test("a payload of 16 MiB and more is one, whether its last packet is empty or not", () => {
  for (const bytes of [partBytes - 1, partBytes, partBytes + 1, 2 * partBytes]) {
    const sent = Buffer.alloc(bytes, "0123456789abcdef");
    const wire = Buffer.concat([packetsOf(sent, 255), packetOf(Buffer.from("next"), 7)]);
    // Also so that chunks end before, within and after the head of the second packet.
    for (const chunk of [wire.length, 1024 * 1024, partBytes + 4, partBytes + 5, partBytes + 8]) {
      const found = readAll(wire, () => chunk);
      assert.equal(found.length, 2);
      assert.ok(found[0]?.payload.equals(sent), `${bytes} bytes in chunks of ${chunk}`);
      assert.deepEqual(found[1], { payload: Buffer.from("next"), sequence: 7 });
    }
  }
});

test("payload that was received together is not copied", () => {
  const wire = Buffer.concat([packetOf(Buffer.from("abcdef"), 0), packetOf(Buffer.from("gh"), 1)]);
  const reader = new PacketReader(malformed);
  reader.feed(wire.subarray(0, 11)); // all of the first packet, and a byte of the next head
  assert.deepEqual(reader.next(), { payloadBytes: 6, sequence: 0 });
  const view = reader.view(4);
  assert.equal(view?.buffer, wire.buffer);
  assert.equal(view?.toString(), "abcd");
  assert.equal(reader.view(3), undefined, "the packet has two bytes left");
  assert.equal(reader.fragment(1)?.toString(), "e");
  assert.equal(reader.isOver, false);
  assert.equal(reader.fragment()?.toString(), "f");
  assert.equal(reader.isOver, true);
  assert.equal(reader.fragment(), undefined);
  assert.equal(reader.next(), undefined);
  reader.feed(wire.subarray(11, 15));
  assert.deepEqual(reader.next(), { payloadBytes: 2, sequence: 1 });
  assert.equal(reader.view(2), undefined, "only one of them is here");
  assert.equal(reader.fragment()?.toString(), "g");
  assert.equal(reader.fragment(), undefined);
  reader.feed(wire.subarray(15));
  assert.equal(reader.fragment()?.toString(), "h");
  assert.equal(reader.isOver, true);
});

test("an empty packet is over at once", () => {
  const reader = new PacketReader(malformed);
  reader.feed(packetOf(Buffer.alloc(0), 3));
  assert.deepEqual(reader.next(), { payloadBytes: 0, sequence: 3 });
  assert.equal(reader.isOver, true);
});

test("a packet that does not follow on the last one of its payload is refused", () => {
  const first = packetsOf(Buffer.alloc(partBytes)).subarray(0, partBytes + 4);
  const reader = new PacketReader(malformed);
  reader.feed(Buffer.concat([first, packetOf(Buffer.from("x"), 5)]));
  reader.next();
  assert.throws(() => reader.fragment(), /a packet of number 5 instead of 1/);
});
