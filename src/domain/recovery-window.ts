/** Moments that a location can restore: any time from `earliestAt` to `latestAt`. */
export interface RecoveryWindow {
  readonly earliestAt: Date;
  readonly latestAt: Date;
  /** The base backup that reaches them. */
  readonly backupId: string;
}

/** A complete base backup at the location. */
export interface WindowBackup {
  readonly id: string;
  readonly consistentAt: Date;
  readonly logStream: string;
  readonly logStart: string;
  readonly logEnd: string;
}

/** Log stored at the location without a gap; positions are sortable texts. */
export interface WindowLogRange {
  readonly stream: string;
  readonly start: string;
  readonly end: string;
  /** Newest moment of which it is known that all commits until then lie in the range. */
  readonly coveredUntil: Date | undefined;
}

/**
 * What each base backup reaches, newest backup first. A backup whose log is not there without a gap up to its own
 * end reaches nothing and is left out.
 */
export function reachOfBackups(
  backups: readonly WindowBackup[],
  ranges: readonly WindowLogRange[],
): readonly RecoveryWindow[] {
  const windows: RecoveryWindow[] = [];
  const newestFirst = [...backups].sort((a, b) => b.consistentAt.getTime() - a.consistentAt.getTime());
  for (const backup of newestFirst) {
    const chain = logChain(backup, ranges);
    if (!chain) continue;
    const ends = chain.flatMap((range) => (range.coveredUntil ? [range.coveredUntil.getTime()] : []));
    const latest = Math.max(backup.consistentAt.getTime(), ...ends);
    windows.push({ earliestAt: backup.consistentAt, latestAt: new Date(latest), backupId: backup.id });
  }
  return windows;
}

/**
 * The recovery window of a location: from the oldest complete base backup whose log is unbroken to the end of the
 * log. Times inside gaps before it may be reachable from older backups; see `reachOfBackups`.
 */
export function recoveryWindow(
  backups: readonly WindowBackup[],
  ranges: readonly WindowLogRange[],
): RecoveryWindow | undefined {
  const reach = reachOfBackups(backups, ranges);
  const newest = reach[0];
  if (!newest) return undefined;
  let oldest = newest;
  for (const window of reach) {
    if (window.latestAt.getTime() < oldest.earliestAt.getTime()) break; // a gap: older times are another window
    oldest = window;
  }
  return { earliestAt: oldest.earliestAt, latestAt: newest.latestAt, backupId: oldest.backupId };
}

/** The base backup to start from to reach `at`: the newest one that is consistent by then and reaches it. */
export function backupForTime(reach: readonly RecoveryWindow[], at: Date): RecoveryWindow | undefined {
  return reach.find((window) => window.earliestAt <= at && at <= window.latestAt);
}

/** The unbroken log from a backup's start on, through later timelines; undefined if it ends before the backup does. */
function logChain(backup: WindowBackup, ranges: readonly WindowLogRange[]): readonly WindowLogRange[] | undefined {
  const own = ranges.find(
    (range) => range.stream === backup.logStream && range.start <= backup.logStart && range.end >= backup.logEnd,
  );
  if (!own) return undefined;
  const chain = [own];
  for (let last = own; ; ) {
    const next = ranges
      .filter((range) => serverOf(range.stream) === serverOf(last.stream) && range.stream > last.stream)
      .sort((a, b) => (a.stream < b.stream ? -1 : 1))
      .find((range) => range.start <= last.end);
    if (!next) return chain;
    chain.push(next);
    last = next;
  }
}

/** Streams of one server differ in what follows the last `-` (PostgreSQL: the timeline). */
export function serverOf(stream: string): string {
  return stream.slice(0, stream.lastIndexOf("-"));
}

/** All times that some base backup reaches, oldest first; between two spans lies a gap. */
export function joinedWindows(
  reach: readonly RecoveryWindow[],
): readonly Pick<RecoveryWindow, "earliestAt" | "latestAt">[] {
  const spans: Pick<RecoveryWindow, "earliestAt" | "latestAt">[] = [];
  for (const { earliestAt, latestAt } of [...reach].sort((a, b) => a.earliestAt.getTime() - b.earliestAt.getTime())) {
    const last = spans.at(-1);
    if (!last || earliestAt > last.latestAt) spans.push({ earliestAt, latestAt });
    else if (latestAt > last.latestAt) spans.splice(-1, 1, { earliestAt: last.earliestAt, latestAt });
  }
  return spans;
}
