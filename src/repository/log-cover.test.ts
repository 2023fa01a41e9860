import assert from "node:assert/strict";
import { test } from "node:test";
import { logRuns, piecesLacking, widestPieces } from "./log-cover.ts";

const at = (position: number) => position.toString(16).toUpperCase().padStart(16, "0");

function piece(start: number, end: number, micros?: bigint) {
  const storedAt = new Date(end);
  return { start: at(start), end: at(end), newestCommitMicros: micros, sizeBytes: end - start, storedAt };
}

/** In order of their names, as a store lists them. */
function pieces(...spans: readonly (readonly [number, number])[]) {
  return spans.map(([start, end]) => piece(start, end));
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}

function spans(found: readonly { readonly start: string; readonly end: string }[]) {
  return found.map(({ start, end }) => [Number.parseInt(start, 16), Number.parseInt(end, 16)]);
}

test("pieces within another one are left out, those that only overlap are not", async () => {
  const listed = pieces([0, 5], [0, 20], [5, 10], [10, 20], [18, 30], [20, 30], [40, 50]);
  const widest = await all(widestPieces(listed));
  assert.deepEqual(spans(widest), [
    [0, 20],
    [18, 30],
    [40, 50],
  ]);
});

test("log is without a gap where pieces follow one another or overlap", async () => {
  const listed = [piece(0, 10, 3n), piece(10, 20, 9n), piece(15, 30), piece(40, 50, 4n)];
  assert.deepEqual(await all(logRuns(listed)), [
    { ...piece(0, 30, 9n), sizeBytes: 35, pieceCount: 3 },
    { ...piece(40, 50, 4n), pieceCount: 1 },
  ]);
});

test("C6: log is lacking where the other store does not hold it, in whatever pieces", async () => {
  const source = pieces([0, 20], [20, 30], [30, 40], [40, 60], [40, 50], [50, 60], [70, 80]);
  const there = logRuns(pieces([0, 10], [10, 20], [20, 30], [45, 60], [60, 90]));
  const lacking = await all(piecesLacking(source, there));
  assert.deepEqual(spans(lacking), [
    [30, 40],
    [40, 60],
  ]);
  assert.deepEqual(await all(piecesLacking(source.slice(0, 2), [])), source.slice(0, 2));
});
