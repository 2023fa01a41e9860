import type { BackupLocationState } from "../../catalog/backup-tables.ts";

/** A base backup that is complete in the primary, and what an additional cloud has of it. */
export interface CopyCandidate {
  readonly startedAt: Date;
  /** Undefined: nothing was asked for yet. */
  readonly state: BackupLocationState | undefined;
  /** When the last copy job for it ended. */
  readonly lastEndedAt: Date | undefined;
}

const hourMs = 3_600_000;

/** A copy that failed for good, as of a damaged object, is tried anew after this time: it may have been mended. */
const pauseAfterFailureMs = hourMs;

/** 2020-01-01: seconds since then fit the queue's 32-bit priorities until 2088. */
const priorityEpochMs = Date.UTC(2020, 0, 1);

/** Whether a copy is to be asked for; none is under way. */
export function isCopyDue({ state, lastEndedAt }: CopyCandidate, now: Date): boolean {
  if (state === "complete" || state === "deleting") return false;
  if (state !== "failed" || !lastEndedAt) return true;
  return now.getTime() - lastEndedAt.getTime() >= pauseAfterFailureMs;
}

/** E5: the newest base backup goes first, so that the first restorable copy exists soonest. */
export function copyPriority(startedAt: Date): number {
  return Math.max(0, Math.floor((startedAt.getTime() - priorityEpochMs) / 1000));
}
