import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { type WalRecord, walPages } from "../../../../test/support/wal-pages.ts";
import { formatLsn, lsnFromSortable, lsnToSortable } from "../../../domain/lsn.ts";
import type { BaseBackupFacts, LogPieceRef, RecoveryTarget } from "../../engine.ts";
import { type TransactionEnd, WalScanner } from "../wal-scanner.ts";
import { planRecovery } from "./plan-recovery.ts";

const segmentBytes = 2 ** 20;
const start = 5n * BigInt(segmentBytes);
const timeline1 = "7412345678901234567-00000001";
const timeline2 = "7412345678901234567-00000002";
/** A moment of the tests: 10 o'clock and so many microseconds. */
const at = (micros: number) => BigInt(Date.UTC(2026, 2, 1, 10)) * 1000n + BigInt(micros);
const commit = (micros: number, bytes = 40): WalRecord => ({ kind: "commit", atMicros: at(micros), bytes });
const filler = (bytes: number): WalRecord => ({ kind: "filler", bytes });

/** A backup is taken between the first two commits; the file is consistent by 10:00:00.001. */
const contents = [
  filler(3000),
  commit(100),
  filler(500),
  commit(2000),
  filler(20_000),
  commit(3000, 9000),
  filler(100),
  commit(4000),
  filler(60_000),
];
const wal = walPages(start, segmentBytes, contents);
const recordOf = (index: number) => wal.records[index] ?? { start: 0n, end: 0n };

test("latest takes the whole log, however the pieces are cut", async () => {
  for (const pieceBytes of [97, 1000, 8192, 30_000, 1_000_000]) {
    const log = stored(timeline1, start, wal.bytes, pieceBytes);
    const plan = await planned({ kind: "latest" }, log);
    assert.deepEqual(plan.pieces, log.pieces);
    assert.equal(plan.stopBefore, undefined);
    assert.equal(plan.lastCommitMicros, at(4000));
  }
});

test("F4: a time stops before the first later commit, however the pieces are cut", async () => {
  const expected = [
    { target: 2000, stop: 5, last: 2000 },
    { target: 2999, stop: 5, last: 2000 },
    { target: 3000, stop: 7, last: 3000 },
    { target: 3999, stop: 7, last: 3000 },
  ];
  for (const pieceBytes of [97, 1000, 8192, 30_000, 1_000_000]) {
    const log = stored(timeline1, start, wal.bytes, pieceBytes);
    for (const { target, stop, last } of expected) {
      const plan = await planned({ kind: "time", atMicros: at(target) }, log);
      assert.deepEqual(plan.stopBefore, { stream: timeline1, position: lsnToSortable(recordOf(stop).start) });
      assert.equal(plan.lastCommitMicros, at(last));
      const lastEnd = lsnFromSortable(plan.pieces.at(-1)?.end ?? "");
      assert.ok(lastEnd >= recordOf(stop).end, "the record to stop before is there as a whole");
      assert.ok(lastEnd < recordOf(stop).end + BigInt(pieceBytes), "and nothing is taken that is not needed");
    }
  }
});

test("F4: when no commit is later than the time, the log is taken to its end", async () => {
  const plan = await planned({ kind: "time", atMicros: at(4000) }, stored(timeline1, start, wal.bytes, 1000));
  assert.equal(plan.stopBefore, undefined);
  assert.equal(plan.lastCommitMicros, at(4000));
});

test("F4: commits that entered the log out of order of their times are cut at the first later one", async () => {
  const text = walPages(start, segmentBytes, [filler(4000), commit(100), commit(3000), commit(2000), commit(5000)]);
  const plan = await planned({ kind: "time", atMicros: at(2500) }, stored(timeline1, start, text.bytes, 50));
  assert.equal(plan.stopBefore?.position, lsnToSortable(text.records[2]?.start ?? 0n));
  assert.equal(plan.lastCommitMicros, at(100));
});

test("a commit record of many pieces' length is found by its beginning", async () => {
  const text = walPages(start, segmentBytes, [filler(3000), commit(100), commit(3000, 300_000), commit(4000)]);
  const plan = await planned({ kind: "time", atMicros: at(2500) }, stored(timeline1, start, text.bytes, 9_000));
  assert.equal(plan.stopBefore?.position, lsnToSortable(text.records[2]?.start ?? 0n));
});

