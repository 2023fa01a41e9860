import assert from "node:assert/strict";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { ensureDirectory, freeBytes, removeTree, writeFileDurably } from "./files.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "btar-files-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test("a durable write replaces content and mode, and leaves nothing else behind", async () => {
  const file = path.join(directory, "secret");
  await writeFile(file, "a longer old content", { mode: 0o644 });
  await writeFileDurably(file, "new", { mode: 0o600 });
  assert.equal(await readFile(file, "utf8"), "new");
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(directory), ["secret"]);
});

test("a durable write that cannot replace its target leaves no temporary file", async () => {
  await mkdir(path.join(directory, "taken"));
  await assert.rejects(writeFileDurably(path.join(directory, "taken"), "x", { mode: 0o600 }));
  assert.deepEqual(await readdir(directory), ["taken"]);
});

test("a directory gets its mode whether it was there or not", async () => {
  const deep = path.join(directory, "a/b");
  await ensureDirectory(deep, { mode: 0o755 });
  await ensureDirectory(deep, { mode: 0o700 });
  assert.equal((await stat(deep)).mode & 0o777, 0o700);
});

test("removing a tree does not follow links out of it", async () => {
  await mkdir(path.join(directory, "outside"));
  await writeFile(path.join(directory, "outside/kept"), "");
  await mkdir(path.join(directory, "tree"));
  await symlink(path.join(directory, "outside"), path.join(directory, "tree/link"));
  await removeTree(path.join(directory, "tree"));
  await removeTree(path.join(directory, "absent"));
  assert.ok(await lstat(path.join(directory, "outside/kept")));
});

test("the free space of a directory is a number of bytes", async () => {
  assert.ok((await freeBytes(directory)) > 0);
});
