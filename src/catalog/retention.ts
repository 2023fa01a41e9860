import type { Selectable } from "kysely";
import type { LogNeed } from "../domain/log-retention.ts";
import { findPlan } from "../domain/plan.ts";
import { decideRetention, type RetainedBackup, type RetentionDecision, retentionDaysOf } from "../domain/retention.ts";
import type { CatalogDatabase } from "./catalog.ts";
import { type BackupRecords, type BackupRow, backupRecords, type CopyRow, type LocationRow } from "./backup-records.ts";
import { type BackupPin, pinsOf } from "./pins.ts";
import { recoveryOf } from "./recovery.ts";
import type { LocationTable } from "./backup-tables.ts";
import type { ServiceTable } from "./schema.ts";

/** What retention makes of the base backups at a location. */
export interface LocationRetention {
  readonly cloud: string;
  readonly role: "primary" | "secondary";
  readonly state: "active" | "deleting";
  readonly retentionDays: number;
  /** Of those that are complete there, oldest first. */
  readonly decisions: readonly RetentionDecision[];
  /** Base backups that are still to be copied there, and would stay then. */
  readonly toCome: readonly string[];
  readonly pins: readonly BackupPin[];
}

export type RetainedService = Pick<Selectable<ServiceTable>, "id" | "plan" | "user_config">;

export interface RetentionOptions {
  /** The time that retention goes by; undefined: nothing expires yet. */
  readonly now: Date | undefined;
  /** Days where neither location nor service nor plan says. */
  readonly defaultDays: number;
}

/** Records, and what is worked out of them. */
interface LoadedService extends BackupRecords {
  /** `BACKUP CLOUD` of those whose log is there as well. */
  readonly restorable: ReadonlySet<string>;
  readonly pins: readonly BackupPin[];
  readonly now: Date;
}

/**
 * Decides for each location of a service which base backups go (M3). The primary also keeps what an additional cloud
 * is still to get and would keep; what that cloud would remove at once does not wait for it.
 */
export async function retentionByLocation(
  db: CatalogDatabase,
  service: RetainedService,
  options: RetentionOptions,
): Promise<readonly LocationRetention[]> {
  const records = await backupRecords(db, service.id);
  return retentionOf(service, { ...records, pins: await pinsOf(db, service.id) }, options);
}

/** The same from what is known. */
export function retentionOf(
  service: RetainedService,
  records: BackupRecords & { readonly pins: readonly BackupPin[] },
  options: RetentionOptions,
): readonly LocationRetention[] {
  const { locations } = records;
  const { now = new Date(0) } = options;
  const loaded = { ...records, restorable: restorableOf(records), now };
  const daysOf = (location: LocationRow) => locationRetentionDays(service, location, options.defaultDays);
  const awaited = new Map(
    locations.map((location) => {
      const isAwaiting = location.role === "secondary" && location.state === "active";
      const retentionDays = daysOf(location);
      return [location.cloud, isAwaiting ? toComeAt(loaded, location.cloud, retentionDays) : []];
    }),
  );
  const neededByCopies = new Set([...awaited.values()].flat());
  return locations.map((location) => {
    const { cloud, role, state } = location;
    const retentionDays = daysOf(location);
    const here = loaded.copies
      .filter((copy) => copy.cloud === cloud && copy.state === "complete")
      .flatMap((copy) => retained(loaded, copy.backup_id, cloud))
      .map((backup) => ({
        ...backup,
        isPinned: backup.isPinned || (role === "primary" && neededByCopies.has(backup.id)),
      }));
    const decisions = decideRetention(here, { retentionDays, now });
    const pins = loaded.pins.filter((pin) => pin.cloud === cloud);
    return { cloud, role, state, retentionDays, decisions, toCome: awaited.get(cloud) ?? [], pins };
  });
}

/** How long backups of a service are kept at a location. */
export function locationRetentionDays(
  service: Pick<RetainedService, "plan" | "user_config">,
  location: Pick<Selectable<LocationTable>, "retention_days">,
  defaultDays: number,
): number {
  return retentionDaysOf({
    ofLocation: location.retention_days,
    userConfig: service.user_config,
    ofPlan: findPlan(service.plan)?.retentionDays,
    otherwise: defaultDays,
  });
}

