import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type {
  BackupReading,
  BaseBackupFacts,
  BaseBackupOptions,
  BaseBackupSink,
  ServerAddress,
} from "../../src/engine/engine.ts";
import type { MysqlBackupFacts } from "../../src/engine/mysql/backup-facts.ts";
import { parseBinlogFileName, unpackPosition } from "../../src/engine/mysql/binlog/binlog-position.ts";
import { type BaseBackupChoices, takeBaseBackup } from "../../src/engine/mysql/base-backup.ts";
import { prepareFiles } from "../../src/engine/mysql/recovery/prepare-files.ts";
import { recoveryFacts } from "../../src/engine/mysql/recovery/recovery-facts.ts";
import { BlobWorkers } from "../../src/repository/blob-workers.ts";
import type { BackupManifest } from "../../src/repository/manifest.ts";
import type { PreviousBackup } from "../../src/repository/previous-backup.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { restoreFiles } from "../../src/repository/restore-files.ts";
import { neverAborted, serviceId } from "./backup-fixture.ts";
import { checkedTables } from "./mysql-load.ts";
import { type MysqlOptions, startMysql, type TestMysql } from "./mysql-server.ts";

const run = promisify(execFile);

/** What a test wants to do in the middle of a base backup. */
export interface BackupHooks {
  /** Awaited before each write to a file in parts. */
  readonly onWrite?: () => Promise<void>;
  /** Awaited before all that came is stored, at the end of each state. */
  readonly onSettle?: () => Promise<void>;
}

export interface TakenBackup {
  readonly manifest: BackupManifest;
  readonly facts: BaseBackupFacts;
  readonly engineFacts: MysqlBackupFacts;
  readonly readings: readonly BackupReading[];
}

/** Takes a base backup into a repository, as an agent does. */
export async function backUp(
  address: ServerAddress,
  repository: Repository,
  options: Partial<BaseBackupOptions> &
    BaseBackupChoices &
    BackupHooks & { readonly backupId: string; readonly previous?: PreviousBackup },
): Promise<TakenBackup> {
  const workers = new BlobWorkers(2);
  const signal = options.signal ?? neverAborted;
  try {
    const { backupId, previous } = options;
    const writer = repository.baseBackupWriter({ workers, previous, signal });
    const readings: BackupReading[] = [];
    const onReading = (reading: BackupReading) => void readings.push(reading);
    const taking = { label: backupId, onReading, ...options, signal };
    const facts = await takeBaseBackup(address, withHooks(writer, options), taking, options);
    const { stored, dataBytes, storedBytes } = await writer.finish();
    const description = { descriptionVersion: "none", serviceId, engine: "mysql", reason: "request" } as const;
    const manifest = { ...facts, ...stored, ...description, backupId, completedAt: new Date(), dataBytes, storedBytes };
    await repository.putManifest(manifest);
    return { manifest, facts, engineFacts: facts.engineFacts as unknown as MysqlBackupFacts, readings };
  } finally {
    await workers.close();
  }
}

/** A sink with something else to do in the middle. */
export function withHooks(sink: BaseBackupSink, { onWrite, onSettle }: BackupHooks): BaseBackupSink {
  return {
    directory: (name, mode) => sink.directory(name, mode),
    beginFile: (entry) => sink.beginFile(entry),
    write: (bytes) => sink.write(bytes),
    endFile: () => sink.endFile(),
    drained: () => sink.drained(),
    settle: async () => {
      await onSettle?.();
      await sink.settle();
    },
    openFile: (name) => {
      const file = sink.openFile(name);
      return {
        write: async (index, parts) => {
          await onWrite?.();
          await file.write(index, parts);
        },
        finish: async (entry) => await file.finish(entry),
      };
    },
  };
}

/** Writes a backup's files to `directory`, and starts a server on it. */
export async function startRestored(
  repository: Repository,
  manifest: BackupManifest,
  directory: string,
  options: MysqlOptions = {},
): Promise<TestMysql> {
  const workers = new BlobWorkers(2);
  try {
    await restoreFiles({ repository, manifest, directory, workers, signal: neverAborted, isSynced: false });
  } finally {
    await workers.close();
  }
  await prepareFiles(directory, recoveryFacts(manifest));
  return await startMysql({ ...options, dataDirectory: directory });
}

/**
 * Starts a server on a backup, finds it sound, and the same as its source once it has what came later.
 * @param directory a new one, that servers can reach
 */
export async function checkRestored(
  source: TestMysql,
  repository: Repository,
  { manifest, facts, engineFacts }: TakenBackup,
  directory: string,
  options: MysqlOptions = {},
): Promise<void> {
  await using restored = await startRestored(repository, manifest, directory, options);
  const held = await executedGtids(restored);
  const { atLeast, atMost } = engineFacts.gtids;
  const within = "SELECT GTID_SUBSET(?, ?) AS low, GTID_SUBSET(?, ?) AS high";
  assert.deepEqual(await source.sql(within, [atLeast, held, held, atMost]), [{ low: 1, high: 1 }]);
  await checkedTables(restored);
  await replay(source, restored, facts);
  assert.equal(await executedGtids(restored), await executedGtids(source));
  assert.deepEqual(await checkedTables(restored), await checkedTables(source));
}

export async function executedGtids(server: Pick<TestMysql, "sql">): Promise<string> {
  const [row] = await server.sql("SELECT @@GLOBAL.gtid_executed AS gtids");
  return String(row?.["gtids"]).replaceAll("\n", "");
}

/** Applies what `source` has committed since `backup` began and `restored` does not hold. */
export async function replay(source: TestMysql, restored: TestMysql, { log }: BaseBackupFacts): Promise<void> {
  const start = unpackPosition(log.start);
  const names = (await source.sql("SHOW BINARY LOGS")).map(({ Log_name }) => String(Log_name));
  const files = names.filter((name) => parseBinlogFileName(name).file >= start.file);
  const scriptPath = `${restored.dataDirectory}.replay.sql`;
  const { basedir } = source;
  await run(path.join(basedir, "bin/mysqlbinlog"), [
    `--start-position=${Math.max(start.offset, 4)}`,
    `--exclude-gtids=${await executedGtids(restored)}`,
    `--result-file=${scriptPath}`,
    ...files.map((name) => path.join(source.dataDirectory, name)),
  ]);
  const connect = [`--socket=${restored.socket}`, "--user=root", "--binary-mode"];
  await run("sh", ["-c", 'exec "$0" "$@" < "$SCRIPT"', path.join(basedir, "bin/mysql"), ...connect], {
    env: { SCRIPT: scriptPath, PATH: process.env["PATH"] },
  });
  await rm(scriptPath);
}