test("the end of a backup takes the log up to there", async () => {
  const log = stored(timeline1, start, wal.bytes, 1000);
  const plan = await planned({ kind: "backup-end" }, log);
  assert.deepEqual(plan.stopBefore, { stream: timeline1, position: facts.log.end });
  assert.ok((plan.pieces.at(-1)?.end ?? "") >= facts.log.end);
  assert.ok((plan.pieces.at(-2)?.end ?? "") < facts.log.end);
  assert.equal(plan.lastCommitMicros, at(100));
});

test("F3: a time before the backup was consistent is refused with the earliest one", async () => {
  const log = stored(timeline1, start, wal.bytes, 1000);
  const error = await rejectsWith("RECOVERY_TARGET_UNREACHABLE", () =>
    planned({ kind: "time", atMicros: at(50) }, log),
  );
  assert.match(error.hint ?? "", /2026-03-01T10:00:00\.001000Z/);
});

test("P5: a gap before the end of the backup is named", async () => {
  const log = stored(timeline1, start, wal.bytes, 1000);
  const holed = { ...log, pieces: log.pieces.toSpliced(1, 2) };
  const error = await rejectsWith("LOG_GAP", () => planned({ kind: "latest" }, holed));
  const [from, to] = [start + 1000n, start + 3000n].map(formatLsn);
  assert.equal(error.message, `log ${timeline1} is missing from ${from} to ${to}, which the base backup needs`);
});

test("P5: log that lacks the beginning of the backup's segment is a gap too", async () => {
  const log = stored(timeline1, start, wal.bytes, 100);
  await rejectsWith("LOG_GAP", () => planned({ kind: "latest" }, { ...log, pieces: log.pieces.slice(1) }));
});

test("P5: log behind a gap is not taken", async () => {
  const log = stored(timeline1, start, wal.bytes, 10_000);
  const plan = await planned({ kind: "latest" }, { ...log, pieces: log.pieces.toSpliced(3, 1) });
  assert.deepEqual(plan.pieces, log.pieces.slice(0, 3));
});

test("pieces that overlap are taken as far as they are needed", async () => {
  const once = stored(timeline1, start, wal.bytes, 10_000);
  const twice = stored(timeline1, start, wal.bytes, 3_000);
  const pieces = [...once.pieces, ...twice.pieces].sort((a, b) => (a.start + a.end < b.start + b.end ? -1 : 1));
  const readPiece = async (piece: LogPieceRef) =>
    once.pieces.includes(piece) ? await once.readPiece(piece) : await twice.readPiece(piece);
  const plan = await planned({ kind: "time", atMicros: at(3500) }, { pieces, readPiece });
  assert.equal(plan.stopBefore?.position, lsnToSortable(recordOf(7).start));
  assert.ok(plan.pieces.length < pieces.length / 2);
});

test("a promotion is followed: what the old timeline wrote after it is not part of the history", async () => {
  // The server was promoted behind the commit of 2000; the old one went on to commit 3000 and 4000 by itself.
  const switchedAt = recordOf(3).end;
  const promoted = walPages(start, segmentBytes, [...contents.slice(0, 4), commit(2500), filler(100), commit(6000)]);
  const later = { bytes: promoted.bytes, start: start };
  const old = stored(timeline1, start, wal.bytes, 1000);
  for (const pieceBytes of [50, 3000]) {
    // As servers send it: from the beginning of the segment on.
    const next = stored(timeline2, later.start, later.bytes, pieceBytes);
    const log = { pieces: [...old.pieces, ...next.pieces], readPiece: either(old, next) };
    const history = new Map([[timeline2, Buffer.from(`1\t${formatLsn(switchedAt)}\tno recovery target specified\n`)]]);
    const latest = await planned({ kind: "latest" }, log, history);
    assert.equal(latest.lastCommitMicros, at(6000));
    assert.equal(latest.pieces.at(-1)?.stream, timeline2);
    const ofOld = latest.pieces.filter((piece) => piece.stream === timeline1);
    assert.ok(lsnFromSortable(ofOld.at(-1)?.start ?? "") < switchedAt);

    const time = await planned({ kind: "time", atMicros: at(2700) }, log, history);
    assert.deepEqual(time.stopBefore, {
      stream: timeline2,
      position: lsnToSortable(promoted.records[6]?.start ?? 0n),
    });
    assert.equal(time.lastCommitMicros, at(2500));

    const unknown = await planned({ kind: "latest" }, log);
    assert.deepEqual(unknown.pieces, old.pieces, "without its history a timeline is not followed");
  }
});

