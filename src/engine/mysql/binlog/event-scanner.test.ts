import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { BinlogWriter } from "../../../../test/support/binlog-files.ts";
import { BtarError } from "../../../domain/errors.ts";
import { encryptedMagic } from "./event-header.ts";
import { type BinlogDescription, EventScanner, type EventScannerOptions } from "./event-scanner.ts";
import { formatGtid } from "../../../domain/gtid.ts";

const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

/** A whole file, as MySQL 9.7.4 wrote it: a transaction with a tag and an original commit time, and one without. */
const recorded = Buffer.from(
  "/mJpbi0fC2sPAQAAAHsAAAB/AAAAAAAEADkuNy40LTIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABMADQ" +
    "AIAAAAAAQABAAAAGMABBoIAAAAAAAAAgAAAAoKCioqABI0AAooAAAB0B405y0fC2sjAQAAAHQAAADzAAAAgAABAgAAAAAAAT4R+kdxyhHhnjPI" +
    "CqlClWIAAQAAAAAAAAAFAAAAAAAAAAYAAAAAAAAAPhH6R3HKEeGeM8gKqUKVYgZhYmMBAAAAAAAAAAAacRgCAAAAARpxGAIAAACgeeP8LR8Lay" +
    "oBAAAAXAAAAE8BAAAAAAKKAAAAAnwi6QOO4ikDIoUDeQJmIQMUpQKEVQLEBE+ARhyGBgZhYmMIAAoEDH9n2Hl0WmEGDn8AAKQHMa8FEIUEEoMS" +
    "C3PsbigtHwtrAgEAAABHAAAAlgEAAAgACgAAAAAAAAAAAAAdAAAAAAAAASgAoEUAAAAABgNzdGQE4ADgAP8AEv8AAEJFR0lOgaSF1S0fC2sTAQ" +
    "AAADMAAADJAQAAAABqAAAAAAABAAFkAAF0AAID/AECAgEBAAID/P8AYgvN3S0fC2seAQAAACwAAAD1AQAAAABqAAAAAAARAAIAAv8AAQAAAAIA" +
    "enphIelCLR8LaxABAAAAHwAAABQCAAAAABEAAAAAAAAAvTZOZi0fC2shAQAAAE8AAABjAgAAAAAAPhH6R3HKEeGeM8gKqUKVYgYAAAAAAAAAAg" +
    "EAAAAAAAAAAgAAAAAAAABW4Hl0WmEG/BQBUGIBAC60qtItHwtrAgEAAABHAAAAqgIAAAgACwAAAAAAAAAAAAAdAAAAAAAAASgAoEUAAAAABgNz" +
    "dGQE4ADgAP8AEv8AAEJFR0lOVt4JTi0fC2sTAQAAADMAAADdAgAAAABqAAAAAAABAAFkAAF0AAID/AECAgEBAAID/P8ADOdlMS0fC2seAQAAAC" +
    "wAAAAJAwAAAABqAAAAAAARAAIAAv8AAgAAAAIAenqj1uekLR8LaxABAAAAHwAAACgDAAAAABUAAAAAAAAAWzSxvi0fC2sEAQAAACwAAABUAwAA" +
    "AAAEAAAAAAAAAGJpbmxvZy4wMDAwMDPZAfwp",
  "base64",
);

function scanned(bytes: Buffer, cuts: readonly number[] = [], options: Partial<EventScannerOptions> = {}) {
  const transactions: object[] = [];
  const descriptions: BinlogDescription[] = [];
  const previous: string[] = [];
  const scanner = new EventScanner({
    file: 1,
    start: 0,
    verifiesChecksums: true,
    damageCode: "OBJECT_DAMAGED",
    onTransaction: ({ gtid, ...rest }) => transactions.push({ gtid: gtid && formatGtid(gtid), ...rest }),
    onDescription: (description) => descriptions.push(description),
    onPreviousGtids: (gtids) => previous.push(gtids.format()),
    ...options,
  });
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    scanner.feed(bytes.subarray(at, end));
    at = end;
  }
  return { transactions, descriptions, previous, scanner };
}

const transactionSteps = fc.array(
  fc.record({
    tag: fc.constantFrom("", "", "app", "a_tag_that_is_of_the_longest_kin"),
    number: fc.integer({ min: 1, max: 2 ** 40 }),
    commitMicros: fc.integer({ min: 1, max: 2 ** 53 - 1 }),
    bodyBytes: fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 4 }),
  }),
  { maxLength: 8 },
);

function written(steps: typeof transactionSteps extends fc.Arbitrary<infer T> ? T : never, hasChecksums: boolean) {
  const writer = new BinlogWriter({ hasChecksums, createdSeconds: 1_699_999_999 });
  for (const { tag, number, commitMicros, bodyBytes } of steps) {
    const bodies = bodyBytes.map((bytes) => Buffer.alloc(bytes, 0xab));
    writer.transaction({ gtid: { uuid, tag, number }, commitMicros, bodies });
  }
  return writer;
}

