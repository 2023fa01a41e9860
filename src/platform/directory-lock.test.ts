import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { isBtarError } from "../domain/errors.ts";
import { lockDirectory } from "./directory-lock.ts";
import { processStartedAt } from "./process.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "btar-lock-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const holding = `
  const { lockDirectory } = await import(${JSON.stringify(import.meta.resolve("./directory-lock.ts"))});
  await lockDirectory(process.argv[1]);
  console.log("held");
  setInterval(() => {}, 1000);`;

test("a second start is refused with the process that holds the directory; after kill -9 of it, it is free", async () => {
  const holder = spawn(process.execPath, ["--input-type=module", "-e", holding, directory]);
  try {
    await once(holder.stdout, "data");
    await assert.rejects(lockDirectory(directory), (error) => {
      assert.ok(isBtarError(error, "DATA_DIRECTORY_IN_USE"));
      assert.ok(error.message.includes(`process ${holder.pid}`));
      return true;
    });
    const ended = once(holder, "exit");
    holder.kill("SIGKILL");
    await ended;
    const lock = await lockDirectory(directory);
    assert.equal((await readdir(directory)).length, 1);
    await lock.release();
    assert.deepEqual(await readdir(directory), []);
  } finally {
    holder.kill("SIGKILL");
  }
});

test("the same process does not get the directory twice until it gives it back", async () => {
  const lock = await lockDirectory(directory);
  await assert.rejects(lockDirectory(directory), (error) => isBtarError(error, "DATA_DIRECTORY_IN_USE"));
  await lock.release();
  await (await lockDirectory(directory)).release();
});

test("another process under the id of a dead holder does not hold the directory", async (t) => {
  const startedAt = await processStartedAt(process.ppid);
  if (!startedAt) return t.diagnostic("this system does not tell when a process started");
  const [boot = "", ticks = ""] = startedAt.split(".");
  await writeFile(path.join(directory, `lock.${process.ppid}.${boot}.${Number(ticks) - 1}`), "");
  await writeFile(path.join(directory, "unrelated"), "");
  const lock = await lockDirectory(directory);
  assert.equal((await readdir(directory)).length, 2);
  await lock.release();
});
