import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { boundLog, openLog, readLogFrom } from "../../server-log-file.ts";
import { gistOfLog, lastLogLines, parseLogLine } from "./server-log.ts";

let directory = "";
let logFile = "";
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "btar-log-"));
  logFile = path.join(directory, "postgresql.log");
});
afterEach(() => rm(directory, { recursive: true }));

const line = (second: number, text: string) => `2026-03-01 10:00:0${second}.250 UTC [123] ${text}\n`;

test("a line of the log has a time and a text; a line that goes on from another has none", () => {
  assert.deepEqual(parseLogLine("2026-03-01 10:00:01.250 UTC [123] ann@shop ERROR:  no such table"), {
    at: new Date("2026-03-01T10:00:01.250Z"),
    message: "ann@shop ERROR:  no such table",
  });
  assert.deepEqual(parseLogLine("\tat character 8"), { at: undefined, message: "at character 8" });
});

test("the last lines come oldest first, from the log before too if need be", async () => {
  assert.deepEqual(await lastLogLines(logFile, 5), []);
  await writeFile(`${logFile}.1`, line(0, "before") + line(1, "one"));
  await writeFile(logFile, line(2, "two") + line(3, "three"));
  const messages = async (maxLines: number) => (await lastLogLines(logFile, maxLines)).map((each) => each.message);
  assert.deepEqual(await messages(1), ["three"]);
  assert.deepEqual(await messages(3), ["one", "two", "three"]);
});

test("a log that has grown too large is moved aside, while the server goes on writing to the same file", async () => {
  const log = await openLog(logFile);
  try {
    await log.appendFile("x".repeat(16 * 1024 * 1024));
    await boundLog(logFile);
    assert.equal((await readFile(logFile, "utf8")).length, 16 * 1024 * 1024, "not at the limit yet");
    await log.appendFile(line(1, "over the limit"));
    await boundLog(logFile);
    await log.appendFile(line(2, "goes on"));
    assert.equal(await readFile(logFile, "utf8"), line(2, "goes on"));
    assert.ok((await readFile(`${logFile}.1`, "utf8")).endsWith("over the limit\n"));
  } finally {
    await log.close();
  }
});

test("reading goes on from where the log ended, and starts again when it was emptied", async () => {
  await writeFile(logFile, "first\nsecond\n");
  assert.deepEqual(await readLogFrom(logFile, 6), ["second"]);
  await writeFile(logFile, "");
  await appendFile(logFile, "new\n");
  assert.deepEqual(await readLogFrom(logFile, 6), ["new"]);
});

test("what went wrong is told from the first fatal line on, without times", () => {
  const lines = [
    line(1, "LOG:  starting"),
    line(2, "FATAL:  data directory has wrong owner"),
    line(2, "HINT:  mend it"),
  ];
  assert.equal(gistOfLog(lines.map((each) => each.trim())), "FATAL: data directory has wrong owner; HINT: mend it");
  assert.equal(gistOfLog([]), "the server wrote nothing to its log");
});
