import { BtarError } from "../domain/errors.ts";
import type { PackRef } from "./file-map.ts";

/** A regular file in a base backup's manifest. */
export interface StoredFile {
  readonly path: string;
  readonly mode: number;
  readonly modifiedAtMs: number;
  readonly sizeBytes: number;
  /** Which group of file maps describes it, and which one of the group. */
  readonly group: number;
  readonly indexInGroup: number;
}

export interface StoredDirectory {
  readonly path: string;
  readonly mode: number;
}

/** Where a group of file maps is stored: a blob in pack `pack` of the manifest. */
export interface StoredGroup {
  readonly pack: number;
  readonly offset: number;
  readonly sealedBytes: number;
  readonly plainBytes: number;
  readonly sequence: number;
}

/** A pack that a base backup needs. */
export interface NeededPack extends PackRef {
  readonly sizeBytes: number;
  /** How much of it this backup refers to, bytes; the rest is of other backups, or of none. */
  readonly liveBytes: number;
}

/** Everything that a manifest says of a backup's files. */
export interface StoredFiles {
  readonly directories: readonly StoredDirectory[];
  readonly files: readonly StoredFile[];
  readonly groups: readonly StoredGroup[];
  readonly packs: readonly NeededPack[];
}

/**
 * Checks a path of a base backup: relative, `/`-separated, and unable to leave the directory it is restored into.
 * @throws {BtarError} UNSAFE_PATH
 */
export function checkRelativePath(path: string): void {
  const parts = path.split("/");
  if (path === "" || path.includes("\0") || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new BtarError("UNSAFE_PATH", {
      message: `the path ${JSON.stringify(path)} could leave the directory that it belongs in`,
      hint: "the backup was altered, or its server is not to be trusted; nothing was written",
    });
  }
}
