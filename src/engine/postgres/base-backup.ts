import { setTimeout as delay } from "node:timers/promises";
import { BtarError, isBtarError } from "../../domain/errors.ts";
import { type Lsn, lsnToSortable, parseLsn, type TimelineId } from "../../domain/lsn.ts";
import type { BaseBackupFacts, BaseBackupOptions, EarlierBackup, FileSink, ServerAddress } from "../engine.ts";
import type { Row } from "./backend-message.ts";
import { BackupFiles } from "./backup-files.ts";
import { ReplicationConnection } from "./replication-connection.ts";
import { readServerClock } from "./server-clock.ts";
import { describeServer, type ServerDescription, walPosition } from "./server-description.ts";
import { protocolViolation, sqlStateOf } from "./server-error.ts";
import { ServerManifestCheck } from "./server-manifest.ts";
import { formatStreamName, parseStreamName } from "./stream-name.ts";
import { uploadedManifest } from "./uploaded-manifest.ts";

/** Engine's own facts of a PostgreSQL base backup (`BaseBackupFacts.engineFacts`). */
export interface PostgresBackupFacts {
  readonly walSegmentBytes: number;
  /** Those that lie outside of the data directory: links from `pg_tblspc/OID` to `location` are to be made. */
  readonly tablespaces: readonly Tablespace[];
  readonly dataChecksums: boolean;
  readonly blockBytes: number;
  /** Such as 180004. */
  readonly serverVersionNum: number;
}

export interface Tablespace {
  readonly oid: string;
  /** Where it was on the server. */
  readonly location: string;
}

/** Progress is told each time that this much more has arrived. */
const progressStepBytes = 4 * 1024 * 1024;
const maxArchiveNameBytes = 16 * 1024;
const keptWarnings = 5;

/**
 * Takes a base backup: what changed since an earlier one if there is one and the server can tell (17 and later, with
 * `summarize_wal`), everything otherwise. The server verifies page checksums while it reads; what arrives is checked against the
 * server's own manifest.
 *
 * `log.end` and `consistentAt` belong together: every transaction that the server had committed by `consistentAt`,
 * its own clock, lies in the log before `log.end`, and the files are consistent before `consistentAt`. So a recovery
 * with the log up to `log.end` reaches that instant, and a recovery to it or to any later one is possible.
 * `startedAt` is by btar's clock.
 * @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED, SERVER_PROTOCOL, SERVER_DATA_CORRUPT, UNSAFE_PATH,
 *   CANCELLED, and what the sink throws
 */
export async function takeBaseBackup(
  address: ServerAddress,
  sink: FileSink,
  options: BaseBackupOptions,
): Promise<BaseBackupFacts> {
  const startedAt = new Date();
  const { since } = options;
  if (!since) return { startedAt, ...(await takeEverything(address, sink, { ...options, reason: undefined })) };
  let isUnderWay = false;
  const onReading: BaseBackupOptions["onReading"] = (reading) => {
    isUnderWay = true;
    options.onReading?.(reading);
  };
  try {
    return { startedAt, ...(await takeChanges(address, sink, { ...options, since, onReading })) };
  } catch (error) {
    if (isUnderWay || !isRefusal(error)) throw error;
    return { startedAt, ...(await takeEverything(address, sink, { ...options, reason: error.message })) };
  }
}

/** The server could have sent everything: it, or this server's kind, only cannot say what changed. */
function isRefusal(error: unknown): error is BtarError {
  return isBtarError(error, "SERVER_REFUSED") || isBtarError(error, "SERVER_PROTOCOL");
}

type TakenBackup = Omit<BaseBackupFacts, "startedAt">;

async function takeEverything(
  address: ServerAddress,
  sink: FileSink,
  options: BaseBackupOptions & { readonly reason: string | undefined },
): Promise<TakenBackup> {
  const warnings = new BackupWarnings();
  await using connection = await ReplicationConnection.open(address, { ...options, onNotice: warnings.onNotice });
  const server = await describeServer(connection);
  const isChecksummed = !connection.protectsBytes;
  connection.send(baseBackupCommand(server, options.label, { isIncremental: false, isChecksummed }));
  const onStart = () => options.onReading?.({ kind: "everything", reason: options.reason });
  const reader = new BaseBackupReader({
    connection,
    server,
    files: new BackupFiles(sink, { changes: undefined, isChecksummed }),
    onStart,
    options,
  });
  const received = await warnings.within(() => reader.read());
  return await factsOf(connection, server, received);
}

