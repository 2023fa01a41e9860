import { createHash } from "node:crypto";
import type { JobState } from "../../catalog/work-tables.ts";
import type { BtarConfiguration } from "../../contract/configuration.ts";

/** When a service's base backups are due: every `intervalHours`, one of them at `hour`:`minute` UTC. */
export interface BackupSchedule {
  readonly hour: number;
  readonly minute: number;
  readonly intervalHours: number;
}

/** What was done last. */
export interface BackupHistory {
  /** When the newest base backup was begun, whatever became of it. */
  readonly newestStartedAt: Date | undefined;
  /** How the newest job that took one ended. */
  readonly lastJob: { readonly state: JobState; readonly finishedAt: Date } | undefined;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** A base backup that failed for good is tried anew after this time, not only when the next one is due. */
const pauseAfterFailureMs = 15 * minuteMs;

/** P1: what the service asks for; else a time of day that is spread over services by their identity. */
export function scheduleOf(
  service: { readonly id: string; readonly user_config: Readonly<Record<string, unknown>> },
  configuration: Pick<BtarConfiguration, "backups">,
): BackupSchedule {
  const spread = createHash("sha256").update(service.id).digest().readUInt32LE(0);
  const number = (key: string, otherwise: number) => {
    const value = service.user_config[key];
    return typeof value === "number" ? value : otherwise;
  };
  return {
    hour: number("backup_hour", spread % 24),
    minute: number("backup_minute", Math.floor(spread / 24) % 60),
    intervalHours: number("backup_interval_hours", configuration.backups.intervalHours),
  };
}

/** The newest moment at or before `now` at which a base backup was due. */
export function lastDueAt({ hour, minute, intervalHours }: BackupSchedule, now: Date): Date {
  const intervalMs = intervalHours * hourMs;
  // Counted from one fixed day on, so that intervals which do not divide a day stay even.
  const anchor = hour * hourMs + minute * minuteMs;
  return new Date(anchor + Math.floor((now.getTime() - anchor) / intervalMs) * intervalMs);
}

/**
 * When a base backup is due, now or later, if nothing changes: at the first due moment after the newest was begun, or a
 * while after that one failed.
 */
export function nextBackupAt(schedule: BackupSchedule, history: BackupHistory, now: Date): Date {
  const { newestStartedAt, lastJob } = history;
  if (newestStartedAt === undefined) return now;
  if (lastJob?.state === "failed") return new Date(lastJob.finishedAt.getTime() + pauseAfterFailureMs);
  const lastAt = lastDueAt(schedule, now);
  return newestStartedAt < lastAt ? lastAt : new Date(lastAt.getTime() + schedule.intervalHours * hourMs);
}
