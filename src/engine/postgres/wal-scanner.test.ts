import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rejectsWith } from "../../../test/support/assert-error.ts";
import { type TransactionEnd, WalScanner } from "./wal-scanner.ts";

const pageBytes = 8192;
const segmentBytes = 4 * pageBytes;
const start = 5n * BigInt(segmentBytes);
const epochMicros = 946_684_800_000_000n;

type Step =
  | { readonly kind: "filler"; readonly bodyBytes: number }
  | { readonly kind: "end"; readonly operation: keyof typeof operations; readonly extra: number; readonly tail: number }
  | { readonly kind: "switch" }
  /** The server dies while it writes a record, and goes on with the next page when it is back. */
  | { readonly kind: "crash" };

const operations = {
  commit: { info: 0x00, expected: { kind: "commit", isPrepared: false } },
  commitWithInfo: { info: 0x80, expected: { kind: "commit", isPrepared: false } },
  abort: { info: 0x20, expected: { kind: "abort", isPrepared: false } },
  commitPrepared: { info: 0x30, expected: { kind: "commit", isPrepared: true } },
  abortPrepared: { info: 0xc0, expected: { kind: "abort", isPrepared: true } },
} as const;

/** Writes WAL as PostgreSQL lays it out: pages with headers, records from a multiple of 8 on, across pages. */
class WalWriter {
  readonly ends: TransactionEnd[] = [];
  #pages: Buffer[] = [];
  #offset = 0;
  #time = 0n;

