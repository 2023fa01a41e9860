import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { BinlogWriter, previousGtidsBody, type WrittenTransaction } from "../../../../test/support/binlog-files.ts";
import { type Gtid, parseGtid } from "../../../domain/gtid.ts";
import type { BaseBackupFacts, LogPieceRef, RecoveryPlan, RecoveryTarget } from "../../engine.ts";
import { packPosition } from "../binlog/binlog-position.ts";
import { firstLogPosition, planRecovery } from "./plan-recovery.ts";

const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const stream = `${uuid}.69A0F3C1-00000000`;
const firstFile = 7;

interface StoredPiece {
  readonly ref: LogPieceRef;
  readonly bytes: Buffer;
}

interface WrittenFile {
  readonly bytes: Buffer;
  readonly transactions: readonly WrittenTransaction[];
}

/** One file of transactions with these commit times; bodies of all sizes. */
function fileOf(times: readonly number[], bodyBytes = 20): WrittenFile {
  const writer = new BinlogWriter();
  for (const [index, commitMicros] of times.entries()) {
    const gtid = { uuid, number: index + 1, ...(index % 3 === 2 && { tag: "app" }) };
    writer.transaction({ gtid, commitMicros, bodies: [Buffer.alloc(bodyBytes * index), Buffer.alloc(5)] });
  }
  writer.rotate("binlog.000008");
  return { bytes: writer.bytes(), transactions: writer.transactions };
}

/** Pieces of files as an archiver stores them, cut anywhere. @param isOpen the last file is still written */
function piecesOf(files: readonly WrittenFile[], cutEvery: number, isOpen = true): readonly StoredPiece[] {
  return files.flatMap(({ bytes, transactions }, index) => {
    const file = firstFile + index;
    const pieces: StoredPiece[] = [];
    for (let start = 0; start < bytes.length; start += cutEvery) {
      const end = Math.min(bytes.length, start + cutEvery);
      const endsFile = end === bytes.length && !(isOpen && index === files.length - 1);
      const commits = transactions.filter((each) => each.end > start && each.end <= end);
      const newest = Math.max(0, ...commits.map(({ commitMicros }) => commitMicros));
      const ref = {
        stream,
        start: packPosition({ file, offset: start }),
        end: packPosition(endsFile ? { file: file + 1, offset: 0 } : { file, offset: end }),
        newestCommitMicros: newest === 0 ? undefined : BigInt(newest),
      };
      pieces.push({ ref, bytes: bytes.subarray(start, end) });
    }
    return pieces;
  });
}

function factsOf(end: { readonly file: number; readonly offset: number }, consistentMicros = 0): BaseBackupFacts {
  return {
    identity: { version: "9.7.4", majorVersion: "9.7", systemId: uuid },
    log: { stream, start: packPosition({ file: firstFile, offset: 0 }), end: packPosition(end) },
    startedAt: new Date(0),
    consistentAt: new Date(consistentMicros / 1000),
    engineFacts: {},
  };
}

function plan(
  stored: readonly StoredPiece[],
  target: RecoveryTarget,
  facts = factsOf({ file: firstFile, offset: 100 }),
): Promise<RecoveryPlan> {
  const bytesOf = new Map(stored.map(({ ref, bytes }) => [ref, bytes]));
  return planRecovery({
    facts,
    target,
    pieces: stored.map(({ ref }) => ref),
    readPiece: (ref) => Promise.resolve(bytesOf.get(ref) ?? Buffer.alloc(0)),
  });
}

const atMicros = (micros: number): RecoveryTarget => ({ kind: "time", atMicros: BigInt(micros) });

test("log is read from the beginning of the file that a backup began in", () => {
  const log = { stream, start: packPosition({ file: 9, offset: 4711 }), end: packPosition({ file: 10, offset: 4 }) };
  assert.equal(firstLogPosition({ log }), packPosition({ file: 9, offset: 0 }));
});