/** @throws {BtarError} SERVER_REFUSED before the first file when the server cannot tell what changed */
async function takeChanges(
  address: ServerAddress,
  sink: FileSink,
  options: BaseBackupOptions & { readonly since: EarlierBackup },
): Promise<TakenBackup> {
  const { since } = options;
  const warnings = new BackupWarnings();
  await using connection = await ReplicationConnection.open(address, { ...options, onNotice: warnings.onNotice });
  const server = await describeServer(connection);
  refuseOtherServer(server, since);
  await connection.copyIn("UPLOAD_MANIFEST", uploadedManifest(since));
  const isChecksummed = !connection.protectsBytes;
  connection.send(baseBackupCommand(server, options.label, { isIncremental: true, isChecksummed }));
  const onStart = () => options.onReading?.({ kind: "changes" });
  const reader = new BaseBackupReader({
    connection,
    server,
    files: new BackupFiles(sink, { changes: since.sink, isChecksummed }),
    onStart,
    options,
  });
  const received = await warnings.within(() => reader.read());
  return await factsOf(connection, server, received);
}

const incrementalSinceVersion = 170_000;

function refuseOtherServer(server: ServerDescription, { log, engineFacts }: EarlierBackup): void {
  const refuse = (what: string): BtarError => new BtarError("SERVER_REFUSED", { message: what });
  if (server.versionNum < incrementalSinceVersion) throw refuse("only PostgreSQL 17 and later can tell what changed");
  if (parseStreamName(log.stream).systemId !== server.identity.systemId) throw refuse("it is another database cluster");
  if (server.blockBytes !== 8192) throw refuse(`its block size is ${server.blockBytes}`);
  // Turning checksums on changes every page without writing WAL of it.
  if (engineFacts["dataChecksums"] !== server.hasDataChecksums)
    throw refuse("its page checksums were turned on or off");
}

/** Which pages are bad is only said in warnings, before the error at the end. */
class BackupWarnings {
  readonly #warnings: string[] = [];
  readonly onNotice = ({ message }: { readonly message: string }): void => {
    if (this.#warnings.length < keptWarnings) this.#warnings.push(message);
  };

  async within<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw withWarnings(error, this.#warnings);
    }
  }
}

function baseBackupCommand(
  server: ServerDescription,
  label: string,
  { isIncremental, isChecksummed }: { readonly isIncremental: boolean; readonly isChecksummed: boolean },
): string {
  if (/\p{Cc}/u.test(label)) {
    throw new BtarError("INVALID_INPUT", {
      message: `the label of a base backup cannot contain control characters: ${JSON.stringify(label)}`,
      hint: "use letters, digits and spaces",
    });
  }
  const quoted = `'${label.replaceAll("'", "''")}'`;
  const checksums = isChecksummed ? "'CRC32C'" : "'NONE'";
  if (server.versionNum < 150_000) {
    return `BASE_BACKUP LABEL ${quoted} PROGRESS FAST NOWAIT MANIFEST 'yes' MANIFEST_CHECKSUMS ${checksums}`;
  }
  return (
    `BASE_BACKUP (LABEL ${quoted}, PROGRESS true, CHECKPOINT 'fast', WAIT false, WAL false, TABLESPACE_MAP false, ` +
    `VERIFY_CHECKSUMS true, MANIFEST 'yes', MANIFEST_CHECKSUMS ${checksums}${isIncremental ? ", INCREMENTAL true" : ""})`
  );
}

interface ReceivedBackup {
  readonly timeline: TimelineId;
  readonly start: Lsn;
  readonly stop: Lsn;
  readonly tablespaces: readonly Tablespace[];
}