test("F4: transactions are found with their times and places, wherever the bytes are cut", () => {
  const cuts = fc.array(fc.nat(10_000), { maxLength: 20 });
  fc.assert(
    fc.property(transactionSteps, fc.boolean(), cuts, (steps, hasChecksums, cut) => {
      const writer = written(steps, hasChecksums);
      const { transactions, descriptions, previous, scanner } = scanned(writer.bytes(), cut);
      assert.deepEqual(transactions, writer.transactions);
      assert.deepEqual(descriptions, [{ serverVersion: "9.7.4-2", createdSeconds: 1_699_999_999, hasChecksums }]);
      assert.deepEqual(previous, [""]);
      assert.equal(scanner.settledOffset, writer.offset);
      assert.ok(scanner.isBetweenEvents);
    }),
  );
});

test("a transaction counts with its last byte, and what is whole is told until then", () => {
  const writer = written([{ tag: "", number: 7, commitMicros: 5, bodyBytes: [10, 20] }], true);
  const [transaction] = writer.transactions;
  const { transactions, scanner } = scanned(writer.bytes().subarray(0, -1));
  assert.deepEqual(transactions, []);
  assert.equal(scanner.settledOffset, transaction?.start);
  assert.equal(scanner.openTransaction?.end, transaction?.end);
  scanner.feed(writer.bytes().subarray(-1));
  assert.equal(transactions.length, 1);
  assert.equal(scanner.openTransaction, undefined);
});

test("scanning begins at any event of a file", () => {
  const writer = written([{ tag: "", number: 7, commitMicros: 5, bodyBytes: [10] }], true);
  const start = writer.transactions[0]?.start ?? 0;
  const { transactions } = scanned(writer.bytes().subarray(start), [], { start, hasChecksums: true });
  assert.deepEqual(transactions, writer.transactions);
});

test("X3: a file in which any byte was altered is either refused with the position, or scanned to its end", () => {
  const writer = written(
    [
      { tag: "", number: 7, commitMicros: 5, bodyBytes: [10, 20] },
      { tag: "app", number: 1, commitMicros: 6, bodyBytes: [5] },
    ],
    true,
  );
  const bytes = writer.bytes();
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] ?? 0) ^ change;
      const isInUse = at === 21 && change === 1; // the only bit that no checksum covers
      try {
        scanned(altered);
        assert.ok(isInUse, `byte ${at} was altered unnoticed`);
      } catch (error) {
        assert.ok(error instanceof BtarError && error.code === "OBJECT_DAMAGED", String(error));
      }
    }),
  );
});

test("X3: garbage is refused, and never waited for", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 23, maxLength: 400 }), fc.boolean(), (garbage, hasChecksums) => {
      const start = 1000;
      assert.throws(
        () => scanned(Buffer.from(garbage), [], { start, hasChecksums }),
        (error: unknown) => error instanceof BtarError && error.code === "OBJECT_DAMAGED",
      );
    }),
  );
});

test("a file that is encrypted, or begins in another way, is refused by what it is", async () => {
  const encrypted = await rejectsWith("OBJECT_DAMAGED", () =>
    scanned(Buffer.concat([encryptedMagic, Buffer.alloc(60)])),
  );
  assert.match(encrypted.message, /binary log 000001 is malformed at 0: it is encrypted/);
  await rejectsWith("OBJECT_DAMAGED", () => scanned(Buffer.from("PGDMP")));
});

test("an event of a gibibyte is passed over without being held", () => {
  const writer = new BinlogWriter({ hasChecksums: false });
  const start = writer.offset;
  const head = Buffer.alloc(19);
  head.writeUInt8(30, 4);
  head.writeUInt32LE(2 ** 30, 9);
  head.writeUInt32LE(start + 2 ** 30, 13);
  const { scanner } = scanned(Buffer.concat([writer.bytes(), head]));
  const part = Buffer.alloc(1024 * 1024);
  const before = process.memoryUsage().arrayBuffers;
  for (let fed = 19; fed < 2 ** 30; fed += part.length)
    scanner.feed(part.subarray(0, Math.min(part.length, 2 ** 30 - fed)));
  assert.equal(scanner.settledOffset, start + 2 ** 30);
  assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
});

test("positions beyond 4 GiB are compared by what their field holds of them", () => {
  const start = 2 ** 32 - 10;
  const head = Buffer.alloc(40);
  head.writeUInt8(3, 4);
  head.writeUInt32LE(40, 9);
  head.writeUInt32LE(30, 13);
  const { scanner } = scanned(head, [], { start, hasChecksums: false, verifiesChecksums: false });
  assert.equal(scanner.settledOffset, 2 ** 32 + 30);
});

test("a recorded file is read as the server describes it", () => {
  const { transactions, previous, scanner } = scanned(recorded);
  assert.deepEqual(previous, [`${uuid}:5,${uuid}:abc:9000000000`]);
  assert.deepEqual(transactions, [
    { gtid: `${uuid}:abc:9000000001`, commitMicros: 1_795_890_989_357_159, start: 243, end: 532 },
    { gtid: `${uuid}:6`, commitMicros: 1_795_890_989_359_190, start: 532, end: 808 },
  ]);
  assert.equal(scanner.settledOffset, recorded.length);
});