function restorableOf(records: BackupRecords): ReadonlySet<string> {
  return new Set(
    recoveryOf(records).flatMap(({ cloud, reach }) => reach.map(({ backupId }) => `${backupId} ${cloud}`)),
  );
}

function retained(loaded: LoadedService, id: string, cloud: string): readonly RetainedBackup[] {
  const backup = loaded.backups.find((row) => row.id === id);
  if (!backup?.consistent_at) return [];
  return [
    {
      id,
      consistentAt: backup.consistent_at,
      isRestorable: loaded.restorable.has(`${id} ${cloud}`),
      isKept: isKept(backup, loaded.now),
      isPinned: loaded.pins.some((pin) => pin.backupId === id && pin.cloud === cloud),
    },
  ];
}

/** Whether somebody's wish that it stays holds now. */
function isKept({ is_kept, kept_until }: BackupRow, now: Date): boolean {
  return is_kept && (kept_until === null || kept_until > now);
}

/** Base backups that an additional cloud lacks, and would keep if it had all that it is to get. */
function toComeAt(loaded: LoadedService, cloud: string, retentionDays: number): readonly string[] {
  const { backups, copies, now } = loaded;
  const copyOf = (id: string, where: (copy: CopyRow) => boolean) =>
    copies.find((copy) => copy.backup_id === id && where(copy));
  const lacking = backups.filter(({ id, state, consistent_at }) => {
    const here = copyOf(id, (copy) => copy.cloud === cloud)?.state ?? "waiting";
    const primary = copyOf(id, (copy) => copy.role === "primary")?.state;
    return (
      consistent_at && state === "complete" && primary === "complete" && ["waiting", "copying", "failed"].includes(here)
    );
  });
  const complete = copies.filter((copy) => copy.cloud === cloud && copy.state === "complete");
  const all = [...complete.map(({ backup_id }) => backup_id), ...lacking.map(({ id }) => id)].flatMap((id) =>
    retained(loaded, id, cloud).map((backup) => ({ ...backup, isRestorable: true })),
  );
  const stays = decideRetention(all, { retentionDays, now }).filter(({ reason }) => reason !== "expired");
  return stays.map(({ id }) => id).filter((id) => lacking.some((backup) => backup.id === id));
}

/** What base backups need of the log at a location, besides what those in its store need: positions as recorded. */
export async function logNeedsBesides(
  db: CatalogDatabase,
  service: RetainedService,
  request: { readonly retention: readonly LocationRetention[]; readonly cloud: string },
): Promise<readonly LogNeed[]> {
  const { retention, cloud } = request;
  const own = retention.find((location) => location.cloud === cloud);
  const backups = await db.selectFrom("base_backup").selectAll().where("service_id", "=", service.id).execute();
  const needOf = (id: string): readonly LogNeed[] => {
    const { log_stream, log_start, log_end } = backups.find((backup) => backup.id === id) ?? {};
    if (!log_stream || !log_start || !log_end) return [];
    return [{ stream: log_stream, start: log_start, end: log_end, reach: "onwards" }];
  };
  const needs = (own?.toCome ?? []).flatMap(needOf);
  if (own?.role !== "primary") return needs;
  const ranges = await db.selectFrom("log_range").selectAll().where("service_id", "=", service.id).execute();
  for (const { cloud: other, role, state, decisions, toCome } of retention) {
    if (role === "primary" || state !== "active") continue;
    const stays = decisions.filter(({ reason }) => reason === "window" || reason === "last");
    for (const need of [...stays.map(({ id }) => id), ...toCome].flatMap(needOf)) {
      // The additional cloud still lacks what comes after the log that it has of this backup.
      const has = ranges.find(
        (range) =>
          range.cloud === other &&
          range.stream === need.stream &&
          range.start_position <= need.start &&
          range.end_position >= need.start,
      );
      needs.push({ ...need, start: has?.end_position ?? need.start, end: has?.end_position ?? need.end });
    }
  }
  return needs;
}
