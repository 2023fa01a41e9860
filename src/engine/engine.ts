/**
 * What an engine is to the rest of btar: a reader of a running database and a rebuilder of one. It yields and
 * accepts bytes; it never sees a store, a repository or the catalog.
 *
 * Positions are fixed-width texts of the engine's own, so that text order is log order within a stream.
 * A stream is one unbroken history of a server's log (PostgreSQL: system identifier and timeline). Its name
 * matches `[A-Za-z0-9._-]+`.
 */
import type { Gtid } from "../domain/gtid.ts";

/** A regular file of a base backup. */
export interface FileEntry {
  /** Relative to the data directory, `/`-separated; already checked: no `..`, no empty or absolute part. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Permission bits, such as 0o600. */
  readonly mode: number;
  readonly modifiedAt: Date;
}

/**
 * Takes the files of a base backup. The calls are synchronous, so that bytes are copied once and at once; before
 * each `write`, a writer awaits `drained()` unless it is undefined.
 */
export interface FileSink {
  directory(path: string, mode: number): void;
  beginFile(entry: FileEntry): void;
  /** `bytes` may be reused by the caller after the call. */
  write(bytes: Uint8Array): void;
  /** The file is complete: exactly `sizeBytes` were written. */
  endFile(): void;
  /** A promise when no more may be written yet (back-pressure); it rejects when the sink has failed. */
  drained(): Promise<void> | undefined;
}

/** Files that come in parts are written by extents of this many bytes. */
export const fileExtentBytes = 1024 * 1024;

