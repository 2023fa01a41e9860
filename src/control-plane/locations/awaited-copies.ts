import type { BackupRecords } from "../../catalog/backup-records.ts";
import { type LocationRecovery, recoveryOf } from "../../catalog/recovery.ts";
import { type RetainedService, type RetentionOptions, retentionOf } from "../../catalog/retention.ts";

export interface AwaitedOptions extends RetentionOptions {
  /** A copy that is behind by no more counts as up to date. */
  readonly lagObjectiveSeconds: number;
}

/**
 * M1: what a location that is not wanted any more still waits for: that each cloud in its place can restore as late a
 * time as any other location, and has the base backups that it was to get when the change was made. Those of later do
 * not count, or a slow link would never get there.
 * @returns texts for people; none when it can go
 */
export function awaitedCopies(
  service: RetainedService,
  records: BackupRecords,
  retiring: { readonly retiringSince: Date },
  options: AwaitedOptions,
): readonly string[] {
  const recovery = recoveryOf(records);
  const retention = retentionOf(service, { ...records, pins: [] }, options);
  const wanted = records.locations.filter(
    ({ role, state, retiring_since }) => role === "secondary" && state === "active" && !retiring_since,
  );
  return wanted.flatMap(({ cloud, is_paused, pause_reason }) => {
    const lacking = lackOf(cloud, recovery, options.lagObjectiveSeconds);
    const toCome = retention.find((location) => location.cloud === cloud)?.toCome ?? [];
    const older = toCome.filter((id) => isAwaited(records, { id, cloud, since: retiring.retiringSince })).length;
    const told = [
      ...(lacking === undefined ? [] : [lacking]),
      ...(older === 0 ? [] : [`${cloud} is still to get ${older} base ${older === 1 ? "backup" : "backups"}`]),
    ];
    return is_paused && told.length > 0 ? [...told, `copying to ${cloud} is paused: ${pause_reason}`] : told;
  });
}

/** What keeps a location from restoring as late a time as the others. */
function lackOf(cloud: string, recovery: readonly LocationRecovery[], lagObjectiveSeconds: number): string | undefined {
  const window = recovery.find((location) => location.cloud === cloud)?.window;
  if (!window) return `${cloud} has nothing that can be restored yet`;
  const latest = Math.max(...recovery.map((location) => location.window?.latestAt.getTime() ?? 0));
  const behindSeconds = (latest - window.latestAt.getTime()) / 1000;
  if (behindSeconds <= lagObjectiveSeconds) return undefined;
  return `${cloud} is ${Math.round(behindSeconds)} s behind`;
}

/** A copy that has failed is not waited for: it may never come. */
function isAwaited(
  { backups, copies }: BackupRecords,
  wanted: { readonly id: string; readonly cloud: string; readonly since: Date },
): boolean {
  const backup = backups.find(({ id }) => id === wanted.id);
  const copy = copies.find(({ backup_id, cloud }) => backup_id === wanted.id && cloud === wanted.cloud);
  return backup !== undefined && backup.started_at < wanted.since && copy?.state !== "failed";
}
