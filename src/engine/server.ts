/**
 * Running a database server on this host: what managed services and forks need of an engine.
 * A server lives in one directory of its own, laid out by the engine, with everything of it below.
 */
import type { GtidBounds } from "../domain/backup-for-gtid.ts";
import type { BaseBackupFacts, LogPieceRef, RecoveryPlan, RecoveryTarget, ServerAddress } from "./engine.ts";

/** Server programs found on this host. */
export interface ServerInstallation {
  /** `18` */
  readonly majorVersion: string;
  /** `18.4` */
  readonly version: string;
  readonly basedir: string;
  /** Where it was found, for people: `npm package`, `configuration`. */
  readonly origin: string;
}

/** Names and secrets of the accounts of a managed server. */
export interface ServerAccounts {
  /** The customer's administrator. */
  readonly admin: { readonly name: string; readonly password: string };
  /** btar's own superuser, for backups and administration; only reachable from this host. */
  readonly internal: { readonly name: string; readonly password: string };
}

/** Everything that decides how a managed server runs. */
export interface ServerSpec {
  readonly serviceName: string;
  readonly majorVersion: string;
  /** Address to listen on, such as `127.0.0.1`. */
  readonly listenHost: string;
  readonly port: number;
  /** From the plan. */
  readonly memoryMb: number;
  readonly accounts: ServerAccounts;
  /** The service's checked `user_config`, whole; the engine takes what is its own (`pg.*`, `ip_filter`, …). */
  readonly userConfig: Readonly<Record<string, unknown>>;
  /** PEM; the server presents it. */
  readonly tls: { readonly certificate: string; readonly privateKey: string };
}

export type ServerStatus =
  | { readonly state: "running"; readonly pid: number }
  | { readonly state: "stopped" }
  /** No initialized server in the directory. */
  | { readonly state: "absent" };

export interface RecoveryProgress {
  /** Log replayed up to here, in the engine's own notation for people. */
  readonly position: string;
  /** Where it will end, in the same notation. */
  readonly end: string;
  /** 0 to 1, as far as it can be told. */
  readonly fraction: number;
  /** How many are done of how many, for people, where they are known. */
  readonly transactions?: string | undefined;
}

/** Writes log into a restored server directory, ready for replay. */
export interface LogRestorer {
  /** Small text that belongs to a stream (PostgreSQL: timeline history). */
  history(stream: string, content: Uint8Array): Promise<void>;
  /** Bytes of `stream` from position `start` on; any order, may overlap what is there already. */
  write(stream: string, start: string, bytes: Uint8Array): Promise<void>;
  /** Makes it whole and durable. Nothing from `plan.stopBefore` on will be replayed. */
  finish(): Promise<void>;
}

/**
 * Hands the pieces of a plan to `restorer`, histories first, then pieces in the plan's order. It is cut off by `signal`
 * when the server has what it needs.
 */
export type FeedLog = (restorer: LogRestorer, signal: AbortSignal) => Promise<void>;

/** Where the tablespaces of a restore go. */
export interface TablespaceChoice {
  /** Original location to new one. */
  readonly mapping: ReadonlyMap<string, string>;
  /** Directory that all others go below; undefined: below the files' own directory. */
  readonly directory?: string | undefined;
}

export interface RecoveryResult {
  /** Where replay ended, the engine's notation for people. */
  readonly stoppedAt: string;
  /** Commit time of the last transaction that was replayed, as the server says; undefined if none was. */
  readonly lastCommitAt: Date | undefined;
  /** Its GTID (MySQL); undefined where it has none, or none was replayed. */
  readonly lastGtid?: string | undefined;
}

