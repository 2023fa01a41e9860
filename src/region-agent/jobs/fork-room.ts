import { BtarError, describeError, isBtarError } from "../../domain/errors.ts";
import { formatBytes } from "../../domain/format-bytes.ts";
import { freeBytes } from "../../platform/files.ts";
import type { RecoverySource } from "../recovery-source.ts";

/** Room that a fork needs beyond files and log: WAL of its own, temporary files. */
const spareBytes = 256 * 1024 * 1024;
/** Stored log unpacks to about this many times its size, at most. */
const logExpansion = 20;
/** Servers give up while there is some room left: they ask for a few megabytes at once. */
const fullBytes = 16 * 1024 * 1024;

/**
 * @param directory that servers of the host are in
 * @throws {BtarError} NOT_ENOUGH_ROOM
 */
export async function checkRoom(directory: string, source: RecoverySource): Promise<void> {
  const needed = source.manifest.dataBytes + source.logBytes * logExpansion + spareBytes;
  const free = await freeBytes(directory);
  if (free >= needed) return;
  throw new BtarError("NOT_ENOUGH_ROOM", {
    message: `the fork needs about ${formatBytes(needed)} in ${directory}, ${formatBytes(free)} are free`,
    hint: `make room for ${formatBytes(needed - free)} there; it is tried again by itself`,
  });
}

/**
 * What a fork failed of. Where the disk has run full, servers tell that in many ways, and some only that they end.
 * To be asked before what there is of the fork is removed.
 */
export async function whyForkFailed(directory: string, error: unknown): Promise<unknown> {
  if (isBtarError(error, "CANCELLED", "NOT_ENOUGH_ROOM")) return error;
  const reason = error instanceof BtarError ? error.message : describeError(error);
  // A disk that does not answer is not full: what failed tells more of it.
  const free = await freeBytes(directory).catch(() => Number.POSITIVE_INFINITY);
  if (free > fullBytes && !/ENOSPC|EDQUOT|No space left on device/i.test(reason)) return error;
  return new BtarError("NOT_ENOUGH_ROOM", {
    message: `the disk of ${directory} ran full while the fork was made: ${reason}`,
    hint: "make room there; it is tried again by itself",
    cause: error,
  });
}
