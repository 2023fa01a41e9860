import assert from "node:assert/strict";
import { appendFile, copyFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../test/support/temporary-directory.ts";
import { readNewLines } from "./server-log-file.ts";

test("a log is read on from where reading ended, in whole lines", async (context) => {
  const log = join(await temporaryDirectory(context), "server.log");
  assert.deepEqual(await readNewLines(log, 0), { lines: [], offset: 0 });
  await writeFile(log, "one\ntwo\nthr");
  assert.deepEqual(await readNewLines(log, 0), { lines: ["one", "two"], offset: 8 });
  assert.deepEqual(await readNewLines(log, 8), { lines: [], offset: 8 });
  await appendFile(log, "ee\n\nfour\n");
  assert.deepEqual(await readNewLines(log, 8), { lines: ["three", "four"], offset: 20 });
});

test("of a log that was moved aside, what was not read comes first", async (context) => {
  const log = join(await temporaryDirectory(context), "server.log");
  await writeFile(log, "one\ntwo\nthree\n");
  await copyFile(log, `${log}.1`);
  await truncate(log);
  await appendFile(log, "four\n");
  assert.deepEqual(await readNewLines(log, 8), { lines: ["three", "four"], offset: 5 });
});

test("of more than a MiB, the newest whole lines are read", async (context) => {
  const log = join(await temporaryDirectory(context), "server.log");
  const line = "x".repeat(1023);
  await writeFile(log, `first\n${`${line}\n`.repeat(2000)}`);
  const { lines, offset } = await readNewLines(log, 0);
  assert.equal(lines.length, 1023);
  assert.ok(lines.every((each) => each === line));
  assert.equal(offset, 6 + 2000 * 1024);
});