test("a promotion before the end of the backup leads elsewhere", async () => {
  const old = stored(timeline1, start, wal.bytes, 1000);
  const next = stored(timeline2, start, wal.bytes, 1000);
  const history = new Map([[timeline2, Buffer.from(`1\t${formatLsn(start + 100n)}\treason\n`)]]);
  const log = { pieces: [...old.pieces, ...next.pieces], readPiece: either(old, next) };
  assert.deepEqual((await planned({ kind: "latest" }, log, history)).pieces, old.pieces);
});

test("a manifest without what recovery needs is reported as damaged", async () => {
  const log = stored(timeline1, start, wal.bytes, 1000);
  for (const engineFacts of [{}, { walSegmentBytes: 3_000_000, tablespaces: [] }, { walSegmentBytes: segmentBytes }]) {
    await rejectsWith("OBJECT_DAMAGED", () =>
      planRecovery({ facts: { ...facts, engineFacts }, target: { kind: "latest" }, history: new Map(), ...log }),
    );
  }
});

const facts: BaseBackupFacts = {
  identity: { version: "18.4", majorVersion: "18", systemId: "7412345678901234567" },
  log: {
    stream: timeline1,
    start: lsnToSortable(start + 200n),
    end: lsnToSortable(recordOf(2).end),
  },
  startedAt: new Date(Number(at(0) / 1000n)),
  consistentAt: new Date(Number(at(1000) / 1000n)),
  engineFacts: { walSegmentBytes: segmentBytes, tablespaces: [] },
};

interface Log {
  readonly pieces: readonly LogPieceRef[];
  readonly readPiece: (piece: LogPieceRef) => Promise<Uint8Array>;
}

async function planned(target: RecoveryTarget, log: Log, history: ReadonlyMap<string, Uint8Array> = new Map()) {
  return await planRecovery({ facts, target, history, ...log });
}

/** Cuts a log into pieces; the newest commit of each is told, as the log stream tells it. */
function stored(stream: string, from: bigint, bytes: Buffer, pieceBytes: number): Log {
  const commits = commitsOf(bytes);
  const pieces: LogPieceRef[] = [];
  const contents = new Map<LogPieceRef, Buffer>();
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    const content = bytes.subarray(offset, offset + pieceBytes);
    const [pieceStart, pieceEnd] = [from + BigInt(offset), from + BigInt(offset + content.length)];
    const times = commits.filter(({ end }) => end > pieceStart && end <= pieceEnd).map(({ atMicros }) => atMicros);
    const piece = {
      stream,
      start: lsnToSortable(pieceStart),
      end: lsnToSortable(pieceEnd),
      newestCommitMicros: times.length > 0 ? times.reduce((a, b) => (a > b ? a : b)) : undefined,
    };
    pieces.push(piece);
    contents.set(piece, content);
  }
  return { pieces, readPiece: async (piece) => contents.get(piece) ?? Buffer.alloc(0) };
}

function commitsOf(bytes: Buffer): TransactionEnd[] {
  const commits: TransactionEnd[] = [];
  const onTransactionEnd = (end: TransactionEnd) => commits.push(end);
  new WalScanner({ start, segmentBytes, damageCode: "OBJECT_DAMAGED", onTransactionEnd }).feed(bytes);
  return commits;
}

function either(one: Log, other: Log): Log["readPiece"] {
  return async (piece) => (one.pieces.includes(piece) ? await one.readPiece(piece) : await other.readPiece(piece));
}
