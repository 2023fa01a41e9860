import assert from "node:assert/strict";
import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, rmdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { rejectsWith } from "../../../../test/support/assert-error.ts";
import { temporaryDirectory } from "../../../../test/support/temporary-directory.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import { prepareRecovery } from "./prepare-recovery.ts";

const timeline1 = "7412345678901234567-00000001";
const facts: BaseBackupFacts = {
  identity: { version: "18.4", majorVersion: "18", systemId: "7412345678901234567" },
  log: { stream: timeline1, start: "0000000005000028", end: "0000000005000100" },
  startedAt: new Date(),
  consistentAt: new Date(),
  engineFacts: {
    walSegmentBytes: 2 ** 26,
    tablespaces: [
      { oid: "16400", location: "/mnt/fast" },
      { oid: "16401", location: "/mnt/empty" },
    ],
  },
};
const piece = { stream: timeline1, start: "", end: "", newestCommitMicros: undefined };
const wholeLog: RecoveryPlan = { pieces: [piece], stopBefore: undefined, lastCommitMicros: undefined };
const label = "START WAL LOCATION: 0/5000028\nINCREMENTAL FROM LSN: 0/4000028\nINCREMENTAL FROM TLI: 1\nLABEL: btar\n";

test("a server that recovers is told to read the whole log and to let nobody in meanwhile", async (context) => {
  const files = await restoredFiles(context);
  await prepare(files, wholeLog);
  const settings = await readFile(path.join(files, "postgresql.auto.conf"), "utf8");
  for (const line of ["restore_command = 'false'", "recovery_target_timeline = 'current'", "hot_standby = 'off'"]) {
    assert.ok(settings.includes(`${line}\n`), line);
  }
  assert.doesNotMatch(settings, /recovery_target_(lsn|time|action) /);
  assert.equal((await stat(path.join(files, "recovery.signal"))).size, 0);
});

test("a position to stop at is told to the server, with the timeline that it is on", async (context) => {
  const files = await restoredFiles(context);
  const stopBefore = { stream: "7412345678901234567-0000000B", position: "0000000106000060" };
  await prepare(files, { ...wholeLog, stopBefore });
  const settings = await readFile(path.join(files, "postgresql.auto.conf"), "utf8");
  assert.match(settings, /^recovery_target_timeline = '11'$/m);
  assert.match(settings, /^recovery_target_lsn = '1\/6000060'$/m);
  assert.match(settings, /^recovery_target_inclusive = off$/m);
  assert.match(settings, /^recovery_target_action = 'promote'$/m);
});

test("the end of the backup is where its log is cut off: the server is told no position", async (context) => {
  const files = await restoredFiles(context);
  await prepare(files, { ...wholeLog, stopBefore: { stream: timeline1, position: facts.log.end } });
  assert.doesNotMatch(await readFile(path.join(files, "postgresql.auto.conf"), "utf8"), /recovery_target_lsn/);
});

test("the label of the backup is kept, but for what says that the files are an increment", async (context) => {
  const files = await restoredFiles(context);
  await prepare(files, wholeLog);
  assert.equal(
    await readFile(path.join(files, "backup_label"), "utf8"),
    "START WAL LOCATION: 0/5000028\nLABEL: btar\n",
  );
});

test("files without a label are refused: they would seem consistent when they are not", async (context) => {
  const files = await restoredFiles(context);
  await rm(path.join(files, "backup_label"));
  await rejectsWith("OBJECT_DAMAGED", () => prepare(files, wholeLog));
});

test("the source's configuration is put aside once, and what works anywhere takes its place", async (context) => {
  const files = await restoredFiles(context);
  await writeFile(path.join(files, "postgresql.conf"), "data_directory = '/var/lib/postgresql/18/main'\n");
  await writeFile(path.join(files, "postgresql.auto.conf"), "archive_command = 'rm -rf /archive'\n");
  await prepare(files, wholeLog);
  await prepare(files, wholeLog);
  assert.match(await readFile(path.join(files, "postgresql.conf.source"), "utf8"), /data_directory/);
  assert.match(await readFile(path.join(files, "postgresql.auto.conf.source"), "utf8"), /archive_command/);
  const settings = await readFile(path.join(files, "postgresql.conf"), "utf8");
  assert.match(settings, /^min_wal_size = 128MB$/m, "two segments of 64 MiB");
  assert.doesNotMatch(settings, /data_directory/);
  assert.match(await readFile(path.join(files, "pg_hba.conf"), "utf8"), /^local all all peer$/m);
});

