import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { temporaryDirectory } from "../../../../test/support/temporary-directory.ts";
import { formatLsn, lsnToSortable } from "../../../domain/lsn.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import { WalRestorer } from "./log-restorer.ts";

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
const first = "000000010000000000000005";

test("log becomes segments of their full size, zeros behind its end, in whatever order it comes", async (context) => {
  const { restorer, wal } = await restorerFor(context, wholeLog);
  const log = Buffer.alloc(2 * segmentBytes - 4321, 7);
  const cut = segmentBytes - 100;
  await Promise.all([
    restorer.write(timeline1, lsnToSortable(start + BigInt(cut)), log.subarray(cut)),
    restorer.write(timeline1, lsnToSortable(start), log.subarray(0, cut + 50)), // overlaps
  ]);
  await restorer.finish();
  assert.deepEqual((await readdir(wal)).sort(), [first, "000000010000000000000006"]);
  const written = Buffer.concat([
    await readFile(path.join(wal, first)),
    await readFile(path.join(wal, "000000010000000000000006")),
  ]);
  assert.ok(written.equals(Buffer.concat([log, Buffer.alloc(4321)])));
  assert.equal((await stat(path.join(wal, first))).mode & 0o777, 0o600);
});

test("segments are named as PostgreSQL names them, past the first 4 GiB too", async (context) => {
  const { restorer, wal } = await restorerFor(context, wholeLog);
  await restorer.write(timeline2, lsnToSortable(0x3_fff0_0000n), Buffer.alloc(10, 1));
  await restorer.finish();
  assert.deepEqual(await readdir(wal), ["000000020000000300000FFF"]);
});

test("log before the first segment that recovery reads is left out", async (context) => {
  const { restorer, wal } = await restorerFor(context, wholeLog);
  const straddling = Buffer.concat([Buffer.alloc(100, 1), Buffer.alloc(50, 2)]);
  await restorer.write(timeline1, lsnToSortable(start - 100n), straddling);
  await restorer.write(timeline1, lsnToSortable(start - 100n), Buffer.alloc(60, 1));
  await restorer.finish();
  assert.deepEqual(await readdir(wal), [first]);
  const segment = await readFile(path.join(wal, first));
  assert.ok(segment.equals(Buffer.concat([Buffer.alloc(50, 2), Buffer.alloc(segmentBytes - 50)])));
});

test("the log is cut off where the backup ends, and nowhere else", async (context) => {
  const stopBefore = { stream: timeline1, position: facts.log.end };
  const { restorer, wal } = await restorerFor(context, { ...wholeLog, stopBefore });
  await restorer.write(timeline1, lsnToSortable(start), Buffer.alloc(5000, 7));
  await restorer.finish();
  const segment = await readFile(path.join(wal, first));
  assert.ok(segment.equals(Buffer.concat([Buffer.alloc(1000, 7), Buffer.alloc(segmentBytes - 1000)])));

  const later = { stream: timeline1, position: lsnToSortable(start + 2000n) };
  const whole = await restorerFor(context, { ...wholeLog, stopBefore: later });
  await whole.restorer.write(timeline1, lsnToSortable(start), Buffer.alloc(5000, 7));
  await whole.restorer.finish();
  assert.equal((await readFile(path.join(whole.wal, first)))[4999], 7, "the record to stop before is needed");
});

test("a later timeline's first segment begins with what the earlier one wrote, which ends there", async (context) => {
  const switchedAt = start + 300n;
  const pieces = [{ stream: timeline2, start: "", end: "", newestCommitMicros: undefined }];
  const { restorer, wal } = await restorerFor(context, { ...wholeLog, pieces });
  const history = `1\t${formatLsn(switchedAt)}\tno recovery target specified\n`;
  await restorer.history(timeline2, Buffer.from(history));
  await restorer.write(timeline1, lsnToSortable(start), Buffer.alloc(segmentBytes + 500, 1));
  await restorer.write(timeline2, lsnToSortable(switchedAt), Buffer.alloc(700, 2));
  await restorer.finish();
  assert.deepEqual((await readdir(wal)).sort(), [first, "00000002.history", "000000020000000000000005"]);
  const joined = await readFile(path.join(wal, "000000020000000000000005"));
  assert.ok(
    joined.equals(Buffer.concat([Buffer.alloc(300, 1), Buffer.alloc(700, 2), Buffer.alloc(segmentBytes - 1000)])),
  );
  assert.equal(await readFile(path.join(wal, "00000002.history"), "utf8"), history);
});

test("what an earlier attempt left is not replayed", async (context) => {
  const { restorer, wal } = await restorerFor(context, wholeLog);
  await mkdir(wal);
  for (const name of ["0000000100000000000000FF", "00000009.history", "kept"])
    await writeFile(path.join(wal, name), "");
  await restorer.finish();
  assert.deepEqual(await readdir(wal), ["kept"]);
});

test("names and histories that cannot be are refused", async (context) => {
  const { restorer } = await restorerFor(context, wholeLog);
  await rejectsWith("INVALID_INPUT", () => restorer.write("../../etc-00000001", lsnToSortable(start), Buffer.alloc(1)));
  await rejectsWith("INVALID_LSN", () => restorer.write(timeline1, "../x", Buffer.alloc(1)));
  await rejectsWith("SERVER_PROTOCOL", () => restorer.history(timeline2, Buffer.from("no history")));
  await rejectsWith("OBJECT_DAMAGED", () => restorer.history(timeline2, Buffer.alloc(2 ** 20 + 1)));
});

async function restorerFor(context: TestContext, plan: RecoveryPlan) {
  const directory = await temporaryDirectory(context);
  return { restorer: new WalRestorer(directory, facts, plan), wal: path.join(directory, "pg_wal") };
}