  bytes(): Buffer {
    return Buffer.concat(this.#pages).subarray(0, this.#offset);
  }

  step(step: Step): void {
    if (step.kind === "filler") this.#record(10, 0, Buffer.alloc(step.bodyBytes, 0xab));
    else if (step.kind === "switch") this.#switch();
    else if (step.kind === "crash") this.#crash();
    else {
      this.#time += 1_000n;
      const { info, expected } = operations[step.operation];
      const atMicros = epochMicros + this.#time;
      this.ends.push({ ...this.#record(1, info, this.#transaction(step.extra, step.tail)), ...expected, atMicros });
    }
  }

  /** Main data of a transaction's end, after an origin, a top-level transaction, or both. */
  #transaction(extra: number, tail: number): Buffer {
    const data = Buffer.alloc(8 + tail, 0xcd);
    data.writeBigInt64LE(this.#time);
    const length = Buffer.alloc(5);
    length.writeUInt8(254);
    length.writeUInt32LE(data.length, 1);
    const head = data.length < 256 ? Buffer.from([255, data.length]) : length;
    const origin = (extra & 1) === 0 ? [] : [253, 7, 0];
    const topLevel = (extra & 2) === 0 ? [] : [252, 1, 2, 3, 4];
    return Buffer.concat([Buffer.from([...origin, ...topLevel]), head, data]);
  }

  #record(resource: number, info: number, body: Buffer): { readonly start: bigint; readonly end: bigint } {
    const record = Buffer.concat([Buffer.alloc(24), body]);
    record.writeUInt32LE(record.length);
    record.writeUInt8(info, 16);
    record.writeUInt8(resource, 17);
    this.#startPage(0, 0);
    const recordStart = start + BigInt(this.#offset);
    for (let written = 0; written < record.length; ) {
      this.#startPage(1, record.length - written);
      const space = pageBytes - (this.#offset % pageBytes);
      const part = record.subarray(written, written + space);
      part.copy(this.#pages.at(-1) ?? Buffer.alloc(0), this.#offset % pageBytes);
      written += part.length;
      this.#offset += part.length;
    }
    this.#offset = Math.ceil(this.#offset / 8) * 8;
    return { start: recordStart, end: start + BigInt(this.#offset) };
  }

  #startPage(flags: number, continuationBytes: number): void {
    if (this.#offset % pageBytes !== 0) return;
    const isFirst = this.#offset % segmentBytes === 0;
    const page = Buffer.alloc(pageBytes);
    page.writeUInt16LE(0xd118);
    page.writeUInt16LE(flags | (isFirst ? 2 : 0), 2);
    page.writeBigUInt64LE(start + BigInt(this.#offset), 8);
    page.writeUInt32LE(continuationBytes, 16);
    if (isFirst) {
      page.writeUInt32LE(segmentBytes, 32);
      page.writeUInt32LE(pageBytes, 36);
    }
    this.#pages.push(page);
    this.#offset += isFirst ? 40 : 24;
  }

  #switch(): void {
    this.#record(0, 0x40, Buffer.alloc(0));
    while (this.#offset % segmentBytes !== 0) {
      if (this.#offset % pageBytes === 0) this.#pages.push(Buffer.alloc(pageBytes));
      this.#offset += pageBytes - (this.#offset % pageBytes);
    }
  }

  #crash(): void {
    const whole = this.#offset;
    this.#record(10, 0, Buffer.alloc(3 * pageBytes));
    const kept = Math.ceil((whole + 1) / pageBytes);
    this.#pages = this.#pages.slice(0, kept);
    this.#offset = kept * pageBytes;
    this.#startPage(8, 0);
  }
}

function scan(bytes: Buffer, from: number, pieceBytes: () => number): TransactionEnd[] {
  const ends: TransactionEnd[] = [];
  const scanner = new WalScanner({
    start: start + BigInt(from),
    segmentBytes,
    damageCode: "OBJECT_DAMAGED",
    onTransactionEnd: (end) => ends.push(end),
  });
  for (let offset = from; offset < bytes.length; ) {
    const piece = bytes.subarray(offset, offset + pieceBytes());
    scanner.feed(piece);
    offset += piece.length;
    assert.equal(scanner.position, start + BigInt(offset));
  }
  return ends;
}

const bodyBytes = fc.oneof(fc.integer({ min: 2, max: 300 }), fc.integer({ min: 300, max: 20_000 }));
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("filler"), bodyBytes }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("end"),
      operation: fc.constantFrom("commit", "commitWithInfo", "abort", "commitPrepared", "abortPrepared"),
      extra: fc.integer({ min: 0, max: 3 }),
      tail: fc.integer({ min: 0, max: 400 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("switch") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash") }) },
);

function written(steps: readonly Step[]): WalWriter {
  const writer = new WalWriter();
  for (const step of steps) writer.step(step);
  return writer;
}

test("every commit and abort is found, with its position and time, wherever the WAL is cut", () => {
  const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 12_000 }));
  fc.assert(
    fc.property(fc.array(stepArbitrary, { maxLength: 40 }), cuts, (steps, lengths) => {
      const writer = written(steps);
      assert.deepEqual(
        scan(writer.bytes(), 0, () => lengths.next().value ?? 1),
        writer.ends,
      );
    }),
    { numRuns: 200 },
  );
});

test("bytes may come one by one", () => {
  const steps: Step[] = [
    { kind: "filler", bodyBytes: 8100 },
    { kind: "end", operation: "commit", extra: 3, tail: 300 },
    { kind: "crash" },
    { kind: "end", operation: "abort", extra: 1, tail: 0 },
    { kind: "switch" },
    { kind: "end", operation: "commitPrepared", extra: 2, tail: 40 },
  ];
  const writer = written(steps);
  assert.equal(writer.ends.length, 3);
  assert.deepEqual(
    scan(writer.bytes(), 0, () => 1),
    writer.ends,
  );
});

test("begun anywhere, all that begin behind the first page start are found", () => {
  fc.assert(
    fc.property(fc.array(stepArbitrary, { minLength: 5, maxLength: 40 }), fc.nat(), (steps, anywhere) => {
      const writer = written(steps);
      const bytes = writer.bytes();
      const from = anywhere % bytes.length;
      const pageStart = start + BigInt(Math.ceil(from / pageBytes) * pageBytes);
      assert.deepEqual(
        scan(bytes, from, () => 5000),
        writer.ends.filter((end) => end.start >= pageStart),
      );
    }),
    { numRuns: 200 },
  );
});

const someWal = (): Buffer =>
  written(
    Array.from({ length: 300 }, () => ({ kind: "end", operation: "commit", extra: 0, tail: 200 }) as const),
  ).bytes();

test("WAL of another position is refused, with the position", async () => {
  const bytes = someWal();
  bytes.writeBigUInt64LE(0x2000n, 2 * pageBytes + 8);
  const error = await rejectsWith("OBJECT_DAMAGED", () => scan(bytes, 0, () => 4096));
  assert.match(error.message, /WAL at 0\/2C000 .* 0\/2000/);
});

test("records that cannot be are refused", async () => {
  const lengthened = someWal();
  lengthened.writeUInt32LE(lengthened.readUInt32LE(40) + 8, 40);
  await rejectsWith("OBJECT_DAMAGED", () => scan(lengthened, 0, () => 4096));
  const zeroed = someWal();
  zeroed.fill(0, 3 * pageBytes + 24);
  await rejectsWith("OBJECT_DAMAGED", () => scan(zeroed, 0, () => 4096));
  const otherSegments = someWal();
  otherSegments.writeUInt32LE(segmentBytes * 2, 32);
  await rejectsWith("OBJECT_DAMAGED", () => scan(otherSegments, 0, () => 4096));
  const withoutTime = written([{ kind: "filler", bodyBytes: 100 }]).bytes();
  withoutTime.writeUInt8(1, 40 + 17);
  await rejectsWith("OBJECT_DAMAGED", () => scan(withoutTime, 0, () => 4096));
});

test("damage is never anything but an error that says where, whatever the bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (noise, anywhere) => {
      const bytes = someWal();
      bytes.set(noise, anywhere % (bytes.length - noise.length));
      try {
        scan(bytes, 0, () => 3000);
      } catch (error) {
        assert.match(String(error), /the WAL at [0-9A-F]+\/[0-9A-F]+ is malformed/);
      }
    }),
    { numRuns: 200 },
  );
});