export interface ServerDriver {
  /** Server programs on this host, newest first. */
  installations(): Promise<readonly ServerInstallation[]>;
  /** Creates an empty server in `directory` (which must not hold one), configured by `spec`; not started. */
  initialize(directory: string, spec: ServerSpec, options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * Writes the configuration of `spec` and makes a running server take it.
   * @returns whether some of it only comes into force with a restart
   */
  configure(directory: string, spec: ServerSpec): Promise<{ readonly needsRestart: boolean }>;
  status(directory: string): Promise<ServerStatus>;
  /**
   * Starts the server and waits until it answers. A running one is left as it is (adopted). The server outlives
   * this process.
   */
  start(directory: string, spec: ServerSpec, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Ends all sessions and stops, after a checkpoint. Nothing happens when it is not running. */
  stop(directory: string): Promise<void>;
  /** Address for the internal account, for use on this host. */
  internalAddress(directory: string, spec: ServerSpec): ServerAddress;
  /**
   * What the server's own log says from `offset` on, at most the last MiB of it.
   * @param offset bytes; 0 for its start
   * @returns whole lines, oldest first, and the offset to go on from
   */
  newLog(
    directory: string,
    offset: number,
  ): Promise<{ readonly lines: readonly ServerLogLine[]; readonly offset: number }>;
  /** The last lines of the server's own log, oldest first. */
  recentLog(directory: string, options: { readonly maxLines: number }): Promise<readonly ServerLogLine[]>;

  // accounts and databases, by SQL through the internal account; each can be repeated
  listAccounts(
    address: ServerAddress,
  ): Promise<{ readonly users: readonly string[]; readonly databases: readonly string[] }>;
  putUser(
    address: ServerAddress,
    user: { readonly name: string; readonly password: string; readonly isAdmin: boolean },
  ): Promise<void>;
  dropUser(address: ServerAddress, name: string): Promise<void>;
  createDatabase(address: ServerAddress, database: { readonly name: string; readonly owner: string }): Promise<void>;
  dropDatabase(address: ServerAddress, name: string): Promise<void>;

  // recovery
  /** Whether a server that recovers makes the files durable that it was given, so that whoever restores them need not. */
  readonly syncsRestoredFiles: boolean;
  /** Directory below `directory` that the files of a base backup are restored into. */
  filesDirectory(directory: string): string;
  /** Position of the first log that a recovery of a base backup reads, in its stream and those that follow it. */
  firstLogPosition(facts: BaseBackupFacts): string;
  /** Which transactions the files of a base backup hold, where they have GTIDs (MySQL). */
  gtidBounds(facts: BaseBackupFacts): GtidBounds | undefined;
  /**
   * Chooses the log that a recovery needs, and where it ends. Pure but for reading pieces.
   * @param pieces all stored pieces that end after `firstLogPosition`, of the backup's stream and those that follow it,
   *   in order of their names; pieces within others may be left out
   * @param history timeline histories by stream name, where stored
   * @throws {BtarError} RECOVERY_TARGET_UNREACHABLE, LOG_GAP
   */
  planRecovery(request: {
    readonly facts: BaseBackupFacts;
    readonly target: RecoveryTarget;
    readonly pieces: readonly LogPieceRef[];
    readonly history: ReadonlyMap<string, Uint8Array>;
    readonly readPiece: (piece: LogPieceRef) => Promise<Uint8Array>;
  }): Promise<RecoveryPlan>;
  /**
   * Directories of a base backup that are not to lie in the files' directory at the same path.
   * @returns path in the backup to absolute path
   * @throws {BtarError} INVALID_INPUT when the choice does not fit the backup
   */
  tablespacePlaces(
    filesDirectory: string,
    facts: BaseBackupFacts,
    choice: TablespaceChoice,
  ): ReadonlyMap<string, string>;
  /**
   * Finds out whether the files of a base backup may be restored over those of a directory.
   * @param options.isUnfinished a restore into it was broken off
   * @throws {BtarError} TARGET_DIRECTORY_NOT_EMPTY, WRONG_STATE
   */
  checkRestoreOver(
    filesDirectory: string,
    facts: BaseBackupFacts,
    options: { readonly isUnfinished: boolean },
  ): Promise<void>;
  /**
   * Finds out whether servers of a version that run on this host can recover a base backup; before its files are restored.
   * @throws {BtarError} INVALID_INPUT (the version), SERVER_BINARIES_MISSING
   */
  checkRecoverable(facts: BaseBackupFacts, majorVersion: string): Promise<void>;
  /** Paths of files without which no server starts; a restore writes them last. */
  readonly completedBy: readonly string[];
  logRestorer(filesDirectory: string, facts: BaseBackupFacts, plan: RecoveryPlan): LogRestorer;
  /**
   * Turns restored files into a server directory that recovers by itself when started: recovery settings, links,
   * no leftovers of the source. Used alone for "only the files"; `recover` calls for it too.
   * @param tablespaces as they were restored, or are to be moved now
   */
  prepareRecovery(
    filesDirectory: string,
    request: {
      readonly facts: BaseBackupFacts;
      readonly plan: RecoveryPlan;
      readonly tablespaces: TablespaceChoice;
    },
  ): Promise<void>;
  /**
   * Starts a prepared directory under `spec`, waits until all is replayed and the server accepts writes on its own
   * history, and resets the accounts to `spec.accounts`.
   * @param request.feedLog fetches the log while the server replays it; without it, `logRestorer` has written the log
   */
  recover(
    directory: string,
    spec: ServerSpec,
    request: {
      readonly facts: BaseBackupFacts;
      readonly plan: RecoveryPlan;
      readonly feedLog?: FeedLog;
      readonly signal: AbortSignal;
      readonly onProgress?: (progress: RecoveryProgress) => void;
    },
  ): Promise<RecoveryResult>;
}

export interface ServerLogLine {
  readonly at: Date | undefined;
  readonly message: string;
}
