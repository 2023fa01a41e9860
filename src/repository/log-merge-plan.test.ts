import assert from "node:assert/strict";
import { test } from "node:test";
import { coveredPieces, type LogSlot, piecesToMerge, slotStart } from "./log-merge-plan.ts";
import { type LogPiece, maxMergedReach } from "./log-piece.ts";

const at = (position: number | bigint) => position.toString(16).toUpperCase().padStart(16, "0");

function piece(start: number, end: number): LogPiece {
  const storedAt = new Date(0);
  return {
    stream: "1-00000001",
    start: at(start),
    end: at(end),
    newestCommitMicros: undefined,
    sizeBytes: 9,
    storedAt,
  };
}

function slot(state: LogSlot["state"], ...spans: readonly (readonly [number, number])[]): LogSlot {
  return { start: at(0), state, pieces: spans.map(([start, end]) => piece(start, end)) };
}

function row(count: number, from = 0): (readonly [number, number])[] {
  return Array.from({ length: count }, (_, index) => [from + index * 10, from + index * 10 + 10] as const);
}

function spansOf(chains: readonly (readonly LogPiece[])[]) {
  return chains.map((chain) => [chain[0]?.start, chain.at(-1)?.end, chain.length]);
}

test("a slot is 16 MiB of log", () => {
  assert.equal(slotStart("00000001034ABCDE"), "0000000103000000");
});

test("few pieces are left as they are; in a slot that still grows, so are some more", () => {
  assert.deepEqual(piecesToMerge(slot("finished", ...row(3))), []);
  assert.deepEqual(spansOf(piecesToMerge(slot("finished", ...row(4)))), [[at(0), at(40), 4]]);
  assert.deepEqual(piecesToMerge(slot("growing", ...row(63))), []);
  assert.deepEqual(spansOf(piecesToMerge(slot("growing", ...row(64)))), [[at(0), at(640), 64]]);
});

test("pieces are merged only where each begins where the one before ends; what was merged before counts as one", () => {
  const gap = slot("finished", ...row(4), ...row(5, 100));
  assert.deepEqual(spansOf(piecesToMerge(gap)), [
    [at(0), at(40), 4],
    [at(100), at(150), 5],
  ]);
  const again = slot("finished", [0, 10], [0, 40], ...row(6, 10));
  assert.deepEqual(spansOf(piecesToMerge(again)), [[at(0), at(70), 4]]);
  const overlap = slot("finished", ...row(4), [35, 60], [40, 50], [50, 60]);
  assert.deepEqual(spansOf(piecesToMerge(overlap)), [[at(0), at(60), 6]]);
});

test("a merged piece does not become larger than readers can hold", () => {
  const half = Number(maxMergedReach / 2n);
  const large = slot("finished", [0, 10], [10, 20], [20, 30], [30, half], [half, 2 * half + 1]);
  assert.deepEqual(spansOf(piecesToMerge(large)), [[at(0), at(half), 4]]);
});

test("the last piece of a file, which ends where the next one begins, is merged with those before it", () => {
  const nextFile = 2 ** 36;
  const pieces = slot("finished", ...row(4), [40, nextFile]);
  assert.deepEqual(spansOf(piecesToMerge(pieces)), [[at(0), at(nextFile), 5]]);
  const merged = slot("finished", [0, 10], [0, nextFile], [10, 20], [40, nextFile]);
  assert.deepEqual(piecesToMerge(merged), []);
  assert.deepEqual(
    coveredPieces(merged, undefined).map(({ piece: { start, end } }) => [start, end]),
    [
      [at(0), at(10)],
      [at(10), at(20)],
      [at(40), at(nextFile)],
    ],
  );
  const half = Number(maxMergedReach / 2n);
  const far = slot("finished", ...row(4), [40, half + 1], [half + 1, nextFile]);
  assert.deepEqual(spansOf(piecesToMerge(far)), [[at(0), at(half + 1), 5]]);
});

test("of pieces that hold the same log, one stays", () => {
  const twice = { ...piece(0, 40), newestCommitMicros: 7n };
  const full = slot("finished", [0, 10], [0, 40], [10, 20], [40, 50]);
  const covered = coveredPieces({ ...full, pieces: [...full.pieces, twice] }, undefined);
  assert.deepEqual(
    covered.map(({ piece: { start, end, newestCommitMicros }, cover }) => [start, end, newestCommitMicros, cover.end]),
    [
      [at(0), at(40), 7n, at(40)],
      [at(0), at(10), undefined, at(40)],
      [at(10), at(20), undefined, at(40)],
    ],
  );
  const before = piece(0, 45);
  assert.deepEqual(
    coveredPieces(slot("finished", [40, 45], [45, 50]), before).map(({ piece: { start } }) => start),
    [at(40)],
  );
});
