import type { Selectable } from "kysely";
import type { BackupLocationTable, BackupState, BaseBackupTable, LocationTable } from "../../catalog/schema.ts";
import { type DamagedObject, damagedObjects } from "../../catalog/verification.ts";
import { retentionNow } from "../../catalog/catalog-clock.ts";
import { type LocationRetention, type RetainedService, retentionByLocation } from "../../catalog/retention.ts";
import { regionOf } from "../../domain/cloud.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";

/** What the backups of a service are looked up by. */
interface BackedUpService extends RetainedService {
  readonly name: string;
  readonly cloud: string;
}

/** Base backups of a service, newest first, as the API tells them. */
export async function backupFields(
  context: ControlPlaneContext,
  service: BackedUpService,
  wanted: { readonly states?: readonly BackupState[]; readonly id?: string },
) {
  const { db } = context.catalog;
  let query = db.selectFrom("base_backup").selectAll().where("service_id", "=", service.id);
  if (wanted.states) query = query.where("state", "in", wanted.states);
  if (wanted.id !== undefined) query = query.where("id", "=", wanted.id);
  const backups = await query.orderBy("started_at", "desc").orderBy("id", "desc").execute();
  const copies = await db
    .selectFrom("backup_location")
    .selectAll()
    .where("service_id", "=", service.id)
    .orderBy("role")
    .orderBy("cloud")
    .execute();
  const locations = await db.selectFrom("location").selectAll().where("service_id", "=", service.id).execute();
  const damaged = (await damagedObjects(db, { serviceId: service.id })).filter(({ kind }) => kind !== "stray");
  const retention = await retentionByLocation(db, service, {
    now: await retentionNow(db),
    defaultDays: context.configuration.backups.retentionDays,
  });
  return backups.map((backup) => {
    const ofBackup = copies.filter((copy) => copy.backup_id === backup.id);
    return oneBackup(service, { backup, copies: ofBackup, locations, damaged, retention });
  });
}

/** @throws {BtarError} NOT_FOUND */
export async function findBackup(context: ControlPlaneContext, service: BackedUpService, id: string) {
  const [found] = await backupFields(context, service, { id });
  if (found) return found;
  throw new BtarError("NOT_FOUND", { message: `Service ${service.name} has no base backup ${id}` });
}

interface LoadedBackup {
  readonly backup: Selectable<BaseBackupTable>;
  readonly copies: readonly Selectable<BackupLocationTable>[];
  readonly locations: readonly Selectable<LocationTable>[];
  readonly damaged: readonly DamagedObject[];
  readonly retention: readonly LocationRetention[];
}

/** The API's fields, then btar's own: state, sizes, and where it is (L3). */
function oneBackup(service: BackedUpService, { backup, copies, locations, damaged, retention }: LoadedBackup) {
  const damageIn = (place: string) =>
    damaged.filter(({ cloud, backups }) => cloud === place && backups.includes(backup.id));
  const locationOf = (cloud: string) => locations.find((location) => location.cloud === cloud);
  return {
    backup_name: backup.id,
    backup_time: (backup.completed_at ?? backup.started_at).toISOString(),
    data_size: backup.data_bytes,
    storage_location: copies.find(({ role }) => role === "primary")?.cloud ?? service.cloud,
    additional_regions: copies.flatMap(({ role, cloud, state }) => {
      const location = locationOf(cloud);
      if (role === "primary" || location?.state !== "active") return [];
      // A region is listed once the copy there can be restored, and while it is paused.
      if ((state !== "complete" || damageIn(cloud).length > 0) && !location.is_paused) return [];
      return [{ cloud, region: regionOf(cloud), paused: location.is_paused, pause_reason: location.pause_reason }];
    }),
    state: backup.state,
    reason: backup.reason,
    trouble: backup.trouble,
    start_time: backup.started_at.toISOString(),
    consistent_time: backup.consistent_at?.toISOString() ?? null,
    stored_size: backup.stored_bytes,
    file_count: backup.file_count,
    engine_version: backup.engine_version,
    kept: isKept(backup),
    keep_until: isKept(backup) ? (backup.kept_until?.toISOString() ?? null) : null,
    locations: copies.flatMap((copy) => {
      if (copy.state === "deleted") return [];
      return [
        {
          cloud: copy.cloud,
          role: copy.role,
          state: locationOf(copy.cloud)?.state === "deleting" ? ("deleting" as const) : copy.state,
          done_bytes: copy.done_bytes,
          total_bytes: copy.total_bytes,
          sent_bytes: copy.sent_bytes,
          trouble: damageText(damageIn(copy.cloud)) ?? copy.trouble,
          expire_time: expireTime(backup, copy.cloud, retention),
          started_at: copy.started_at?.toISOString() ?? null,
          completed_at: copy.completed_at?.toISOString() ?? null,
        },
      ];
    }),
  };
}

/** What keeps a copy from being restored; undefined when nothing does. */
function damageText(damaged: readonly DamagedObject[]): string | undefined {
  const [first] = damaged;
  if (!first) return undefined;
  const others = damaged.length > 1 ? `, and so are ${damaged.length - 1} others` : "";
  return `it cannot be restored: ${first.key} is ${first.kind}${others}`;
}

function isKept({ is_kept, kept_until }: Selectable<BaseBackupTable>): boolean {
  return is_kept && (kept_until === null || kept_until > new Date());
}

/** When it is removed from a location; null: not before a newer one is complete there, or never. */
function expireTime(
  backup: Selectable<BaseBackupTable>,
  cloud: string,
  retention: readonly LocationRetention[],
): string | null {
  const location = retention.find((each) => each.cloud === cloud);
  const expiresAt = location?.decisions.find(({ id }) => id === backup.id)?.expiresAt;
  if (!expiresAt || (isKept(backup) && !backup.kept_until)) return null;
  const keptUntil = isKept(backup) && backup.kept_until ? backup.kept_until : expiresAt;
  return (keptUntil > expiresAt ? keptUntil : expiresAt).toISOString();
}
