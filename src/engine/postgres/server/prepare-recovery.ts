import { mkdir, readFile, readlink, rename, rmdir, stat, symlink } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { formatLsn } from "../../../domain/lsn.ts";
import { isErrno } from "../../../platform/errno.ts";
import {
  ensureDirectory,
  lstatIfThere,
  readTextIfThere,
  removeTree,
  syncDirectory,
  writeFileDurably,
} from "../../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import type { TablespaceChoice } from "../../server.ts";
import { lastStream, type RecoveryFacts, recoveryEnd, recoveryFacts } from "./backup-facts.ts";
import { quoteSetting } from "./configuration-text.ts";
import { tablespacePlaces } from "./tablespaces.ts";
import type { SettingValue } from "../../user-settings.ts";

/** Of the server that was backed up: it is not running here, and what it had open or reserved is not ours. */
const leftovers = [
  "postmaster.pid",
  "postmaster.opts",
  "standby.signal",
  "tablespace_map",
  "backup_label.old",
  "current_logfiles",
];

/** Directories that a server needs and that backups may leave out because they are empty. */
const neededDirectories = `
  pg_commit_ts pg_dynshmem pg_logical/mappings pg_logical/snapshots pg_multixact/members pg_multixact/offsets
  pg_notify pg_replslot pg_serial pg_snapshots pg_stat pg_stat_tmp pg_subtrans pg_tblspc pg_twophase
  pg_wal/archive_status pg_xact`
  .trim()
  .split(/\s+/);

/** Tells what an earlier attempt wrote from what came with the files. */
const writtenByBtar = "# Written by btar for a restore";

export interface PreparationRequest {
  readonly facts: BaseBackupFacts;
  readonly plan: RecoveryPlan;
  readonly tablespaces: TablespaceChoice;
}

/**
 * Makes a data directory of restored files that recovers by itself when PostgreSQL is started in it, with whatever
 * configuration: the settings that it needs are in postgresql.auto.conf, which goes before postgresql.conf. Can be
 * repeated until the server has been started.
 * @throws {BtarError} OBJECT_DAMAGED, TARGET_DIRECTORY_NOT_EMPTY
 */
export async function prepareRecovery(filesDirectory: string, request: PreparationRequest): Promise<void> {
  const facts = recoveryFacts(request.facts);
  const mode = ((await stat(filesDirectory)).mode & 0o050) === 0o050 ? 0o750 : 0o700; // PostgreSQL takes no others
  await ensureDirectory(filesDirectory, { mode });
  for (const name of leftovers) await removeTree(path.join(filesDirectory, name));
  await removeTree(path.join(filesDirectory, "pg_replslot"));
  for (const name of neededDirectories) await makeDirectory(filesDirectory, name, mode);
  await placeTablespaces(filesDirectory, request);
  await cleanBackupLabel(filesDirectory);
  await writeSettings(filesDirectory, request, facts);
  await writeFileDurably(path.join(filesDirectory, "recovery.signal"), "", { mode: 0o600 });
}

async function makeDirectory(filesDirectory: string, name: string, mode: number): Promise<void> {
  let place = filesDirectory;
  for (const part of name.split("/")) {
    place = path.join(place, part);
    await ensureDirectory(place, { mode });
  }
}

/**
 * PostgreSQL wants links to tablespaces. Files that were restored to `pg_tblspc/OID` itself are moved and linked to.
 */
async function placeTablespaces(filesDirectory: string, { facts, tablespaces }: PreparationRequest): Promise<void> {
  for (const [name, target] of tablespacePlaces(filesDirectory, facts, tablespaces)) {
    const link = path.join(filesDirectory, name);
    const isOwn = target.startsWith(`${filesDirectory}${path.sep}`);
    const status = await lstatIfThere(link);
    if (status?.isSymbolicLink()) {
      if ((await readlink(link)) === target) continue; // placed by an earlier attempt
      throw notEmpty(name, target, `${link} leads elsewhere already`);
    }
    // Without a directory the files are at their place already.
    if (status) {
      if (isOwn) await removeTree(target);
      else await removeEmpty(name, target);
      await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
      await rename(link, target);
    }
    await symlink(target, link);
    await syncDirectory(path.dirname(link));
  }
}

