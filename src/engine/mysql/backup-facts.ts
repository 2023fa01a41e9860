import type { EncryptionVariable } from "./encryption.ts";

/** Engine's own facts of a MySQL base backup (`BaseBackupFacts.engineFacts`). */
export interface MysqlBackupFacts {
  /** Such as 90704. A restore takes a server of the same series that is not older. */
  readonly serverVersionNum: number;
  /** `innodb_page_size`, `lower_case_table_names` and `innodb_data_file_path`: a restore's must be the same. */
  readonly pageBytes: number;
  readonly lowerCaseTableNames: number;
  readonly dataFilePath: string;
  readonly undoFiles: readonly string[];
  readonly redoFiles: readonly string[];
  /** Those outside of the data directory: directories of the backup that stand for them. */
  readonly externalLocations: readonly ExternalLocation[];
  readonly encryption: EncryptionFacts;
  readonly gtids: GtidBounds;
  /** What the server said of itself when the clone began: `version`, `character_set_server`, … */
  readonly configs: Readonly<Record<string, string>>;
  /** Plugins that were active, besides those that are built in; data may need them. */
  readonly plugins: readonly { readonly name: string; readonly library: string }[];
  readonly clone: CloneFacts;
}

export interface ExternalLocation {
  /** In the backup, such as `#btar-external/0123456789ab`. Tables lie in `SCHEMA/TABLE.ibd` below it. */
  readonly path: string;
  /** On the server, absolute. */
  readonly location: string;
}

/**
 * Files whose keys the server sent unwrapped, for the way: before a server can open them, a restore wraps key and
 * vector (64 bytes at `keyOffset` + 43) and, where `pageBytes` is given, mends the checksum of that first page.
 */
export interface EncryptionFacts {
  readonly files: readonly { readonly path: string; readonly pageBytes: number; readonly keyOffset: number }[];
  /** The first redo file holds the key of the redo log, at 1072. */
  readonly isRedoEncrypted: boolean;
  /** Variables by which the server encrypted what it wrote: a fork does the same. */
  readonly settings?: readonly EncryptionVariable[];
}

/** GTID sets, as the server writes them. Which transactions the files hold exactly, the first start tells. */
export interface GtidBounds {
  /** All of these are in the files. */
  readonly atLeast: string;
  /** No others are. */
  readonly atMost: string;
}

/** How the files were read. */
export interface CloneFacts {
  readonly method: "streaming" | "local-recipient";
  /** Why it was not streamed. */
  readonly reason?: string;
  /** Whether DDL went on meanwhile. */
  readonly isDdlAllowed: boolean;
  readonly streamCount: number;
  /** How often the connections broke. */
  readonly restartCount: number;
}
