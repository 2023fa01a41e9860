import assert from "node:assert/strict";
import { test } from "node:test";
import { LogPieceBuilder } from "./log-piece-builder.ts";

const limits = { maxAgeSeconds: 5, maxPieceBytes: 1000 };

function chunk(start: number, bytes: number, newestCommitMicros?: bigint) {
  const text = (position: number) => String(position).padStart(16, "0");
  return { start: text(start), end: text(start + bytes), bytes: Buffer.alloc(bytes, start), newestCommitMicros };
}

test("P2: log with a commit is due when its first byte is 5 s old", () => {
  const builder = new LogPieceBuilder(limits);
  builder.beginStream("s-1");
  builder.add(chunk(0, 10, 7n), 1000);
  builder.add(chunk(10, 10), 4000);
  assert.equal(builder.isDue(5999), false);
  assert.equal(builder.isDue(6000), true);
  assert.deepEqual(builder.take(), {
    stream: "s-1",
    start: "0000000000000000",
    end: "0000000000000020",
    newestCommitMicros: 7n,
    bytes: Buffer.concat([Buffer.alloc(10, 0), Buffer.alloc(10, 10)]),
  });
  assert.equal(builder.isDue(100_000), false);
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
