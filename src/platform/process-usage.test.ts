import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { processTreeUsage } from "./process-usage.ts";

const cache = join(import.meta.dirname, "../../.cache");
const isLinux = process.platform === "linux";

/** Fills 64 MiB, writes 8 MiB to a disk, and uses 0.3 s of a core, however long that takes. */
const busy = `
const { closeSync, fsyncSync, openSync, writeSync } = require("node:fs");
const memory = Buffer.alloc(64 * 1024 * 1024, 1);
const file = openSync(process.argv[1], "w");
for (let part = 0; part < 8; part += 1) writeSync(file, memory, 0, 1024 * 1024);
fsyncSync(file);
for (let used = 0; used < 300_000; used = process.cpuUsage().user + process.cpuUsage().system) Math.sqrt(memory[0]);
if (process.argv[2] === "stay") { console.log("busy"); setInterval(() => memory[0], 1000); }`;

/** Starts one that ends, which its parent waits for, and one that stays. */
const parent = `
const { spawn, spawnSync } = require("node:child_process");
spawnSync(process.execPath, ["-e", ${JSON.stringify(busy)}, process.argv[1] + ".1"]);
spawn(process.execPath, ["-e", ${JSON.stringify(busy)}, process.argv[1] + ".2", "stay"], { stdio: "inherit" });`;

test("what a process has started counts as its own, also when it has ended", async () => {
  await mkdir(cache, { recursive: true }); // /tmp may be in memory, where nothing is written to a disk
  const directory = await mkdtemp(join(cache, "usage-"));
  const args = ["-e", parent, join(directory, "file")];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  try {
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const usage = (await processTreeUsage([child.pid ?? 0, 2 ** 30])).get(child.pid ?? 0);
    if (!isLinux) return assert.equal(usage, undefined);
    assert.ok(usage);
    assert.ok(usage.cpuSeconds >= 0.5 && usage.cpuSeconds < 10, `${usage.cpuSeconds} s`);
    const mib = usage.memoryBytes / 1024 ** 2;
    assert.ok(mib >= 64 && mib < 1024, `${mib} MiB`);
    assert.ok((usage.writtenBytes ?? 0) >= 16 * 1024 ** 2, `${usage.writtenBytes} bytes written`);
  } finally {
    process.kill(-(child.pid ?? 0), "SIGKILL"); // its own children too
    await rm(directory, { recursive: true, force: true });
  }
});

test("a process that does not exist has no usage", async () => {
  assert.deepEqual(await processTreeUsage([2 ** 30]), new Map());
  assert.equal((await processTreeUsage([process.pid])).has(process.pid), isLinux);
});
