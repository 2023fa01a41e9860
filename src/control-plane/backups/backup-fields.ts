import {
  type BackupRecords,
  type BackupRow,
  backupRecords,
  type CopyRow,
  type LocationRow,
} from "../../catalog/backup-records.ts";
import { retentionNow } from "../../catalog/catalog-clock.ts";
import {
  type LocationRetention,
  type RetainedService,
  type RetentionOptions,
  retentionOf,
} from "../../catalog/retention.ts";
import type { BackupState } from "../../catalog/backup-tables.ts";
import type { DamagedObject } from "../../catalog/verification.ts";
import { regionOf } from "../../domain/cloud.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";

/** What the backups of a service are looked up by. */
interface BackedUpService extends RetainedService {
  readonly name: string;
  readonly cloud: string;
}

interface WantedBackups {
  readonly states?: readonly BackupState[];
  readonly id?: string;
}

/** Base backups of a service, newest first, as the API tells them. */
export async function backupFields(context: ControlPlaneContext, service: BackedUpService, wanted: WantedBackups) {
  const { catalog, configuration } = context;
  const records = await backupRecords(catalog.db, service.id);
  return backupFieldsFrom(service, records, wanted, configuration.backups.retentionDays);
}

/** By what backups expire now. */
export async function retentionRules({ catalog, configuration }: ControlPlaneContext): Promise<RetentionOptions> {
  return { now: await retentionNow(catalog.db), defaultDays: configuration.backups.retentionDays };
}

/**
 * The same from records.
 * @param defaultDays that backups are kept where neither location nor service nor plan says
 */
export function backupFieldsFrom(
  service: BackedUpService,
  records: BackupRecords,
  wanted: WantedBackups,
  defaultDays: number,
) {
  const { copies, locations } = records;
  const damaged = records.damaged.filter(({ kind }) => kind !== "stray");
  // When a backup expires is told, whatever open work may keep it from going then: that is so at any time.
  const retention = retentionOf(service, { ...records, pins: [] }, { now: undefined, defaultDays });
  const copiesOf = Map.groupBy(copies, (copy) => copy.backup_id);
  return records.backups
    .filter(({ id, state }) => (wanted.id ?? id) === id && (wanted.states?.includes(state) ?? true))
    .map((backup) =>
      oneBackup(service, { backup, copies: copiesOf.get(backup.id) ?? [], locations, damaged, retention }),
    );
}

/** Complete base backups as lists of services tell them, newest first. */
export function listedBackups(service: BackedUpService, records: BackupRecords) {
  const damaged = records.damaged.filter(({ kind }) => kind !== "stray");
  const copiesOf = Map.groupBy(records.copies, (copy) => copy.backup_id);
  return records.backups
    .filter(({ state }) => state === "complete")
    .map((backup) =>
      whereItIs(service, { backup, copies: copiesOf.get(backup.id) ?? [], locations: records.locations, damaged }),
    );
}

/** @throws {BtarError} NOT_FOUND */
export async function findBackup(context: ControlPlaneContext, service: BackedUpService, id: string) {
  const [found] = await backupFields(context, service, { id });
  if (found) return found;
  throw new BtarError("NOT_FOUND", { message: `Service ${service.name} has no base backup ${id}` });
}

interface PlacedBackup {
  readonly backup: BackupRow;
  readonly copies: readonly CopyRow[];
  readonly locations: readonly LocationRow[];
  readonly damaged: readonly DamagedObject[];
}

interface LoadedBackup extends PlacedBackup {
  readonly retention: readonly LocationRetention[];
}

/** What clients of the API know of a backup. */
function whereItIs(service: BackedUpService, { backup, copies, locations, damaged }: PlacedBackup) {
  return {
    backup_name: backup.id,
    backup_time: (backup.completed_at ?? backup.started_at).toISOString(),
    data_size: backup.data_bytes,
    storage_location: copies.find(({ role }) => role === "primary")?.cloud ?? service.cloud,
    additional_regions: copies.flatMap(({ role, cloud, state }) => {
      const location = locations.find((each) => each.cloud === cloud);
      if (role === "primary" || location?.state !== "active") return [];
      // A region is listed once the copy there can be restored, and while it is paused.
      const isThere = state === "complete" && damageIn(damaged, { backup, cloud }).length === 0;
      if (!isThere && !location.is_paused) return [];
      return [{ cloud, region: regionOf(cloud), paused: location.is_paused, pause_reason: location.pause_reason }];
    }),
  };
}

