import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { removeLeftovers, temporaryName } from "./temporary-files.ts";

test("files of processes that ended are removed, those of living ones and of other hosts stay for an hour", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "btar-tmp-"));
  try {
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, "-");
    const mine = temporaryName();
    const others = "elsewhere.1.00ff-1";
    const ended = `${host}.${pid}.00ff-1`;
    const old = "elsewhere.1.00ff-2";
    for (const name of [mine, others, ended, old]) await writeFile(path.join(directory, name), "");
    const longAgo = new Date(Date.now() - 61 * 60 * 1000);
    await utimes(path.join(directory, old), longAgo, longAgo);
    await removeLeftovers(directory);
    assert.deepEqual((await readdir(directory)).sort(), [mine, others].sort());
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("no two temporary files have the same name", () => {
  assert.notEqual(temporaryName(), temporaryName());
});