/** Reads the answer to BASE_BACKUP. */
class BaseBackupReader {
  readonly #connection: ReplicationConnection;
  readonly #server: ServerDescription;
  readonly #options: BaseBackupOptions;
  readonly #onStart: () => void;
  readonly #files: BackupFiles;
  #doneBytes = 0;
  #toldBytes = 0;
  #totalBytes = 0;

  constructor(source: {
    readonly connection: ReplicationConnection;
    readonly server: ServerDescription;
    readonly files: BackupFiles;
    /** Called when the server has agreed to send the backup. */
    readonly onStart: () => void;
    readonly options: BaseBackupOptions;
  }) {
    this.#connection = source.connection;
    this.#server = source.server;
    this.#options = source.options;
    this.#onStart = source.onStart;
    this.#files = source.files;
  }

  /** @see https://www.postgresql.org/docs/current/protocol-replication.html BASE_BACKUP */
  async read(): Promise<ReceivedBackup> {
    const start = this.#position(await this.#result());
    this.#onStart();
    const archives = (await this.#result()).map(([oid, location = "", kilobytes]) => {
      if (oid !== undefined && !/^\d+$/.test(oid)) throw this.#unexpected(`a tablespace with the OID "${oid}"`);
      this.#totalBytes += Number(kilobytes ?? 0) * 1024;
      return { oid, location };
    });
    if (this.#server.versionNum < 150_000) await this.#readSeparateCopies(archives.map(({ oid }) => oid));
    else await this.#readTypedCopy();
    this.#tellProgress();
    const stop = this.#position(await this.#result());
    while ((await this.#connection.next()).kind !== "ready");
    if (stop.timeline !== start.timeline) throw timelineChanged(start.timeline, stop.timeline);
    const tablespaces = archives.flatMap(({ oid, location }) =>
      // A relative location is a directory in pg_tblspc itself ("in place"), of which nothing is outside.
      oid !== undefined && location.startsWith("/") ? [{ oid, location }] : [],
    );
    return { timeline: start.timeline, start: start.lsn, stop: stop.lsn, tablespaces };
  }

  /** PostgreSQL 14: a copy for each tablespace, the data directory last, then one with the manifest. */
  async #readSeparateCopies(tablespaceOids: readonly (string | undefined)[]): Promise<void> {
    for (const oid of tablespaceOids) {
      this.#files.beginArchive(oid);
      await this.#readCopy(async () => await this.#readFiles());
    }
    this.#files.endArchive();
    const manifest = this.#manifestCheck();
    await this.#readCopy(async () => await this.#readManifest(manifest));
    manifest.finish();
  }

  /** PostgreSQL 15 and later: one copy, whose messages say what they are. */
  async #readTypedCopy(): Promise<void> {
    let manifest: ServerManifestCheck | undefined;
    await this.#readCopy(async (payloadBytes) => {
      const type = String.fromCharCode(await this.#connection.payloadByte());
      if (type === "d" && manifest) await this.#readManifest(manifest);
      else if (type === "d") await this.#readFiles();
      else if (payloadBytes > maxArchiveNameBytes) throw this.#unexpected(`a message of type ${type} in the copy`);
      else {
        const content = await this.#connection.payload(payloadBytes);
        if (type === "n") this.#files.beginArchive(this.#tablespaceOf(content));
        else if (type === "m") manifest = this.#manifestCheck();
        else if (type !== "p") throw this.#unexpected(`a message of type ${type} in the copy`);
      }
    });
    if (!manifest) throw this.#unexpected("a base backup without a manifest");
    manifest.finish();
  }

  /** Waits for a copy to begin, and gives each of its messages to `onMessage`. */
  async #readCopy(onMessage: (payloadBytes: number) => Promise<void>): Promise<void> {
    let event = await this.#connection.next();
    while (event.kind === "complete") event = await this.#connection.next();
    if (event.kind !== "copy-start") throw this.#unexpected(`${event.kind} instead of a copy`);
    for (;;) {
      event = await this.#connection.next();
      if (event.kind === "copy-end") return;
      if (event.kind !== "copy-data") throw this.#unexpected(`${event.kind} in a copy`);
      await onMessage(event.payloadBytes);
    }
  }

  async #readFiles(): Promise<void> {
    for (let piece = await this.#connection.fragment(); piece; piece = await this.#connection.fragment()) {
      await this.#files.read(piece);
      this.#doneBytes += piece.length;
      if (this.#doneBytes - this.#toldBytes >= progressStepBytes) this.#tellProgress();
    }
  }

  async #readManifest(manifest: ServerManifestCheck): Promise<void> {
    for (let piece = await this.#connection.fragment(); piece; piece = await this.#connection.fragment()) {
      manifest.read(piece);
    }
  }

  #manifestCheck(): ServerManifestCheck {
    this.#files.endArchive();
    return new ServerManifestCheck(this.#files.received, this.#server.identity.systemId);
  }

  #tellProgress(): void {
    this.#toldBytes = this.#doneBytes;
    const totalBytes = Math.max(this.#totalBytes, this.#doneBytes);
    this.#options.onProgress?.({ doneBytes: this.#doneBytes, totalBytes });
  }

  /** `16385.tar` holds tablespace 16385, `base.tar` the data directory. */
  #tablespaceOf(content: Buffer): string | undefined {
    const [name = ""] = content.toString("utf8").split("\0");
    const oid = /^(\d+)\.tar$/.exec(name)?.[1];
    if (oid === undefined && name !== "base.tar") throw this.#unexpected(`an archive named "${name}"`);
    return oid;
  }

  async #result(): Promise<readonly Row[]> {
    const rows: Row[] = [];
    for (;;) {
      const event = await this.#connection.next();
      if (event.kind === "complete") return rows;
      if (event.kind !== "row") throw this.#unexpected(`${event.kind} instead of a result`);
      rows.push(event.row);
    }
  }

  #position(rows: readonly Row[]): { readonly lsn: Lsn; readonly timeline: TimelineId } {
    const [lsn, timeline] = rows[0] ?? [];
    if (lsn === undefined || timeline === undefined) throw this.#unexpected("a base backup without its position");
    return { lsn: parseLsn(lsn), timeline: Number(timeline) };
  }

  #unexpected(what: string): BtarError {
    return protocolViolation(this.#connection.address, what);
  }
}