function damageIn(
  damaged: readonly DamagedObject[],
  { backup, cloud }: { readonly backup: BackupRow; readonly cloud: string },
): readonly DamagedObject[] {
  return damaged.filter((object) => object.cloud === cloud && object.backups.includes(backup.id));
}

/** The API's fields, then btar's own: state, sizes, and where it is (L3). */
function oneBackup(service: BackedUpService, loaded: LoadedBackup) {
  const { backup, copies, locations, damaged, retention } = loaded;
  const locationOf = (cloud: string) => locations.find((location) => location.cloud === cloud);
  return {
    ...whereItIs(service, loaded),
    state: backup.state,
    reason: backup.reason,
    trouble: backup.trouble,
    start_time: backup.started_at.toISOString(),
    consistent_time: backup.consistent_at?.toISOString() ?? null,
    stored_size: backup.stored_bytes,
    file_count: backup.file_count,
    engine_version: backup.engine_version,
    read_by: backup.read_by,
    kept: isKept(backup),
    keep_until: isKept(backup) ? (backup.kept_until?.toISOString() ?? null) : null,
    locations: [...copies, ...copiesToCome(loaded)].sort(byRoleAndCloud).flatMap((copy) => {
      if (copy.state === "deleted") return [];
      const paused = pauseText(copy, locationOf(copy.cloud));
      return [
        {
          cloud: copy.cloud,
          role: copy.role,
          state:
            locationOf(copy.cloud)?.state === "deleting"
              ? ("deleting" as const)
              : paused
                ? ("waiting" as const)
                : copy.state,
          done_bytes: copy.done_bytes,
          total_bytes: copy.total_bytes,
          sent_bytes: copy.sent_bytes,
          trouble: damageText(damageIn(damaged, { backup, cloud: copy.cloud })) ?? paused ?? copy.trouble,
          expire_time: expireTime(backup, copy.cloud, retention),
          started_at: copy.started_at?.toISOString() ?? null,
          completed_at: copy.completed_at?.toISOString() ?? null,
        },
      ];
    }),
  };
}

type ToldCopy = Omit<CopyRow, "backup_id" | "service_id" | "delete_reason">;

const nothingCopied = {
  state: "waiting",
  trouble: null,
  started_at: null,
  completed_at: null,
  done_bytes: 0,
  total_bytes: 0,
  sent_bytes: 0,
} as const;

/** L3: an additional cloud waits for a base backup from its completion on, also when nobody has asked for the copy yet. */
function copiesToCome({ backup, copies, retention }: LoadedBackup): readonly ToldCopy[] {
  return retention
    .filter(({ cloud, toCome }) => toCome.includes(backup.id) && !copies.some((copy) => copy.cloud === cloud))
    .map(({ cloud, role }) => ({ ...nothingCopied, cloud, role }));
}

function byRoleAndCloud(a: ToldCopy, b: ToldCopy): number {
  return `${a.role} ${a.cloud}` < `${b.role} ${b.cloud}` ? -1 : 1;
}

/** What keeps a copy from being restored; undefined when nothing does. */
function damageText(damaged: readonly DamagedObject[]): string | undefined {
  const [first] = damaged;
  if (!first) return undefined;
  const others = damaged.length > 1 ? `, and so are ${damaged.length - 1} others` : "";
  return `it cannot be restored: ${first.key} is ${first.kind}${others}`;
}

/** Why a base backup does not come to a location for now; undefined when that is not for a pause. */
function pauseText({ state }: Pick<CopyRow, "state">, location: LocationRow | undefined): string | undefined {
  if (!location?.is_paused || (state !== "waiting" && state !== "copying")) return undefined;
  return `copying is paused: ${location.pause_reason}`;
}

function isKept({ is_kept, kept_until }: BackupRow): boolean {
  return is_kept && (kept_until === null || kept_until > new Date());
}

/** When it is removed from a location; null: not before a newer one is complete there, or never. */
function expireTime(backup: BackupRow, cloud: string, retention: readonly LocationRetention[]): string | null {
  const location = retention.find((each) => each.cloud === cloud);
  const expiresAt = location?.decisions.find(({ id }) => id === backup.id)?.expiresAt;
  if (!expiresAt || (isKept(backup) && !backup.kept_until)) return null;
  const keptUntil = isKept(backup) && backup.kept_until ? backup.kept_until : expiresAt;
  return (keptUntil > expiresAt ? keptUntil : expiresAt).toISOString();
}
