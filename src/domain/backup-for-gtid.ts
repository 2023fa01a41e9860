import type { Gtid } from "./gtid.ts";
import type { GtidSet } from "./gtid-set.ts";

/** Which transactions the files of a base backup hold: all of `atLeast`, and no others than those of `atMost`. */
export interface GtidBounds {
  readonly atLeast: GtidSet;
  readonly atMost: GtidSet;
}

/** A base backup, and what it is known to hold. */
export interface GtidBackup {
  readonly backupId: string;
  readonly gtids: GtidBounds | undefined;
}

/**
 * The base backup to start from for a recovery that ends at a transaction: the newest one without it, of a history that
 * knows its server. When all have it, it may be the last one that the oldest holds; the log tells.
 * @param backups newest first
 * @returns undefined when even the oldest holds later ones
 */
export function backupForGtid(backups: readonly GtidBackup[], gtid: Gtid): GtidBackup | undefined {
  const without = backups.filter(({ gtids }) => !gtids?.atMost.has(gtid));
  const chosen = without.find(({ gtids }) => gtids?.atMost.knows(gtid)) ?? without[0];
  if (chosen) return chosen;
  const oldest = backups.at(-1);
  return oldest?.gtids?.atLeast.hasLaterThan(gtid) ? undefined : oldest;
}
