import assert from "node:assert/strict";
import { readdir, readFile, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { temporaryDirectory } from "../../../../test/support/temporary-directory.ts";
import { formatLsn, lsnToSortable } from "../../../domain/lsn.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import { serverDirectory } from "./directory.ts";
import { WalFeed } from "./log-feed.ts";
import { replayedSegmentFile } from "./recovery-progress.ts";

const segmentBytes = 2 ** 20;
const start = 5n * BigInt(segmentBytes);
const timeline1 = "7412345678901234567-00000001";
const timeline2 = "7412345678901234567-00000002";
const facts: BaseBackupFacts = {
  identity: { version: "18.4", majorVersion: "18", systemId: "7412345678901234567" },
  log: { stream: timeline1, start: lsnToSortable(start), end: lsnToSortable(start + 1000n) },
  startedAt: new Date(),
  consistentAt: new Date(),
  engineFacts: { walSegmentBytes: segmentBytes, tablespaces: [] },
};
const wholeLog: RecoveryPlan = { pieces: [], stopBefore: undefined, lastCommitMicros: undefined };

function segment(number: number, timeline = 1): string {
  return `${timeline.toString().padStart(8, "0")}00000000${number.toString(16).toUpperCase().padStart(8, "0")}`;
}

async function feedFor(context: TestContext, plan: RecoveryPlan = wholeLog) {
  const directory = serverDirectory(path.join(await temporaryDirectory(context), "server"));
  await mkdir(directory.data, { recursive: true });
  const controller = new AbortController();
  const feed = await WalFeed.open({ directory, facts, plan, runAs: undefined, signal: controller.signal });
  context.after(() => feed.close());
  const place = path.join(directory.root, "log-ahead");
  const segments = async () => (await readdir(place)).filter((name) => !name.endsWith(".part")).sort();
  const replayed = async (at: string, oldestNeeded: string) => {
    await writeFile(path.join(directory.data, replayedSegmentFile), `${at} ${oldestNeeded}\n`);
  };
  return { feed, place, segments, replayed, controller };
}

test("a segment is there once it is whole, the last one with zeros behind its end when there is no more", async (context) => {
  const { feed, place, segments } = await feedFor(context);
  const log = Buffer.alloc(2 * segmentBytes + 500, 7);
  await feed.write(timeline1, lsnToSortable(start - 100n), Buffer.alloc(300, 7)); // begins before what is needed
  assert.deepEqual(await segments(), []);
  await feed.write(timeline1, lsnToSortable(start), log.subarray(0, segmentBytes + 10)); // overlaps
  assert.deepEqual(await segments(), [segment(5)]);
  await feed.write(timeline1, lsnToSortable(start + BigInt(segmentBytes)), log.subarray(segmentBytes));
  assert.deepEqual(await segments(), [segment(5), segment(6)]);
  await feed.finish();
  assert.deepEqual(await segments(), [segment(5), segment(6), segment(7), "complete"]);
  const read = await Promise.all([5, 6, 7].map((number) => readFile(path.join(place, segment(number)))));
  assert.ok(Buffer.concat(read).equals(Buffer.concat([log, Buffer.alloc(segmentBytes - 500)])));
});

test("log behind the end of the backup is not handed on when that is the target", async (context) => {
  const stopBefore = { stream: timeline1, position: facts.log.end };
  const { feed, place } = await feedFor(context, { ...wholeLog, stopBefore });
  await feed.write(timeline1, lsnToSortable(start), Buffer.alloc(segmentBytes + 5000, 9));
  await feed.finish();
  const content = await readFile(path.join(place, segment(5)));
  assert.ok(content.equals(Buffer.concat([Buffer.alloc(1000, 9), Buffer.alloc(segmentBytes - 1000)])));
  assert.ok(!(await readdir(place)).includes(segment(6)));
});

test("the first segment of a new timeline begins with what the old one wrote to it, up to the switch", async (context) => {
  const switchedAt = start + BigInt(segmentBytes) + 700n;
  const piece = { stream: timeline2, start: "", end: "", newestCommitMicros: undefined };
  const { feed, place, segments } = await feedFor(context, { ...wholeLog, pieces: [piece] });
  await feed.history(timeline2, Buffer.from(`1\t${formatLsn(switchedAt)}\tno reason\n`));
  await feed.write(timeline1, lsnToSortable(start), Buffer.alloc(2 * segmentBytes, 1)); // goes on behind the switch
  await feed.write(timeline2, lsnToSortable(switchedAt), Buffer.alloc(300, 2));
  await feed.finish();
  assert.deepEqual(await segments(), ["00000002.history", segment(5), segment(6, 2), "complete"].sort());
  const joined = await readFile(path.join(place, segment(6, 2)));
  assert.ok(
    joined.subarray(0, 1001).equals(Buffer.concat([Buffer.alloc(700, 1), Buffer.alloc(300, 2), Buffer.alloc(1)])),
  );
});

test("the feed waits for a server that is far behind, and removes what the server needs no more", async (context) => {
  const { feed, segments, replayed, controller } = await feedFor(context);
  let isWritten = false;
  const writing = feed.write(timeline1, lsnToSortable(start), Buffer.alloc(20 * segmentBytes, 1)).then(() => {
    isWritten = true;
  });
  while ((await segments()).length < 16) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isWritten, false);
  await replayed(segment(15), segment(12));
  await writing;
  assert.deepEqual((await segments())[0], segment(12));
  assert.equal((await segments()).at(-1), segment(24));

  controller.abort();
  const far = feed.write(timeline1, lsnToSortable(start + BigInt(20 * segmentBytes)), Buffer.alloc(20 * segmentBytes));
  await rejectsWith("CANCELLED", () => far);
});

test("log that does not follow on what came before is refused", async (context) => {
  const { feed } = await feedFor(context);
  await feed.write(timeline1, lsnToSortable(start), Buffer.alloc(100));
  await rejectsWith("INTERNAL", () => feed.write(timeline1, lsnToSortable(start + 200n), Buffer.alloc(100)));
});
