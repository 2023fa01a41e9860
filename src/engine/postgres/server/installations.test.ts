import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { runProgram } from "../../../platform/process.ts";
import { ServerInstallations } from "./installations.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "btar-installations-"));
});
afterEach(() => rm(directory, { recursive: true }));

test("programs of the npm packages are found, newest first, before they are installed", async () => {
  const list = await new ServerInstallations({ serversDirectory: directory, configuredBasedirs: {} }).list();
  assert.equal(list[0]?.majorVersion, "18");
  assert.match(list[0]?.version ?? "", /^18\.\d+$/);
  assert.ok(list.every((each) => each.origin === "npm package" && each.basedir.startsWith(directory)));
  assert.deepEqual(await readdir(directory), []);
});

test("programs are installed once, also when several ask at the same time, and run for everyone", async () => {
  const both = [1, 2].map(() => new ServerInstallations({ serversDirectory: directory, configuredBasedirs: {} }));
  const [installation] = await Promise.all(both.map((each) => each.require("18")));
  const basedir = installation?.basedir ?? "";
  assert.deepEqual(await readdir(directory), [path.basename(basedir)]);
  const { stdout } = await runProgram(path.join(basedir, "bin/postgres"), ["--version"], { timeoutMs: 10_000 });
  assert.equal(stdout.trim(), `postgres (PostgreSQL) ${installation?.version}`);
  for (const entry of await readdir(basedir, { recursive: true })) {
    const { mode } = await stat(path.join(basedir, entry));
    assert.ok((mode & 0o004) !== 0, `${entry} can be read by everyone`);
  }
});

test("what a killed process left half installed is removed by the next installation", async () => {
  const installations = new ServerInstallations({ serversDirectory: directory, configuredBasedirs: {} });
  const [newest] = await installations.list();
  await mkdir(`${newest?.basedir}.${2 ** 22 + 1}.0123456789ab.tmp`);
  await mkdir(`${newest?.basedir}.${process.pid}.0123456789ab.tmp`);
  await installations.require("18");
  assert.deepEqual((await readdir(directory)).sort(), [
    path.basename(newest?.basedir ?? ""),
    `${path.basename(newest?.basedir ?? "")}.${process.pid}.0123456789ab.tmp`,
  ]);
});

test("a configured installation goes before the npm package of its version", async () => {
  const basedir = await fakeInstallation("postgres (PostgreSQL) 17.6 (Debian 17.6-1.pgdg12+1)");
  const configured = new ServerInstallations({ serversDirectory: directory, configuredBasedirs: { 17: { basedir } } });
  assert.deepEqual(await configured.require("17"), {
    majorVersion: "17",
    version: "17.6",
    basedir,
    origin: "configuration",
  });
});

test("a configured installation that is absent, or of another version, is refused with its key", async () => {
  const basedir = await fakeInstallation("postgres (PostgreSQL) 16.2");
  for (const wrong of [basedir, path.join(directory, "nowhere")]) {
    const error = await rejectsWith("INVALID_CONFIGURATION", () =>
      new ServerInstallations({ serversDirectory: directory, configuredBasedirs: { 17: { basedir: wrong } } }).list(),
    );
    assert.match(error.message, /^engines\.pg\.17\.basedir: /);
  }
});

test("a version that is not there is refused with those that are", async () => {
  const error = await rejectsWith("SERVER_BINARIES_MISSING", () =>
    new ServerInstallations({ serversDirectory: directory, configuredBasedirs: {} }).require("9"),
  );
  assert.match(error.message, /no PostgreSQL 9; it has 18 \(18\.\d+\)/);
});

async function fakeInstallation(version: string): Promise<string> {
  const basedir = path.join(directory, "installed");
  await mkdir(path.join(basedir, "bin"), { recursive: true });
  await writeFile(path.join(basedir, "bin/postgres"), `#!/bin/sh\necho '${version}'\n`);
  await chmod(path.join(basedir, "bin/postgres"), 0o755);
  return basedir;
}