test("what the source had running or reserved is removed, and what it needs is made with its mode", async (context) => {
  const files = await restoredFiles(context);
  await chmod(files, 0o750);
  await mkdir(path.join(files, "pg_replslot/standby"), { recursive: true });
  for (const name of ["postmaster.pid", "standby.signal", "tablespace_map"])
    await writeFile(path.join(files, name), "x");
  await prepare(files, wholeLog);
  const names = await readdir(files);
  for (const name of ["postmaster.pid", "standby.signal", "tablespace_map"]) assert.ok(!names.includes(name), name);
  assert.deepEqual(await readdir(path.join(files, "pg_replslot")), []);
  for (const name of ["pg_notify", "pg_wal/archive_status", "pg_logical/mappings"]) {
    assert.equal((await stat(path.join(files, name))).mode & 0o777, 0o750, name);
  }
});

test("a data directory that others may enter gets the mode that PostgreSQL takes", async (context) => {
  const files = await restoredFiles(context);
  await chmod(files, 0o755);
  await prepare(files, wholeLog);
  assert.equal((await stat(files)).mode & 0o777, 0o750);
});

test("tablespaces are moved within the data directory and linked to", async (context) => {
  const files = await restoredFiles(context);
  await prepare(files, wholeLog);
  await prepare(files, wholeLog);
  const moved = path.join(files, "tablespaces");
  assert.equal(await readlink(path.join(files, "pg_tblspc/16400")), path.join(moved, "16400"));
  assert.deepEqual(await readdir(path.join(moved, "16400")), ["PG_18_202506291"]);
  assert.deepEqual(await readdir(path.join(moved, "16401")), []);
});

test("moving tablespaces goes on where it was broken off", async (context) => {
  const files = await restoredFiles(context);
  const moved = path.join(files, "tablespaces");
  await mkdir(path.join(moved, "16400", "half copied"), { recursive: true });
  await mkdir(path.join(moved, "16401"), { recursive: true });
  await writeFile(path.join(moved, "16401", "moved but not linked to"), "");
  await rmdir(path.join(files, "pg_tblspc/16401"));
  await prepare(files, wholeLog);
  assert.deepEqual(await readdir(path.join(moved, "16400")), ["PG_18_202506291"]);
  assert.deepEqual(await readdir(path.join(files, "pg_tblspc/16401")), ["moved but not linked to"]);
});

test("a mapped tablespace goes where it is mapped to, unless something is there", async (context) => {
  const files = await restoredFiles(context);
  const target = path.join(path.dirname(files), "mapped");
  const tablespaceMapping = new Map([["/mnt/fast", target]]);
  await mkdir(path.join(target, "something"), { recursive: true });
  const error = await rejectsWith("TARGET_DIRECTORY_NOT_EMPTY", () => prepare(files, wholeLog, tablespaceMapping));
  assert.ok(error.message.includes("pg_tblspc/16400") && error.message.includes(target));
  assert.ok((await lstat(path.join(files, "pg_tblspc/16400"))).isDirectory(), "nothing was moved");

  await rmdir(path.join(target, "something"));
  await prepare(files, wholeLog, tablespaceMapping);
  assert.equal(await readlink(path.join(files, "pg_tblspc/16400")), target);
});

async function prepare(files: string, plan: RecoveryPlan, tablespaceMapping: ReadonlyMap<string, string> = new Map()) {
  await prepareRecovery(files, { facts, plan, tablespaces: { mapping: tablespaceMapping } });
}

/** The least that a restore leaves: a label, and a tablespace with a directory in it. */
async function restoredFiles(context: TestContext): Promise<string> {
  const files = path.join(await temporaryDirectory(context), "data");
  await mkdir(path.join(files, "pg_tblspc/16400/PG_18_202506291"), { recursive: true });
  await mkdir(path.join(files, "pg_tblspc/16401"));
  await chmod(files, 0o700);
  await writeFile(path.join(files, "backup_label"), label);
  return files;
}
