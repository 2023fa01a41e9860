import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BtarError } from "../../domain/errors.ts";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { FrameReader } from "./frame-reader.ts";

const malformed = (what: string) => new BtarError("SERVER_PROTOCOL", { message: what });

interface Message {
  readonly type: string;
  readonly payload: Uint8Array;
}

function encode(messages: readonly Message[]): Buffer {
  return Buffer.concat(
    messages.flatMap(({ type, payload }) => {
      const head = Buffer.alloc(5);
      head.write(type, "latin1");
      head.writeInt32BE(payload.length + 4, 1);
      return [head, payload];
    }),
  );
}

/** Reads messages from pieces that are overwritten as soon as they have been used up. */
function decode(pieces: readonly Buffer[]): Message[] {
  const frames = new FrameReader(malformed);
  const messages: Message[] = [];
  const waiting = pieces.map((piece) => Buffer.from(piece));
  const parts: Buffer[] = [];
  let used: Buffer | undefined;
  const feed = () => {
    const piece = waiting.shift();
    if (!piece) return false;
    used?.fill(0xee);
    used = piece;
    frames.feed(piece);
    return true;
  };
  for (;;) {
    const frame = frames.next();
    if (!frame) {
      if (feed()) continue;
      return messages;
    }
    parts.length = 0;
    while (frames.remainingBytes > 0) {
      const fragment = frames.fragment();
      if (fragment) parts.push(Buffer.from(fragment));
      else if (!feed()) return messages;
    }
    messages.push({ type: frame.type, payload: Buffer.concat(parts) });
  }
}

const messageArbitrary = fc.record({
  type: fc.constantFrom("d", "d", "d", "D", "T", "Z", "N", "c"),
  payload: fc.uint8Array({ maxLength: 300 }),
});

test("messages are the same wherever the network cuts them", () => {
  fc.assert(
    fc.property(
      fc.array(messageArbitrary, { maxLength: 20 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      (messages, cuts) => {
        const bytes = encode(messages);
        const pieces: Buffer[] = [];
        for (let offset = 0; offset < bytes.length; ) {
          const length = cuts.next().value ?? 1;
          pieces.push(bytes.subarray(offset, offset + length));
          offset += length;
        }
        const plain = (all: readonly Message[]) =>
          all.map(({ type, payload }) => [type, Buffer.from(payload).toString("hex")]);
        assert.deepEqual(plain(decode(pieces)), plain(messages));
      },
    ),
  );
});

test("a fragment is never longer than asked for, and the rest follows", () => {
  const frames = new FrameReader(malformed);
  frames.feed(encode([{ type: "d", payload: Buffer.from("abcdef") }]));
  assert.deepEqual(frames.next(), { type: "d", payloadBytes: 6 });
  assert.equal(frames.fragment(4)?.toString(), "abcd");
  assert.equal(frames.remainingBytes, 2);
  assert.equal(frames.fragment()?.toString(), "ef");
  assert.equal(frames.next(), undefined);
});

test("lengths that no server sends are refused before anything is reserved for them", async () => {
  const head = (type: string, length: number) => {
    const bytes = Buffer.alloc(5);
    bytes.write(type, "latin1");
    bytes.writeInt32BE(length, 1);
    return bytes;
  };
  for (const bytes of [
    head("D", 3),
    head("D", -1),
    head("E", 65 * 1024 * 1024),
    head("\u0001", 4),
    head("H", 0x7fffffff),
  ]) {
    const frames = new FrameReader(malformed);
    frames.feed(bytes);
    await rejectsWith("SERVER_PROTOCOL", () => frames.next());
  }
});

test("copied data may be longer than what is held whole", () => {
  const frames = new FrameReader(malformed);
  const bytes = Buffer.from([0x64, 0x40, 0, 0, 0]);
  frames.feed(bytes);
  assert.deepEqual(frames.next(), { type: "d", payloadBytes: 0x40000000 - 4 });
});