test("F4: recovery to a time stops before the first transaction that was committed later, wherever pieces end", async () => {
  const files = fc.array(fc.array(fc.integer({ min: 1000, max: 1100 }), { maxLength: 8 }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(
      files,
      fc.integer({ min: 5, max: 400 }),
      fc.integer({ min: 990, max: 1110 }),
      async (times, cut, at) => {
        const written = times.map((each) => fileOf(each));
        const inOrder = written.flatMap(({ transactions }, index) =>
          transactions.map((each) => ({ ...each, file: firstFile + index })),
        );
        const result = await plan(piecesOf(written, cut), atMicros(at));
        const first = inOrder.find(({ commitMicros }) => commitMicros > at);
        const last = first ? inOrder[inOrder.indexOf(first) - 1] : inOrder.at(-1);
        if (!first) assert.equal(result.stopBefore, undefined);
        else {
          const position = packPosition({ file: first.file, offset: first.start });
          assert.deepEqual(result.stopBefore, { stream, position });
          assert.ok(result.pieces.every(({ start }) => start < position));
          assert.ok((result.pieces.at(-1)?.end ?? "") >= position);
          if (last) assert.equal(result.lastCommitMicros, BigInt(last.commitMicros));
        }
        assert.equal(result.pieces[0]?.start ?? "", packPosition({ file: firstFile, offset: 0 }));
      },
    ),
    { numRuns: 60 },
  );
});

test("F3: to the latest moment all log is taken, to the end of the backup only what it needs", async () => {
  const written = [fileOf([1000, 1001]), fileOf([1002, 1003]), fileOf([1004])];
  const stored = piecesOf(written, 150);
  const latest = await plan(stored, { kind: "latest" });
  assert.deepEqual(latest, { pieces: stored.map(({ ref }) => ref), stopBefore: undefined, lastCommitMicros: 1004n });
  const end = { file: firstFile + 1, offset: written[1]?.transactions[0]?.end ?? 0 };
  const atEnd = await plan(stored, { kind: "backup-end" }, factsOf(end));
  assert.deepEqual(atEnd.stopBefore, { stream, position: packPosition(end) });
  assert.ok(atEnd.pieces.every(({ start }) => start < packPosition(end)));
  assert.ok((atEnd.pieces.at(-1)?.end ?? "") >= packPosition(end));
});

const servers = [uuid, "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"];

/** Files of transactions of two servers, with tags and without; each file begins with what is in those before it. */
function filesOfGtids(counts: readonly number[]): readonly WrittenFile[] {
  const earlier: Gtid[] = [];
  return counts.map((count) => {
    const writer = new BinlogWriter({ previousGtids: previousGtidsBody(earlier) });
    for (let index = 0; index < count; index += 1) {
      const number = earlier.length + 1;
      const gtid = { uuid: servers[number % 2] ?? "", tag: number % 3 === 0 ? "app" : "", number };
      writer.transaction({ gtid, commitMicros: 1000 + number, bodies: [Buffer.alloc(number % 40)] });
      earlier.push({ ...gtid, number: BigInt(number) });
    }
    writer.rotate("binlog.000008");
    return { bytes: writer.bytes(), transactions: writer.transactions };
  });
}

test("F4: recovery to a GTID ends behind it in log order, or is refused when the files may hold what comes then", async () => {
  const counts = fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(counts, fc.integer({ min: 5, max: 400 }), fc.nat(), fc.nat(), async (each, cut, which, until) => {
      const written = filesOfGtids(each);
      const inOrder = written.flatMap(({ transactions }, index) =>
        transactions.map((transaction) => ({ ...transaction, file: firstFile + index })),
      );
      fc.pre(inOrder.length > 0);
      const wanted = which % inOrder.length;
      const target = inOrder[wanted];
      const held = until % (inOrder.length + 1);
      const lastHeld = inOrder[held - 1];
      assert.ok(target);
      const end = lastHeld ? { file: lastHeld.file, offset: lastHeld.end } : { file: firstFile, offset: 4 };
      const planned = plan(piecesOf(written, cut), { kind: "gtid", gtid: parseGtid(target.gtid) }, factsOf(end));
      if (wanted < held - 1) {
        await rejectsWith("RECOVERY_TARGET_UNREACHABLE", () => planned);
        return;
      }
      const position = packPosition({ file: target.file, offset: target.end });
      const { pieces, stopBefore, lastCommitMicros } = await planned;
      assert.deepEqual([stopBefore, lastCommitMicros], [{ stream, position }, BigInt(target.commitMicros)]);
      assert.ok(pieces.every(({ start }) => start < position));
      assert.ok((pieces.at(-1)?.end ?? "") >= position);
    }),
    { numRuns: 100 },
  );
});

