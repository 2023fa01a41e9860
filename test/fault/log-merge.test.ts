import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { widestPieces } from "../../src/repository/log-cover.ts";
import { mergeLog } from "../../src/repository/log-merge.ts";
import type { LogPiece } from "../../src/repository/log-piece.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import { readLog } from "../../src/repository/read-log.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { neverAborted, openFixture, serviceId } from "../support/backup-fixture.ts";
import { FaultObjectStore } from "../support/fault-object-store.ts";

const signal = neverAborted;
const stream = "7000000000000000001-00000001";
const first = 0x0200_0000;
const slotBytes = 16 * 1024 * 1024;

const at = (position: number) => position.toString(16).toUpperCase().padStart(16, "0");

/** What the server wrote from a position on: the same whoever asks, and however often. */
function logOf(start: number, end: number): Buffer {
  return Buffer.from(Array.from({ length: end - start }, (_, index) => ((start + index) * 31 + 7) % 251));
}

async function putPiece(repository: Repository, start: number, end: number): Promise<void> {
  const name = { stream, start: at(start), end: at(end), newestCommitMicros: BigInt(end) };
  await repository.putLogPiece(name, logOf(start, end), { signal });
}

async function piecesOf(
  repository: Repository,
  range: { readonly from?: string; readonly to?: string },
): Promise<LogPiece[]> {
  const pieces: LogPiece[] = [];
  for await (const piece of repository.logPieces(stream, { signal, ...range })) pieces.push(piece);
  return pieces;
}

async function listed(repository: Repository): Promise<LogPiece[]> {
  return await piecesOf(repository, {});
}

function merge(repository: Repository, graceMs = 0, from?: string) {
  const now = new Date(Date.now() + 1000);
  return mergeLog(repository, { stream, from, isEnded: false, graceMs, now, signal });
}

/** Reads all log as a restore does, by a listing that may be older than what is there. */
async function assertWhole(repository: Repository, end: number, pieces?: readonly LogPiece[]): Promise<void> {
  let position = Number.parseInt(pieces?.[0]?.start ?? (await listed(repository))[0]?.start ?? "", 16);
  for await (const piece of widestPieces(pieces ?? (await listed(repository)))) {
    for (const { start, bytes } of await readLog(repository, piece, { signal })) {
      const from = Number.parseInt(start, 16);
      assert.ok(from <= position, `a gap from ${position} to ${from}`);
      assert.deepEqual(bytes, logOf(from, from + bytes.length));
      position = Math.max(position, from + bytes.length);
    }
  }
  assert.equal(position, end);
}

/** 70 small pieces, a gap between two slots' worth of positions, and the beginning of the next slot. */
async function givenPieces(): Promise<{
  readonly store: FaultObjectStore;
  readonly repository: Repository;
  readonly end: number;
}> {
  const store = new FaultObjectStore(new MemoryObjectStore());
  const repository = await openFixture(store);
  const end = first + 70 * 100;
  for (let start = first; start < end; start += 100) await putPiece(repository, start, start + 100);
  return { store, repository, end };
}

test("many small pieces become one, which says the newest commit, and the small ones go after a while", async () => {
  const { repository, end } = await givenPieces();
  const before = await listed(repository);
  const { savedBytes, ...result } = await merge(repository);
  assert.deepEqual(result, {
    ...{ mergedPieces: 70, removedPieces: 0, hasMore: true, damage: [] },
    next: at(first),
  });
  assert.equal((await merge(repository, 60_000)).removedPieces, 0);
  assert.equal((await listed(repository)).length, 71);
  assert.equal((await merge(repository)).removedPieces, 70);
  const [merged, ...others] = await listed(repository);
  assert.deepEqual([merged?.start, merged?.end, merged?.newestCommitMicros], [at(first), at(end), BigInt(end)]);
  assert.deepEqual(others, []);
  const sizeBefore = before.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  assert.equal(savedBytes, sizeBefore - (merged?.sizeBytes ?? 0));
  assert.equal((await merge(repository)).hasMore, false);
  await assertWhole(repository, end);
  await assertWhole(repository, end, before);
});

test("a restore that listed the log before it was merged gets each piece's own bytes, and no others", async () => {
  const { repository, end } = await givenPieces();
  const before = await listed(repository);
  await merge(repository);
  await merge(repository);
  const piece = before[3];
  assert.ok(piece);
  const [part, ...others] = await readLog(repository, piece, { signal });
  assert.deepEqual(others, []);
  assert.deepEqual(part, { start: at(first + 300), bytes: logOf(first + 300, first + 400) });
  await assertWhole(repository, end, before);
});

