/**
 * Base backups and log of a running server, made in the plainest way that PostgreSQL documents: to test recovery
 * without the rest of btar.
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type pg from "pg";
import { type Lsn, lsnToSortable, parseLsn, walSegmentName, walSegmentStart } from "../../src/domain/lsn.ts";
import type { BaseBackupFacts, LogPieceRef } from "../../src/engine/engine.ts";
import { type TransactionEnd, WalScanner } from "../../src/engine/postgres/wal-scanner.ts";

/** A backup: files as the engine yields them, with tablespaces under `pg_tblspc/OID`. */
export interface BaseCopy {
  readonly files: string;
  readonly facts: BaseBackupFacts;
}

/** Log of one timeline, cut into pieces as a store has them. */
export interface StoredLog {
  readonly pieces: readonly LogPieceRef[];
  readonly commits: readonly TransactionEnd[];
  readPiece(piece: LogPieceRef): Promise<Uint8Array>;
}

/**
 * @param client a superuser's session
 * @param during runs while files are being copied
 */
export async function takeBaseCopy(
  client: pg.Client,
  target: string,
  during: () => Promise<void> = async () => undefined,
): Promise<BaseCopy> {
  const one = async (sql: string) => String((await client.query({ text: sql, rowMode: "array" })).rows[0]?.[0]);
  const isOld = Number(await one("show server_version_num")) < 150_000;
  const startedAt = new Date();
  const start = await one(
    isOld ? "select pg_start_backup('copy', true, false)" : "select pg_backup_start('copy', true)",
  );
  const source = await one("show data_directory");
  await copyFiles(source, target);
  await during();
  const stopped = await client.query(
    isOld ? "select * from pg_stop_backup(false, false)" : "select * from pg_backup_stop(false)",
  );
  await writeFile(path.join(target, "backup_label"), stopped.rows[0].labelfile);
  const tablespaces = await client.query(
    "select oid::text, pg_tablespace_location(oid) as location from pg_tablespace where pg_tablespace_location(oid) <> ''",
  );
  for (const { oid, location } of tablespaces.rows) {
    await rm(path.join(target, "pg_tblspc", oid), { recursive: true, force: true });
    await cp(location, path.join(target, "pg_tblspc", oid), { recursive: true });
  }
  const [{ system_identifier: systemId, timeline_id: timeline }] = (
    await client.query("select system_identifier::text, timeline_id from pg_control_system(), pg_control_checkpoint()")
  ).rows;
  const version = (await one("show server_version")).split(" ")[0] ?? "";
  const facts: BaseBackupFacts = {
    identity: { version, majorVersion: version.split(".")[0] ?? "", systemId },
    log: {
      stream: `${systemId}-${Number(timeline).toString(16).toUpperCase().padStart(8, "0")}`,
      start: lsnToSortable(parseLsn(start)),
      end: lsnToSortable(parseLsn(stopped.rows[0].lsn)),
    },
    startedAt,
    consistentAt: new Date(),
    engineFacts: {
      walSegmentBytes: Number(await one("select setting from pg_settings where name = 'wal_segment_size'")),
      tablespaces: tablespaces.rows,
      dataChecksums: (await one("show data_checksums")) === "on",
      blockBytes: 8192,
      serverVersionNum: Number(await one("show server_version_num")),
    },
  };
  return { files: target, facts };
}

/** Reads the log of a stream from the running server's `pg_wal`, from `from` to what it has written. */
export async function readLog(
  client: pg.Client,
  request: { readonly stream: string; readonly from: Lsn; readonly pieceBytes: number },
): Promise<StoredLog> {
  const [row] = (
    await client.query(
      `select pg_current_wal_flush_lsn() as lsn, current_setting('data_directory') as directory,
         (select setting::int from pg_settings where name = 'wal_segment_size') as bytes`,
    )
  ).rows;
  const segmentBytes: number = row.bytes;
  const start = walSegmentStart(request.from, segmentBytes);
  const end = parseLsn(row.lsn);
  const timeline = Number.parseInt(request.stream.slice(-8), 16);
  const segments: Buffer[] = [];
  for (let at = start; at < end; at += BigInt(segmentBytes)) {
    segments.push(await readFile(path.join(row.directory, "pg_wal", walSegmentName(timeline, at, segmentBytes))));
  }
  const bytes = Buffer.concat(segments).subarray(0, Number(end - start));
  return cutLog(request.stream, start, bytes, { ...request, segmentBytes });
}

function cutLog(
  stream: string,
  start: Lsn,
  bytes: Buffer,
  sizes: { readonly segmentBytes: number; readonly pieceBytes: number },
): StoredLog {
  const commits: TransactionEnd[] = [];
  const onTransactionEnd = (end: TransactionEnd) => {
    if (end.kind === "commit") commits.push(end);
  };
  new WalScanner({ start, segmentBytes: sizes.segmentBytes, damageCode: "OBJECT_DAMAGED", onTransactionEnd }).feed(
    bytes,
  );
  const contents = new Map<string, Uint8Array>();
  const pieces: LogPieceRef[] = [];
  for (let offset = 0; offset < bytes.length; offset += sizes.pieceBytes) {
    const content = bytes.subarray(offset, offset + sizes.pieceBytes);
    const [from, to] = [start + BigInt(offset), start + BigInt(offset + content.length)];
    const times = commits.filter((commit) => commit.end > from && commit.end <= to).map((commit) => commit.atMicros);
    const newestCommitMicros = times.length > 0 ? times.reduce((a, b) => (a > b ? a : b)) : undefined;
    const piece = { stream, start: lsnToSortable(from), end: lsnToSortable(to), newestCommitMicros };
    pieces.push(piece);
    contents.set(`${piece.stream} ${piece.start}`, content);
  }
  const readPiece = async (piece: LogPieceRef) => {
    const content = contents.get(`${piece.stream} ${piece.start}`);
    if (!content) throw new Error(`no piece ${piece.stream} ${piece.start}`);
    return content;
  };
  return { pieces, commits, readPiece };
}

/** Files may vanish while they are copied, which cp says at its end. */
async function copyFiles(source: string, target: string): Promise<void> {
  await promisify(execFile)("cp", ["-a", source, target]).catch((error: Error) => {
    if (!/^cp: cannot stat .*No such file/m.test(error.message)) throw error;
  });
  for (const name of ["pg_wal", "pg_replslot", "pg_tblspc"]) {
    await rm(path.join(target, name), { recursive: true });
    await mkdir(path.join(target, name), { mode: 0o700 });
  }
}
