/** A complete base backup at a location, as far as retention is concerned. */
export interface RetainedBackup {
  readonly id: string;
  /** From here on its times can be restored. */
  readonly consistentAt: Date;
  /** With its log it can be restored; one that cannot stands in for no other. */
  readonly isRestorable: boolean;
  /** Somebody has asked that it stays. */
  readonly isKept: boolean;
  /** Open work needs it: a restore, a fork, a copy that has begun. */
  readonly isPinned: boolean;
}

/**
 * Why a backup stays, or that it goes. `window`: a time within the retention is restored from it; `last`: it is the
 * newest that can be restored.
 */
export type RetentionReason = "window" | "last" | "kept" | "pinned" | "expired";

export interface RetentionDecision {
  readonly id: string;
  readonly reason: RetentionReason;
  /** From here on nothing within the retention is restored from it; undefined: not before a newer one is complete. */
  readonly expiresAt: Date | undefined;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;

/**
 * Decides which base backups of a location go (M3). Any time within the retention is restored from the newest backup
 * that was consistent by then; so a backup is needed until the next one is as old as the retention. The newest one
 * that can be restored is always needed.
 * @param backups complete at the location, in any order
 * @returns oldest first
 */
export function decideRetention(
  backups: readonly RetainedBackup[],
  options: { readonly retentionDays: number; readonly now: Date },
): readonly RetentionDecision[] {
  const oldestFirst = [...backups].sort(
    (a, b) => a.consistentAt.getTime() - b.consistentAt.getTime() || (a.id < b.id ? -1 : 1),
  );
  return oldestFirst.map((backup, index) => {
    const successor = oldestFirst.slice(index + 1).find(({ isRestorable }) => isRestorable);
    const expiresAt = successor && new Date(successor.consistentAt.getTime() + options.retentionDays * dayMs);
    return { id: backup.id, expiresAt, reason: reasonOf(backup, expiresAt, options.now) };
  });
}

function reasonOf(backup: RetainedBackup, expiresAt: Date | undefined, now: Date): RetentionReason {
  if (!expiresAt) return "last";
  if (expiresAt > now) return "window";
  if (backup.isPinned) return "pinned";
  return backup.isKept ? "kept" : "expired";
}

/**
 * Days that backups of a service are kept: what the location has of its own, else the service's setting, else what its
 * plan gives, else the configuration.
 */
export function retentionDaysOf(choice: {
  readonly ofLocation: number | null;
  readonly userConfig: Readonly<Record<string, unknown>>;
  readonly ofPlan: number | undefined;
  readonly otherwise: number;
}): number {
  const ofService = choice.userConfig["backup_retention_days"];
  return choice.ofLocation ?? (typeof ofService === "number" ? ofService : (choice.ofPlan ?? choice.otherwise));
}

/** Retention's own clock runs this many times as fast as time at most; so it makes up for a week off in 7 hours. */
const fastest = 24;
/** More than this behind the wall clock, people are told. */
const toldLagMs = 2 * hourMs;

/**
 * Moves the clock that retention goes by. It follows the wall clock; but when that jumps far ahead, it follows slowly,
 * so that there are days to notice before anything is removed by it. It goes back at once, which only keeps more.
 * @param clock.previous where it stood; undefined: it never ran
 * @param clock.elapsedMs that really passed since then, by a clock that nobody sets
 */
export function advanceRetentionClock(clock: {
  readonly previous: Date | undefined;
  readonly now: Date;
  readonly elapsedMs: number;
}): { readonly at: Date; readonly isHeldBack: boolean } {
  const { previous, now, elapsedMs } = clock;
  if (!previous || now <= previous) return { at: now, isHeldBack: false };
  const at = new Date(Math.min(now.getTime(), previous.getTime() + fastest * elapsedMs));
  return { at, isHeldBack: now.getTime() - at.getTime() > toldLagMs };
}
