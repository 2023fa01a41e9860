import assert from "node:assert/strict";
import { test } from "node:test";
import { LogPieceBuilder } from "./log-piece-builder.ts";

const limits = { maxAgeSeconds: 5, maxPieceBytes: 1000 };

function chunk(start: number, bytes: number, newestCommitMicros?: bigint) {
  return { start: text(start), end: text(start + bytes), bytes: Buffer.alloc(bytes, start), newestCommitMicros };
}

function text(position: number): string {
  return position.toString(16).toUpperCase().padStart(16, "0");
}

test("P2: log with a commit becomes a piece so early that it is stored before its first byte is 5 s old", () => {
  const builder = new LogPieceBuilder(limits);
  builder.beginStream("s-1");
  builder.add(chunk(0, 10, 7n), 1000);
  builder.add(chunk(10, 10), 4000);
  assert.equal(builder.isDue(5499), false);
  assert.equal(builder.isDue(5500), true);
  const piece = builder.take();
  assert.deepEqual(piece, {
    stream: "s-1",
    start: "0000000000000000",
    end: "0000000000000014",
    newestCommitMicros: 7n,
    bytes: Buffer.concat([Buffer.alloc(10, 0), Buffer.alloc(10, 10)]),
  });
  assert.equal(builder.isDue(100_000), false);
});

test("P2: the longer storing takes, the earlier log becomes a piece, but not before half its greatest age", () => {
  const builder = new LogPieceBuilder(limits);
  const dueAfter = (tookMs: number) => {
    builder.add(chunk(0, 10, 1n), 0);
    const piece = builder.take();
    assert.ok(piece);
    builder.stored(piece, tookMs);
    builder.add(chunk(10, 10, 1n), 0);
    const dueAtMs = builder.dueAtMs;
    builder.take();
    return dueAtMs;
  };
  assert.equal(dueAfter(1000), 3500);
  assert.equal(dueAfter(60_000), 2500);
});

test("memory of large pieces is used again, and what was taken stays as it is until it is stored", () => {
  const builder = new LogPieceBuilder({ maxAgeSeconds: 5, maxPieceBytes: 100_000 });
  builder.add(chunk(0, 90_000), 0);
  builder.add(chunk(90_000, 10_000), 0);
  const first = builder.take();
  assert.ok(first);
  builder.add(chunk(1, 100_000), 0);
  const second = builder.take();
  assert.deepEqual(first.bytes, Buffer.concat([Buffer.alloc(90_000, 0), Buffer.alloc(10_000, 90_000)]));
  builder.stored(first, 1);
  builder.add(chunk(2, 300_000), 0);
  const third = builder.take();
  assert.equal(third?.bytes.buffer, first.bytes.buffer);
  assert.deepEqual([second?.bytes, third?.bytes], [Buffer.alloc(100_000, 1), Buffer.alloc(300_000, 2)]);
});

test("P2: log is due at once when it has reached the largest size", () => {
  const builder = new LogPieceBuilder(limits);
  builder.add(chunk(0, 999, 1n), 0);
  assert.equal(builder.isDue(1), false);
  builder.add(chunk(999, 1), 1);
  assert.equal(builder.isDue(1), true);
});

test("P2: log without a commit waits longer, unless somebody needs it", () => {
  const builder = new LogPieceBuilder(limits);
  builder.add(chunk(0, 10), 0);
  assert.equal(builder.isDue(6000), false);
  assert.equal(builder.isDue(60_000), true);
  builder.wantThrough("0000000000000005");
  assert.equal(builder.isDue(1), true);
});

test("the end of a file ends a piece at once, also when no byte comes with it", () => {
  const builder = new LogPieceBuilder(limits);
  const next = "0000002000000000";
  builder.add(chunk(0, 10), 1000);
  builder.add({ ...chunk(10, 5), end: next }, 2000);
  assert.equal(builder.isDue(2000), true);
  const last = builder.take();
  assert.deepEqual([last?.start, last?.end, last?.bytes.length], [text(0), next, 15]);
  assert.equal(builder.dueAtMs, undefined);

  builder.add({ ...chunk(15, 0), end: next }, 3000);
  assert.equal(builder.isDue(3000), true);
  const empty = builder.take();
  assert.deepEqual([empty?.start, empty?.end, empty?.bytes.length], [text(15), next, 0]);
  builder.add(chunk(0, 10), 4000);
  assert.equal(builder.isDue(4000), false);
});
