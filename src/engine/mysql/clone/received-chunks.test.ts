import assert from "node:assert/strict";
import { test } from "node:test";
import { ReceivedChunks } from "./received-chunks.ts";

test("a chunk is unfinished until its stream begins another one", () => {
  const [one, other] = [{}, {}];
  const chunks = new ReceivedChunks();
  chunks.begin("file-copy", 40);
  chunks.received(one, 1, 1);
  chunks.received(one, 1, 2);
  chunks.received(other, 33, 1);
  chunks.received(one, 2, 1);
  assert.deepEqual(chunks.restartPoint(true), {
    ...{ state: "file-copy", hasAllFiles: true },
    unfinishedChunks: [
      { chunk: 33, lastBlock: 1 },
      { chunk: 2, lastBlock: 1 },
    ],
    receivedChunks: new Uint32Array([0b11, 1]),
  });
});

test("what was unfinished stays so over a second break, until it is continued", () => {
  const chunks = new ReceivedChunks();
  chunks.begin("file-copy", 3);
  chunks.received({}, 1, 7);
  chunks.interrupted();
  const stream = {};
  chunks.received(stream, 2, 1);
  assert.deepEqual(chunks.restartPoint(true).unfinishedChunks, [
    { chunk: 1, lastBlock: 7 },
    { chunk: 2, lastBlock: 1 },
  ]);
  chunks.interrupted();
  chunks.received(stream, 1, 8);
  chunks.received(stream, 3, 1);
  assert.deepEqual(chunks.restartPoint(true).unfinishedChunks, [
    { chunk: 2, lastBlock: 1 },
    { chunk: 3, lastBlock: 1 },
  ]);
});

test("chunks of a dropped file count as received, and a state that is announced again changes nothing", () => {
  const chunks = new ReceivedChunks();
  chunks.begin("page-copy", 34);
  chunks.dropped(32, 4_000_000_000);
  chunks.begin("page-copy", 34);
  assert.deepEqual(chunks.restartPoint(true).receivedChunks, new Uint32Array([0x8000_0000, 0b11]));
  chunks.begin("redo-copy", 1);
  assert.deepEqual(chunks.restartPoint(true).receivedChunks, new Uint32Array([0]));
  assert.deepEqual([chunks.has(0), chunks.has(1), chunks.has(2)], [false, true, false]);
});