async function factsOf(
  connection: ReplicationConnection,
  server: ServerDescription,
  received: ReceivedBackup,
): Promise<Omit<BaseBackupFacts, "startedAt">> {
  // A Date is in whole milliseconds, rounded down: it must not fall before the end of the backup.
  await delay(2);
  const position = await walPosition(connection);
  const atMicros = await readServerClock(connection, position);
  const later = await walPosition(connection);
  if (later.timeline !== received.timeline) throw timelineChanged(received.timeline, later.timeline);
  const end = later.flushed > received.stop ? later.flushed : received.stop;
  const engineFacts: PostgresBackupFacts = {
    walSegmentBytes: server.walSegmentBytes,
    tablespaces: received.tablespaces,
    dataChecksums: server.hasDataChecksums,
    blockBytes: server.blockBytes,
    serverVersionNum: server.versionNum,
  };
  return {
    identity: server.identity,
    log: {
      stream: formatStreamName({ systemId: server.identity.systemId, timeline: received.timeline }),
      start: lsnToSortable(received.start),
      end: lsnToSortable(end),
    },
    consistentAt: new Date(Number(atMicros / 1000n)),
    engineFacts: { ...engineFacts },
  };
}

function withWarnings(error: unknown, warnings: readonly string[]): unknown {
  if (!isBtarError(error, "SERVER_DATA_CORRUPT") || sqlStateOf(error) === undefined || warnings.length === 0) {
    return error;
  }
  return new BtarError("SERVER_DATA_CORRUPT", {
    message: `${error.message}: ${warnings.join("; ")}`,
    hint: "the server's disk or memory has damaged a page: fork the service from its last good backup",
    details: { ...error.details, warnings },
    cause: error,
  });
}

function timelineChanged(from: TimelineId, to: TimelineId): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `the server went from timeline ${from} to ${to} during the base backup (it was promoted)`,
    hint: "take the base backup again",
  });
}