/** Bytes of an extent, from `offset` in it on. */
export interface ExtentPart {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** A file whose parts come in any order, and again: later ones lie over earlier ones. */
export interface ScatteredFile {
  /**
   * Writes parts of extent number `index`; what is never written is zeros. It is slow to write to an extent in many
   * calls. The bytes may be reused once the promise is fulfilled, which is the back-pressure, too.
   */
  write(index: number, parts: readonly ExtentPart[]): Promise<void>;
  /** Gives the file its name and size. A file that is never finished is none of the backup. */
  finish(entry: FileEntry): Promise<void>;
}

/** Takes files that come in parts, many at a time, and that get their names at the end. */
export interface ScatteredFileSink {
  directory(path: string, mode: number): void;
  /** @param path what it is called for now: an earlier backup's file of that name is what it is compared with */
  openFile(path: string): ScatteredFile;
  /** Everything that was written until now is stored afterwards. */
  settle(): Promise<void>;
}

/** Takes a base backup, whichever way its files come: one after the other, or in parts. */
export type BaseBackupSink = FileSink & ScatteredFileSink;

/** Takes the files of which a server sends only what changed since an earlier base backup; all else is as it was. */
export interface ChangedFileSink {
  /** `entry.sizeBytes`: the whole file's, as it is now. */
  beginChangedFile(entry: FileEntry): Promise<void>;
  /**
   * @param pages numbers of pages of 8 KiB in the file, ascending, also from call to call
   * @param content these pages, one after the other; it may be reused by the caller after the call
   */
  changedPages(pages: readonly number[], content: Buffer): Promise<void>;
  endChangedFile(): Promise<void>;
}

/** An earlier base backup, whose files the receiver of a new one has. */
export interface EarlierBackup {
  readonly log: BaseBackupFacts["log"];
  readonly engineFacts: BaseBackupFacts["engineFacts"];
  /** Paths of its files. */
  readonly files: Iterable<string>;
  readonly sink: ChangedFileSink;
}

/** How a base backup was read. */
export type BackupReading =
  /** The server sent what changed since the earlier backup. */
  | { readonly kind: "changes" }
  /** It sent everything; `reason` says why, when there was an earlier backup to build on. */
  | {
      readonly kind: "everything";
      readonly reason: string | undefined;
      /** What read it, when that was not btar itself, and why. */
      readonly by?: string;
    };

/** How btar reaches a database server. */
export interface ServerAddress {
  /** A DNS name, an IP address, or the absolute path of a socket file (then `port` is of no account). */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string | undefined;
  /** Database to connect to for SQL. */
  readonly database: string;
  readonly tls: TlsChoice;
  /** Where the server takes us when it has no connection left for anybody (MySQL). */
  readonly whenFull?: Pick<ServerAddress, "host" | "port" | "tls"> | undefined;
}

/** `disable`: none. `require`: encrypted, certificate not checked. `verify-ca`, `verify-full`: checked. */
export interface TlsChoice {
  readonly mode: "disable" | "require" | "verify-ca" | "verify-full";
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined;
}

/** One thing that an attached server lacks. */
export interface PreflightFinding {
  /** Stable word: `wal_level`, `privilege`, `senders`, `slots`, `version`, `tls`, `reachability`, … */
  readonly check: string;
  readonly severity: "error" | "warning";
  /** What is and what should be, with values. */
  readonly message: string;
  /** The exact statement or line that mends it. */
  readonly fix: string;
}

/** Who a server is, as it says itself. */
export interface ServerIdentity {
  /** Number of the running server, such as `18.4`. */
  readonly version: string;
  /** `18`. */
  readonly majorVersion: string;
  /**
   * PostgreSQL: the system identifier, a decimal number as text. MySQL: the `server_uuid`. Changes when the database was
   * replaced.
   */
  readonly systemId: string;
}

/** What a finished base backup is, besides its files. Stored in its manifest. */
export interface BaseBackupFacts {
  readonly identity: ServerIdentity;
  /** Log that makes the files consistent: from `start` (inclusive) to `end`, of `stream`. */
  readonly log: { readonly stream: string; readonly start: string; readonly end: string };
  readonly startedAt: Date;
  /** The instant, by the server's clock, that a restore of this backup alone reaches at the least. */
  readonly consistentAt: Date;
  /** Engine's own facts that a restore needs, JSON. PostgreSQL: WAL segment size, tablespaces, page checksums. */
  readonly engineFacts: Readonly<Record<string, unknown>>;
}

export interface BaseBackupProgress {
  /** What goes on, where that is not the reading of files; bytes are counted anew then. */
  readonly phase?: string;
  readonly doneBytes: number;
  /** The server's estimate; it may change. */
  readonly totalBytes: number;
}

export interface BaseBackupOptions {
  readonly label: string;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: BaseBackupProgress) => void;
  /** What the new backup may build on. Whether it does is up to the server; it is told by `onReading`. */
  readonly since?: EarlierBackup | undefined;
  /** Log of the server that is stored: the backup tells its own log as part of it, where that is its continuation (MySQL). */
  readonly storedLog?: StoredLog | undefined;
  /** Called once, before the first file comes. */
  readonly onReading?: (reading: BackupReading) => void;
}

/** What comes out of a running log stream, in order. */
export type LogEvent =
  /** The stream that the following bytes belong to, at the start and whenever the server changed it. */
  | {
      readonly kind: "stream";
      readonly stream: string;
      readonly start: string;
      /** Small text that a restore into this stream needs (PostgreSQL: the timeline history file). */
      readonly history?: Buffer | undefined;
    }
  /**
   * Log bytes: they follow on the last ones without a gap. `bytes` are valid until the next event is asked for. From
   * `start` to `end` there are as many positions as bytes, but for an engine whose log lies in files (MySQL): the last
   * bytes of a file, which may be none, end where the next file begins. No bytes of two files come together.
   */
  | {
      readonly kind: "bytes";
      readonly start: string;
      readonly end: string;
      readonly bytes: Buffer;
      /** Newest commit time in these bytes, microseconds since 1970; undefined if no commit ends in them. */
      readonly newestCommitMicros: bigint | undefined;
    }
  /** All that was committed by `at` (the server's clock) lies before `position`, and has been delivered. */
  | { readonly kind: "caught-up"; readonly position: string; readonly at: Date }
  /** The server waits until what it has sent is acknowledged, to shut down: store it now. */
  | { readonly kind: "flush-wanted" };

/** A running log stream. Iterate it; leaving the loop ends it. Errors come out of the iteration. */
export interface LogStream extends AsyncIterable<LogEvent> {
  /** Tells the server that all before `position` is durable, so that it may drop it. */
  acknowledge(position: string): void;
  close(): Promise<void>;
}