async function removeEmpty(name: string, target: string): Promise<void> {
  try {
    await rmdir(target);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    if (isErrno(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) throw notEmpty(name, target, "it is not an empty directory");
    throw error;
  }
}

/**
 * backup_label tells where replay begins; without it a server would take torn files for consistent ones. After an
 * incremental backup it also says that the directory is none of its own, which it is here.
 */
async function cleanBackupLabel(filesDirectory: string): Promise<void> {
  const file = path.join(filesDirectory, "backup_label");
  const label = await readTextIfThere(file);
  if (label === undefined) {
    throw new BtarError("OBJECT_DAMAGED", {
      message: `the files in ${filesDirectory} hold no backup_label`,
      hint: "restore the base backup again; a server that has been started here has renamed it",
    });
  }
  const kept = label.split("\n").filter((line) => !line.startsWith("INCREMENTAL FROM "));
  await writeFileDurably(file, kept.join("\n"), { mode: 0o600 });
}

async function writeSettings(filesDirectory: string, request: PreparationRequest, facts: RecoveryFacts): Promise<void> {
  await replaceConfiguration(path.join(filesDirectory, "postgresql.conf"), plainConf(facts.walSegmentBytes));
  await replaceConfiguration(path.join(filesDirectory, "pg_hba.conf"), plainHba);
  await replaceConfiguration(path.join(filesDirectory, "pg_ident.conf"), `${writtenByBtar}.\n`);
  await replaceConfiguration(path.join(filesDirectory, "postgresql.auto.conf"), recoveryConf(request, facts));
}

/**
 * The source's configuration names its own directories, certificates, libraries and peers, and some sources keep it
 * elsewhere so that it is in no backup: it is put aside, and replaced by one that works anywhere.
 */
async function replaceConfiguration(file: string, content: string): Promise<void> {
  const status = await lstatIfThere(file);
  const isOurs = status?.isFile() && (await readFile(file, "utf8")).startsWith(writtenByBtar);
  if (status && !isOurs) await rename(file, `${file}.source`);
  await writeFileDurably(file, content, { mode: 0o600 });
}

function plainConf(walSegmentBytes: number): string {
  const segmentMb = walSegmentBytes / 2 ** 20;
  return [
    `${writtenByBtar}. If the source's own was in its backup, it is in postgresql.conf.source.`,
    "listen_addresses = 'localhost'",
    "wal_level = replica",
    `min_wal_size = ${Math.max(80, 2 * segmentMb)}MB`,
    `max_wal_size = ${Math.max(1024, 2 * segmentMb)}MB`,
    "",
  ].join("\n");
}

const plainHba = [
  `${writtenByBtar}. If the source's own was in its backup, it is in pg_hba.conf.source.`,
  "local all all peer",
  "host all all 127.0.0.1/32 scram-sha-256",
  "host all all ::1/128 scram-sha-256",
  "",
].join("\n");

function recoveryConf(request: PreparationRequest, facts: RecoveryFacts): string {
  const last = lastStream(request.facts, request.plan).timeline;
  const settings: [string, SettingValue][] = [
    // All log that is wanted lies in pg_wal already, where the server looks when the command fails.
    ["restore_command", "false"],
    ["recovery_target_timeline", last === facts.stream.timeline ? "current" : String(last)],
    ...targetSettings(request),
    ["archive_mode", "off"],
    ["archive_cleanup_command", ""],
    ["recovery_end_command", ""],
    ["primary_conninfo", ""],
    ["primary_slot_name", ""],
    ["synchronous_standby_names", ""],
    // Else settings such as max_connections would have to be as large as the source's.
    ["hot_standby", "off"],
  ];
  return [
    `${writtenByBtar}: for recovery only. Remove all of it once the server accepts connections.`,
    ...settings.map(([name, value]) => `${name} = ${quoteSetting(name, value)}`),
    "",
  ].join("\n");
}

function targetSettings(request: PreparationRequest): [string, SettingValue][] {
  const end = recoveryEnd(request.facts, request.plan);
  if (end.kind !== "record") return [];
  return [
    ["recovery_target_lsn", formatLsn(end.position)],
    ["recovery_target_inclusive", false],
    ["recovery_target_action", "promote"],
  ];
}

function notEmpty(name: string, target: string, why: string): BtarError {
  return new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
    message: `tablespace ${name} cannot be put into ${target}: ${why}`,
    hint: "map it to an empty directory, or to one that does not exist",
  });
}
