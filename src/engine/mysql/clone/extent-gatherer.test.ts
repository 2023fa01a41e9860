import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { ExtentPart, ScatteredFile } from "../../engine.ts";
import { ExtentGatherer } from "./extent-gatherer.ts";

const mebibyte = 1024 * 1024;

/** Keeps what is written to it, in order. */
class RecordingFile implements ScatteredFile {
  readonly content = Buffer.alloc(40 * mebibyte);
  readonly writes: { readonly index: number; readonly parts: readonly (readonly [number, number])[] }[] = [];
  /** Awaited by every write. */
  gate: Promise<void> = Promise.resolve();

  async write(index: number, parts: readonly ExtentPart[]): Promise<void> {
    await this.gate;
    this.writes.push({ index, parts: parts.map(({ offset, bytes }) => [offset, bytes.length]) });
    for (const { offset, bytes } of parts) bytes.copy(this.content, index * mebibyte + offset);
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }
}

test("an extent is written once, whole, when all of it has come, however it was cut", async () => {
  const gatherer = new ExtentGatherer();
  const file = new RecordingFile();
  const content = randomBytes(2 * mebibyte);
  for (let at = 0; at < content.length; at += 300_001) {
    await gatherer.write(file, at + 2048, content.subarray(at, at + 300_001));
  }
  await gatherer.write(file, 0, Buffer.alloc(2048, 1));
  await gatherer.flush();
  assert.ok(file.content.subarray(2048, 2048 + content.length).equals(content));
  assert.deepEqual(
    file.writes.map(({ index, parts }) => [index, ...parts]),
    [
      [1, [0, mebibyte]],
      [0, [0, mebibyte]],
      [2, [0, 2048]],
    ],
  );
});

test("pages of one extent are gathered, and later bytes lie over earlier ones", async () => {
  const gatherer = new ExtentGatherer();
  const file = new RecordingFile();
  for (const page of [5, 3, 4, 60, 4]) await gatherer.write(file, page * 16_384, Buffer.alloc(16_384, page));
  await gatherer.write(file, 4 * 16_384 + 100, Buffer.alloc(10, 99));
  await gatherer.flush();
  assert.deepEqual(file.writes, [
    {
      index: 0,
      parts: [
        [3 * 16_384, 3 * 16_384],
        [60 * 16_384, 16_384],
      ],
    },
  ]);
  assert.deepEqual([file.content[4 * 16_384 + 99], file.content[4 * 16_384 + 105]], [4, 99]);
});

test("only so many extents are held: the longest untouched makes room, and a slow sink holds the writer up", async () => {
  const gatherer = new ExtentGatherer();
  const file = new RecordingFile();
  const gate = Promise.withResolvers<void>();
  file.gate = gate.promise;
  let taken = 0;
  const writing = (async () => {
    for (; taken < 30; taken += 1) await gatherer.write(file, taken * mebibyte, Buffer.alloc(100, taken));
  })();
  for (let turn = 0; turn < 100; turn += 1) await Promise.resolve();
  assert.equal(taken, 12);
  gate.resolve();
  await writing;
  await gatherer.flush();
  assert.equal(file.writes[0]?.index, 0);
  assert.equal(file.writes.length, 30);
});

test("what a sink fails with comes out of the next write, and of those that wait", async () => {
  const gatherer = new ExtentGatherer();
  const file = new RecordingFile();
  const full = new Error("no room");
  file.gate = Promise.reject(full);
  file.gate.catch(() => undefined);
  await gatherer.write(file, 0, Buffer.alloc(mebibyte));
  await assert.rejects(gatherer.flush(), full);
  await assert.rejects(async () => await gatherer.write(file, 0, Buffer.alloc(1)), full);

  const held = new ExtentGatherer();
  const slow = new RecordingFile();
  slow.gate = new Promise(() => undefined);
  for (let index = 0; index < 12; index += 1) await held.write(slow, index * mebibyte, Buffer.alloc(1));
  const waiting = held.write(slow, 20 * mebibyte, Buffer.alloc(1));
  held.abandon(full);
  await assert.rejects(async () => await waiting, full);
});
