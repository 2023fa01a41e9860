/** Log that lies in files: the last piece of each ends where the next file begins, far from its last byte. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { packPosition, unpackPosition } from "../../src/engine/mysql/binlog/binlog-position.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { logRuns, widestPieces } from "../../src/repository/log-cover.ts";
import { mergeLog } from "../../src/repository/log-merge.ts";
import type { LogPiece } from "../../src/repository/log-piece.ts";
import { readLog, readLogFrom } from "../../src/repository/read-log.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { neverAborted, openFixture } from "../support/backup-fixture.ts";

const signal = neverAborted;
const stream = "3e11fa47-71ca-11e1-9e33-c80aa9429562.69A0F3C1-00000000";
const firstFile = 7;

/** What a file holds at a place: the same whoever asks. */
function logOf(file: number, start: number, end: number): Buffer {
  return Buffer.from(Array.from({ length: end - start }, (_, index) => (file * 101 + (start + index) * 31) % 251));
}

/** @param end of the bytes; the piece is the file's last one when `nextFile` is given */
async function putPiece(
  repository: Repository,
  piece: { readonly file: number; readonly start: number; readonly end: number; readonly nextFile?: number },
): Promise<void> {
  const { file, start, end, nextFile } = piece;
  const name = {
    stream,
    start: packPosition({ file, offset: start }),
    end: nextFile === undefined ? packPosition({ file, offset: end }) : packPosition({ file: nextFile, offset: 0 }),
    newestCommitMicros: BigInt(file * 1000 + end),
  };
  await repository.putLogPiece(name, logOf(file, start, end), { signal });
}

async function listed(repository: Repository, from?: string): Promise<LogPiece[]> {
  const pieces: LogPiece[] = [];
  const range = from === undefined ? {} : { from };
  for await (const piece of repository.logPieces(stream, { signal, ...range })) pieces.push(piece);
  return pieces;
}

/** @param lengths of the pieces of each file, of which the last one ends it */
async function givenFiles(repository: Repository, files: readonly (readonly number[])[]): Promise<readonly number[]> {
  const sizes: number[] = [];
  for (const [index, lengths] of files.entries()) {
    const file = firstFile + index;
    let start = 0;
    for (const [number, length] of lengths.entries()) {
      const isLast = number === lengths.length - 1;
      await putPiece(repository, { file, start, end: start + length, ...(isLast && { nextFile: file + 1 }) });
      start += length;
    }
    sizes.push(start);
  }
  return sizes;
}

function merge(repository: Repository, isEnded: boolean) {
  const now = new Date(Date.now() + 1000);
  return mergeLog(repository, { stream, from: undefined, isEnded, graceMs: 0, now, signal });
}

/** Reads all log as a restore does, by a listing that may be older than what is there. */
async function assertWhole(repository: Repository, sizes: readonly number[], pieces: readonly LogPiece[]) {
  const lengths = sizes.map(() => 0);
  for await (const piece of widestPieces(pieces)) {
    for (const { start, bytes } of await readLog(repository, piece, { signal })) {
      const { file, offset } = unpackPosition(start);
      const length = lengths[file - firstFile] ?? -1;
      assert.ok(offset <= length, `a gap in file ${file} from ${length} to ${offset}`);
      assert.deepEqual(bytes, logOf(file, offset, offset + bytes.length));
      lengths[file - firstFile] = Math.max(length, offset + bytes.length);
    }
  }
  assert.deepEqual(lengths, sizes);
}

test("pieces of files are merged within each file, to the same bytes, and stay log without a gap (property)", async (context) => {
  const seed = randomInt(2 ** 31);
  context.diagnostic(`seed ${seed}`);
  // A file that a crash has ended gets its end told by a piece without bytes.
  const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 });
  const ofFile = fc.tuple(lengths, fc.boolean()).map(([each, isCrashed]) => (isCrashed ? [...each, 0] : each));
  await fc.assert(
    fc.asyncProperty(fc.array(ofFile, { minLength: 1, maxLength: 5 }), fc.boolean(), async (files, isEnded) => {
      const repository = await openFixture(new MemoryObjectStore());
      const sizes = await givenFiles(repository, files);
      const before = await listed(repository);
      for (let round = 0; round < 3; round += 1) await merge(repository, isEnded);
      const after = await listed(repository);
      for (const pieces of [before, after]) {
        await assertWhole(repository, sizes, pieces);
        const runs: string[] = [];
        for await (const { start, end } of logRuns(pieces)) runs.push(`${start}-${end}`);
        const end = packPosition({ file: firstFile + files.length, offset: 0 });
        assert.deepEqual(runs, [`${packPosition({ file: firstFile, offset: 0 })}-${end}`]);
      }
      const ofFiles = Map.groupBy(after, ({ start }) => unpackPosition(start).file);
      for (const [index, each] of files.entries()) {
        const pieces = ofFiles.get(firstFile + index) ?? [];
        const isMerged = each.length >= 4 && (isEnded || index < files.length - 1);
        assert.equal(pieces.length, isMerged ? 1 : each.length);
        assert.equal(pieces.at(-1)?.end, packPosition({ file: firstFile + index + 1, offset: 0 }));
      }
    }),
    { seed, numRuns: 25 },
  );
});

test("what lies at any place of any file is found by its position", async () => {
  const repository = await openFixture(new MemoryObjectStore());
  const sizes = await givenFiles(repository, [[50, 30, 7], [90], [40, 40, 40, 0], [10, 10]]);
  for (let round = 0; round < 3; round += 1) {
    for (const [index, size] of sizes.entries()) {
      const file = firstFile + index;
      for (let offset = 0; offset < size; offset += 3) {
        const position = packPosition({ file, offset });
        const [piece] = await listed(repository, position);
        assert.ok(piece && piece.start <= position && position < piece.end, position);
        const bytes = await readLogFrom(repository, { stream, position }, { signal });
        assert.ok(bytes && bytes.length > 0);
        assert.deepEqual(bytes, logOf(file, offset, offset + bytes.length));
      }
    }
    await merge(repository, true);
  }
  const behind = packPosition({ file: firstFile + sizes.length, offset: 0 });
  assert.deepEqual(await listed(repository, behind), []);
  assert.equal(await readLogFrom(repository, { stream, position: behind }, { signal }), undefined);
  const before = packPosition({ file: firstFile - 1, offset: 0 });
  assert.equal(await readLogFrom(repository, { stream, position: before }, { signal }), undefined);
});
