/**
 * What of an engine is needed to tell people of log that a fork does not hold: which transactions it has, and the log as
 * files that the engine's own tools read.
 */
import type { BaseBackupFacts, RecoveryPlan, ServerAddress, StoredLog } from "./engine.ts";
import type { RecoveryResult } from "./server.ts";

/** A place in a server's history. */
export interface LogPlace {
  readonly stream: string;
  readonly position: string;
}

/** A part of one stream that is to be read. */
export interface LogLeg {
  readonly stream: string;
  /** Reading begins here, before `start`, as far as what follows is only understood with it. */
  readonly from: string;
  /** From here on it counts. */
  readonly start: string;
  /** Where the server left the stream; undefined: as far as it goes. */
  readonly until: string | undefined;
}

/** The way that a server took from a place on. */
export interface LogRoute {
  readonly legs: readonly LogLeg[];
  /** The server has left its history before that place: what lies between is in the fork alone. */
  readonly leftAt: LogPlace | undefined;
}

/** Log, from the store or the server; parts of one stream come in order, and may overlap. */
export interface LogBytes {
  readonly start: string;
  /** As of pieces: where the next part begins. */
  readonly end: string;
  readonly bytes: Uint8Array;
  readonly from: "store" | "server";
}

/** What a transaction did to a table. */
export interface TableChanges {
  /** MySQL: `schema.table`. PostgreSQL: `TABLESPACE/DATABASE/FILE`, in numbers; see `tableNames`. */
  readonly table: string;
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
  /** Its file was made (PostgreSQL: the table is new, or was truncated or rewritten). */
  readonly isMade: boolean;
  /** Its file went (PostgreSQL: the table was dropped, truncated or rewritten). */
  readonly isDropped: boolean;
}

/** A transaction that was committed. */
export interface LoggedTransaction {
  /** PostgreSQL: its number. MySQL: its GTID, or where it begins. */
  readonly id: string;
  /** Where it was committed. */
  readonly place: LogPlace;
  readonly committedAtMicros: bigint;
  readonly from: LogBytes["from"];
  readonly tables: readonly TableChanges[];
  /** Tables beyond those that are told. */
  readonly moreTables: number;
  /** Beginnings of statements that are logged as such (MySQL: changes of definitions). */
  readonly statements: readonly string[];
  /** Some of its changes may not be counted: they lie before what was read, or in a hole. */
  readonly isPartial: boolean;
}

/** Log that is missing, or that cannot be understood. */
export interface LogHole {
  readonly stream: string;
  readonly start: string;
  readonly end: string;
  readonly what: string;
}

/** What was read of the log that counts. */
export interface LogReadingResult {
  /** Where it ends; undefined: there was none. */
  readonly end: LogPlace | undefined;
  readonly storedBytes: number;
  readonly serverBytes: number;
  readonly holes: readonly LogHole[];
  /** Names of the files that were written, in order. */
  readonly files: readonly string[];
}

/** Reads log in order. Errors come of files that cannot be written; what cannot be understood is a hole. */
export interface LogReader extends AsyncDisposable {
  /**
   * The following bytes are of this part of the log.
   * @param history small text that belongs to the stream, where there is one
   */
  begin(leg: LogLeg, history: Uint8Array | undefined): Promise<void>;
  feed(part: LogBytes): Promise<void>;
  finish(): Promise<LogReadingResult>;
}

export interface LogReaderOptions {
  /** Of any base backup of the server. */
  readonly facts: BaseBackupFacts;
  readonly onTransaction: (transaction: LoggedTransaction) => void;
  /** Directory that the log is written to, as files; it exists, and is empty. Undefined: it is only read. */
  readonly directory: string | undefined;
  /** Stored log from a place on, as much as one piece holds; undefined when it is not stored. */
  readonly readAt: (place: LogPlace) => Promise<Uint8Array | undefined>;
}

/** What a table is called. */
export interface TableName {
  readonly name: string;
  /** `catalog`: of the server itself. `part`: of a table, whose name it has, such as PostgreSQL's TOAST. */
  readonly kind: "table" | "catalog" | "part";
  /** `statistics`: what the server counts for its own plans. `accounts`: users, roles and their rights. */
  readonly holds: "data" | "statistics" | "accounts";
}

/** What a transaction is about. btar changes accounts itself when it applies settings of a service. */
export type TransactionSubject = "data" | "accounts" | "nothing";

/** Finds what tables are called, by the names that logged changes give them. */
export interface TableNames extends AsyncDisposable {
  /** Of those that are not in the answer it knows no better name. */
  find(tables: readonly string[]): Promise<ReadonlyMap<string, TableName>>;
  /** Why some are not known; undefined when nothing went wrong. */
  readonly trouble: string | undefined;
}

/** A recovery that has ended. */
export interface EndedRecovery extends Pick<RecoveryResult, "stoppedAt"> {
  readonly facts: BaseBackupFacts;
  readonly plan: RecoveryPlan;
}

/** What a server sends of its log, in order. */
export type UnstoredLog =
  | { readonly kind: "stream"; readonly stream: string; readonly history: Buffer | undefined }
  /** `bytes` are valid until the next one is asked for. */
  | ({ readonly kind: "bytes" } & LogBytes);

export interface LogReadingDriver {
  /** A position for people: as the engine's own tools tell it. */
  formatPosition(position: string): string;
  /** Where in the source's log a recovery has ended: its result holds what lies before, and nothing else. */
  placeOfStop(recovery: EndedRecovery): LogPlace;
  /**
   * Finds the way of a server from where a fork left it.
   * @param request.streams of the server, with where the stored log of each begins
   * @param request.history timeline histories by stream name, where stored
   */
  route(request: {
    readonly stop: LogPlace;
    readonly facts: BaseBackupFacts;
    readonly streams: readonly { readonly stream: string; readonly start: string }[];
    readonly history: ReadonlyMap<string, Uint8Array>;
  }): LogRoute;
  reader(options: LogReaderOptions): LogReader;
  /** @param names of the tables that it changed, where known */
  subjectOf(transaction: LoggedTransaction, names: ReadonlyMap<string, TableName>): TransactionSubject;
  /** @param address of the server; undefined: it cannot be asked */
  tableNames(address: ServerAddress | undefined, options: { readonly signal: AbortSignal }): TableNames;
  /**
   * Reads what a server has of its log beyond what is stored, up to where it is now. It changes nothing there.
   * @throws {BtarError} LOG_GAP, SYSTEM_IDENTIFIER_CHANGED when it does not go on from there, and those of connections
   */
  readUnstored(
    address: ServerAddress,
    options: { readonly from: StoredLog; readonly signal: AbortSignal },
  ): AsyncIterable<UnstoredLog>;
}