test("stopped at any call to the store, merging loses nothing, and the next round finishes it", async () => {
  const probe = await givenPieces();
  const begun = probe.store.calls();
  for (let round = 0; round < 3; round += 1) await merge(probe.repository);
  const steps = probe.store.calls() - begun;
  assert.ok(steps > 200, `${steps} steps`);
  for (let step = 0; step < steps; step += 7) {
    const { store, repository, end } = await givenPieces();
    store.failWith("STORE_UNREACHABLE", { afterCalls: step });
    await assert.rejects(async () => {
      for (let round = 0; round < 3; round += 1) await merge(repository);
    });
    store.heal();
    await assertWhole(repository, end);
    for (let round = 0; round < 3; round += 1) await merge(repository);
    assert.equal((await listed(repository)).length, 1, `after a stop at call ${step}`);
    await assertWhole(repository, end);
  }
});

test("two that merge the same log at once do each other no harm", async () => {
  const { store, repository, end } = await givenPieces();
  const other = await openFixture(store);
  for (let round = 0; round < 3; round += 1) await Promise.all([merge(repository), merge(other)]);
  assert.equal((await listed(repository)).length, 1);
  await assertWhole(repository, end);
});

test("with listings of before, nothing is lost, and merging goes on when they are new again", async () => {
  const { store, repository, end } = await givenPieces();
  await store.staleListings();
  for (let round = 0; round < 3; round += 1) await merge(repository);
  store.heal();
  await assertWhole(repository, end);
  await merge(repository);
  assert.equal((await listed(repository)).length, 1);
  await store.staleListings();
  for (let start = end; start < end + 6400; start += 100) await putPiece(repository, start, start + 100);
  await merge(repository);
  store.heal();
  for (let round = 0; round < 2; round += 1) await merge(repository);
  assert.equal((await listed(repository)).length, 1);
  await assertWhole(repository, end + 6400);
});

test("a damaged piece is named and left as it is, and other log is merged all the same", async () => {
  const { store, repository, end } = await givenPieces();
  const nextSlot = Math.ceil(end / slotBytes) * slotBytes;
  for (let start = nextSlot; start < nextSlot + 7000; start += 100) await putPiece(repository, start, start + 100);
  const [, damaged] = await listed(repository);
  assert.ok(damaged);
  const key = objectNames.logPiece(serviceId, damaged);
  await store.flipByte(key);
  const { damage, mergedPieces } = await merge(repository);
  assert.deepEqual(damage.length, 1);
  assert.ok(damage[0]?.message.includes(key));
  assert.equal(mergedPieces, 70);
  await merge(repository);
  assert.equal((await listed(repository)).length, 71);
});

test("small pieces stay as long as the one that holds them cannot be read", async () => {
  const { store, repository, end } = await givenPieces();
  await merge(repository);
  const merged = (await listed(repository)).find((piece) => piece.end === at(end) && piece.start === at(first));
  assert.ok(merged);
  await store.flipByte(objectNames.logPiece(serviceId, merged));
  const { removedPieces, damage } = await merge(repository);
  assert.deepEqual([removedPieces, damage.length], [0, 1]);
  assert.equal((await listed(repository)).length, 71);
});

test("which pieces hold a range of positions is answered without listing the others", async () => {
  const { store, repository } = await givenPieces();
  // 128 MiB before the range is looked back, since a piece may be as long.
  const far = first + 200 * slotBytes;
  for (let start = far; start < far + 1000; start += 100) await putPiece(repository, start, start + 100);
  const before = store.calls("list");
  const found = await piecesOf(repository, { from: at(far + 150), to: at(far + 300) });
  assert.deepEqual(
    found.map(({ start }) => Number.parseInt(start, 16) - far),
    [100, 200],
  );
  assert.ok(store.calls("list") - before <= 6, `${store.calls("list") - before}`);
});

test("any row of pieces, merged, cut off and merged again in any order, stays whole (property)", async (context) => {
  const seed = randomInt(2 ** 31);
  context.diagnostic(`seed ${seed}`);
  const action = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("write"), count: fc.integer({ min: 1, max: 90 }) }) },
    // An archiver that begins again somewhat before the end, with other boundaries.
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("resume"), count: fc.integer({ min: 1, max: 300 }) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("merge"), count: fc.integer({ min: 0, max: 400 }) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 25 }), fc.integer({ min: 1, max: 3000 }), async (actions, left) => {
      const store = new FaultObjectStore(new MemoryObjectStore());
      const repository = await openFixture(store);
      const begin = first + slotBytes - left;
      let end = begin + 10;
      await putPiece(repository, begin, end);
      let early = await listed(repository);
      for (const { kind, count } of actions) {
        if (kind === "merge") {
          store.failWith("STORE_UNREACHABLE", { afterCalls: count });
          await merge(repository).catch(() => undefined);
          store.heal();
          continue;
        }
        for (let index = 0; kind === "write" && index < count; index += 1) {
          const length = 1 + ((index * 7) % 13);
          await putPiece(repository, end, end + length);
          end += length;
        }
        if (kind === "resume") await putPiece(repository, Math.max(begin, end - count), end + 5);
        if (kind === "resume") end += 5;
        early = await listed(repository);
      }
      await assertWhole(repository, end);
      await assertWhole(repository, end, early);
    }),
    { seed, numRuns: 25 },
  );
});
