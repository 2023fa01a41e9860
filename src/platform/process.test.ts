import assert from "node:assert/strict";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { isBtarError } from "../domain/errors.ts";
import { systemClock } from "./clock.ts";
import {
  isProcessAlive,
  processArguments,
  processStartedAt,
  runProgram,
  sendSignal,
  startDetached,
} from "./process.ts";

const node = process.execPath;

test("a program gets its input and a clean environment, and its output comes back", async () => {
  const script = "process.stdin.pipe(process.stdout); process.stderr.write(Object.keys(process.env).sort().join())";
  const output = await runProgram(node, ["-e", script], { timeoutMs: 10_000, input: "hello" });
  assert.deepEqual(output, { stdout: "hello", stderr: "LC_ALL,PATH" });
});

test("a failed program is reported with its exit code and the last lines of what it said", async () => {
  const script = "for (let i = 1; i <= 20; i++) console.error('line ' + i); process.exitCode = 3";
  await assert.rejects(runProgram(node, ["-e", script], { timeoutMs: 10_000 }), (error) => {
    assert.ok(isBtarError(error, "COMMAND_FAILED"));
    assert.match(error.message, /^node failed with exit code 3: line 11\n/);
    assert.match(error.message, /line 20$/);
    return true;
  });
});

test("a program that does not exist is reported by name", async () => {
  await assert.rejects(
    runProgram("/no/such/program", [], { timeoutMs: 10_000 }),
    (error) => isBtarError(error, "COMMAND_FAILED") && error.message.includes("/no/such/program"),
  );
});

test("only the last 64 KiB of output are kept", async () => {
  const script = "process.stdout.write('x'.repeat(1_000_000) + 'end')";
  const { stdout } = await runProgram(node, ["-e", script], { timeoutMs: 10_000 });
  assert.equal(stdout.length, 65_536);
  assert.ok(stdout.endsWith("xend"));
});

test("when its time is up a program is killed together with what it started", async () => {
  const script = `
    const child = require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    console.error("started " + child.pid);
    setInterval(() => {}, 1000);`;
  let grandchild = 0;
  await assert.rejects(runProgram(node, ["-e", script], { timeoutMs: 1_000 }), (error) => {
    assert.ok(isBtarError(error, "TIMED_OUT"));
    grandchild = Number(/started (\d+)/.exec(error.message)?.[1]);
    return true;
  });
  assert.ok(grandchild > 0);
  await until(async () => !isProcessAlive(grandchild));
});

test("a fired signal ends a program as cancelled", async () => {
  const controller = new AbortController();
  const run = runProgram(node, ["-e", "setInterval(() => {}, 1000)"], {
    timeoutMs: 60_000,
    signal: controller.signal,
  });
  controller.abort();
  await assert.rejects(run, (error) => isBtarError(error, "CANCELLED"));
});

test("a detached program writes to the given file, and its end is seen", async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), "btar-process-"));
  const log = await open(path.join(directory, "log"), "a");
  try {
    const args = ["-e", "console.log('up'); setInterval(() => {}, 1000)"];
    const running = await startDetached(node, args, { outputFd: log.fd });
    await until(async () => (await readFile(path.join(directory, "log"), "utf8")) === "up\n");
    assert.equal(running.ended(), undefined);
    assert.ok(isProcessAlive(running.pid));
    const seen = await processArguments(running.pid);
    assert.deepEqual(seen, process.platform === "linux" ? [node, ...args] : undefined);
    assert.ok(sendSignal(running.pid, "SIGKILL"));
    await until(async () => running.ended() !== undefined);
    assert.equal(running.ended(), "SIGKILL");
    assert.equal(isProcessAlive(running.pid), false);
    assert.equal(sendSignal(running.pid, "SIGTERM"), false);
  } finally {
    await log.close();
    await rm(directory, { recursive: true });
  }
});

test("a process is known by its start, where the system tells", async () => {
  const [first, second] = await Promise.all([processStartedAt(process.pid), processStartedAt(process.pid)]);
  assert.equal(first, second);
  assert.equal(await processStartedAt(2 ** 30), undefined);
  if (process.platform !== "linux") return assert.equal(first, undefined);
  assert.match(String(first), /^[0-9a-f-]{36}\.\d+$/);
  assert.notEqual(first, await processStartedAt(1));
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, "the condition did not come true within 10 s");
    await systemClock.sleep(10);
  }
}