test("F3: a GTID that the log does not hold is refused, with those and the times that it does", async () => {
  const written = filesOfGtids([3, 4, 2]);
  const stored = piecesOf(written, 150);
  const [first, second] = written[0]?.transactions ?? [];
  const gtids = { atLeast: first?.gtid ?? "", atMost: `${first?.gtid},${second?.gtid}` };
  const facts = { ...factsOf({ file: firstFile, offset: second?.end ?? 0 }, 1_000), engineFacts: { gtids } };
  const refusal = (gtid: string, from = facts) =>
    rejectsWith("RECOVERY_TARGET_UNREACHABLE", () => plan(stored, { kind: "gtid", gtid: parseGtid(gtid) }, from));
  const tooLate = await refusal(`${uuid}:99`);
  assert.match(tooLate.message, /cannot be recovered to transaction 3e11fa47-.*:99: the log holds no such/);
  assert.equal(
    tooLate.hint,
    `choose a transaction of ${uuid}:2:4:8,${uuid}:app:6,${servers[1]}:1:5:7,${servers[1]}:app:3:9, ` +
      "or a time from 1970-01-01T00:00:00.001000Z to 1970-01-01T00:00:00.001009Z",
  );
  const tooEarly = await refusal(first?.gtid ?? "");
  assert.match(tooEarly.message, /it may hold later ones/);
  assert.match(tooEarly.hint ?? "", /^choose a transaction of 3e11fa47-[^:]*:4:8,/, "none that it holds");
  // One that is in files before those of the log is no better known.
  const later = { ...facts, log: { ...facts.log, start: packPosition({ file: firstFile + 1, offset: 0 }) } };
  const past = { ...later, log: { ...later.log, end: packPosition({ file: firstFile + 1, offset: 150 }) } };
  assert.match((await refusal(second?.gtid ?? "", past)).message, /it may hold later ones/);
  // The log of the last transaction is not all there yet.
  const cut = { kind: "gtid", gtid: parseGtid(written[2]?.transactions[1]?.gtid ?? "") } as const;
  const offset = (written[2]?.transactions[1]?.end ?? 0) - 1;
  const isWhole = ({ ref }: StoredPiece) => ref.end <= packPosition({ file: firstFile + 2, offset });
  await rejectsWith("RECOVERY_TARGET_UNREACHABLE", () => plan(stored.filter(isWhole), cut, facts));
});

test("P5: log behind a gap, and of another generation, is not taken; a gap within the backup's own log refuses", async () => {
  const written = [fileOf([1000, 1001]), fileOf([1002]), fileOf([1004])];
  const stored = piecesOf(written, 100);
  const isLost = ({ ref }: StoredPiece) => ref.start === packPosition({ file: firstFile + 1, offset: 100 });
  const other = stored.map((piece) => ({ ...piece, ref: { ...piece.ref, stream: `${uuid}.69A0F3C2-00000000` } }));
  const { pieces } = await plan([...stored.filter((piece) => !isLost(piece)), ...other], { kind: "latest" });
  assert.equal(pieces.at(-1)?.end, packPosition({ file: firstFile + 1, offset: 100 }));
  assert.ok(pieces.every((piece) => piece.stream === stream));
  const facts = factsOf({ file: firstFile + 1, offset: 150 });
  const gap = await rejectsWith("LOG_GAP", () =>
    plan(
      stored.filter((piece) => !isLost(piece)),
      { kind: "latest" },
      facts,
    ),
  );
  assert.match(gap.message, /is missing from binlog\.000008:100 to binlog\.000008:150/);
});

test("F3: a time before the backup is consistent is refused, when its files may hold later transactions", async () => {
  const written = fileOf([1_000_000, 2_000_000, 3_000_000]);
  const stored = piecesOf([written], 100);
  const facts = factsOf({ file: firstFile, offset: written.transactions[1]?.end ?? 0 }, 2_500_000);
  await rejectsWith("RECOVERY_TARGET_UNREACHABLE", () => plan(stored, atMicros(1_500_000), facts));
  assert.ok((await plan(stored, atMicros(2_500_000), facts)).stopBefore);
});

test("X3: log that is damaged is named before anything is restored", async () => {
  const stored = piecesOf([fileOf([1000, 1001, 1002])], 200);
  const bytes = Buffer.from(stored[1]?.bytes ?? []);
  bytes.fill(0xee);
  const damaged = stored.map((piece, index) => (index === 1 ? { ...piece, bytes } : piece));
  await rejectsWith("OBJECT_DAMAGED", () => plan(damaged, atMicros(1001)));
});