/** Log that is stored without a gap, up to `position`. */
export interface StoredLog {
  readonly stream: string;
  readonly position: string;
  /**
   * Stored log from a position on, as much as one piece holds; undefined when it is not stored. With it, an engine
   * makes sure that a server goes on with what is stored (MySQL); without, it is not looked at.
   */
  readonly read?: ((position: string) => Promise<Uint8Array | undefined>) | undefined;
}

export interface LogStreamOptions {
  /** Name of the server-side reservation (replication slot); made if missing. */
  readonly reservation: string;
  /**
   * Where the stored log ends. Undefined for a first start: the reservation's own start is taken.
   * LOG_GAP is thrown when the server no longer has what follows, SYSTEM_IDENTIFIER_CHANGED when it is another
   * database.
   */
  readonly from: StoredLog | undefined;
  /**
   * The server is btar's own, and leaves it to btar to remove log that is stored and that its settings do not keep any
   * longer (MySQL). Default: false.
   */
  readonly removesStored?: boolean | undefined;
  readonly signal: AbortSignal;
}

/**
 * How much log the server keeps back for us. MySQL has no reservations: its logs stay for a time, or until they are
 * removed, whoever reads them. One always exists then, and keeps back what a server of btar's own has that is not
 * stored.
 */
export interface ReservationState {
  readonly exists: boolean;
  /** Bytes of log that the server must keep because of the reservation. */
  readonly retainedBytes: number;
  /** The server gave up on it and may have dropped log. */
  readonly isLost: boolean;
}

/** The reading side: what backups need of a running server, managed or attached. */
export interface SourceDriver {
  /** Ends and removes what base backups of a process that was killed have left on this host. Before any is taken. */
  removeLeftovers(): Promise<void>;
  identify(address: ServerAddress, options: { readonly signal: AbortSignal }): Promise<ServerIdentity>;
  /** Everything that is missing for backups; empty when all is well. Changes nothing on the server. */
  preflight(address: ServerAddress, options: { readonly signal: AbortSignal }): Promise<readonly PreflightFinding[]>;
  takeBaseBackup(address: ServerAddress, sink: BaseBackupSink, options: BaseBackupOptions): Promise<BaseBackupFacts>;
  streamLog(address: ServerAddress, options: LogStreamOptions): Promise<LogStream>;
  /** @param options.stored where the stored log ends */
  reservation(
    address: ServerAddress,
    options: {
      readonly reservation: string;
      readonly stored?: Pick<StoredLog, "position"> | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<ReservationState>;
  /** Makes sure that the server keeps log from now on, before anything is read. Repeatable. */
  ensureReservation(
    address: ServerAddress,
    options: { readonly reservation: string; readonly signal: AbortSignal },
  ): Promise<void>;
  dropReservation(
    address: ServerAddress,
    options: { readonly reservation: string; readonly signal: AbortSignal },
  ): Promise<void>;
}

/** One stored piece of a stream, as far as choosing needs it. */
export interface LogPieceRef {
  readonly stream: string;
  readonly start: string;
  readonly end: string;
  /** Newest commit time in it, microseconds since 1970; undefined if it holds no commit. */
  readonly newestCommitMicros: bigint | undefined;
}

export type RecoveryTarget =
  | { readonly kind: "latest" }
  | { readonly kind: "time"; readonly atMicros: bigint }
  /** Everything in log order up to this transaction, and nothing behind it (MySQL). */
  | { readonly kind: "gtid"; readonly gtid: Gtid }
  /** Consistent, and nothing later than the base backup's own end. */
  | { readonly kind: "backup-end" };

/** Which log a recovery needs and where it ends. */
export interface RecoveryPlan {
  /** In order; of one stream, or of several where the server was promoted in between. */
  readonly pieces: readonly LogPieceRef[];
  /** Log from here on is not replayed; undefined: all of `pieces` is. */
  readonly stopBefore: { readonly stream: string; readonly position: string } | undefined;
  /** Commit time of the last transaction that the result holds, as far as the log tells. */
  readonly lastCommitMicros: bigint | undefined;
}
