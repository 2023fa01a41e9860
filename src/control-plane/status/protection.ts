import { type Selectable, sql } from "kysely";
import { type LocationRecovery, recoveryByLocation } from "../../catalog/recovery.ts";
import type { VerificationTable } from "../../catalog/schema.ts";
import { type DamagedObject, damagedObjects, verifications } from "../../catalog/verification.ts";
import { locationRetentionDays } from "../../catalog/retention.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";

/** Is a service safe in a second region, how far behind, and what could be restored now? */
export async function protectionFields(context: ControlPlaneContext, row: ServiceRow) {
  return {
    service_name: row.name,
    service_type: row.engine,
    service_kind: row.kind,
    cloud_name: row.cloud,
    state: row.state,
    trouble: row.trouble,
    reservation_warning: await reservationWarning(context, row.id),
    locations: await locationsOf(context, row),
    forks: await forksOf(context, row.id),
  };
}

async function locationsOf(context: ControlPlaneContext, service: ServiceRow) {
  const { db } = context.catalog;
  const { id: serviceId } = service;
  const defaultDays = context.configuration.backups.retentionDays;
  const now = context.clock.now();
  const rows = await db.selectFrom("location").selectAll().where("service_id", "=", serviceId).execute();
  const recovery = await recoveryByLocation(db, serviceId);
  const ranges = await db
    .selectFrom("log_range")
    .selectAll()
    .where("service_id", "=", serviceId)
    .orderBy("stored_at", "desc")
    .execute();
  const complete = await db
    .selectFrom("backup_location")
    .select("cloud")
    .where("service_id", "=", serviceId)
    .where("state", "=", "complete")
    .execute();
  const verified = await verifications(db, serviceId);
  const damaged = await damagedObjects(db, { serviceId });
  return recovery.flatMap((location) => {
    const row = rows.find(({ cloud }) => cloud === location.cloud);
    if (!row) return []; // removed between the two queries
    const log = ranges.find(({ cloud }) => cloud === location.cloud);
    return {
      cloud: row.cloud,
      role: row.role,
      state: row.state,
      paused: row.is_paused,
      pause_reason: row.pause_reason,
      retention_days: locationRetentionDays(service, row, defaultDays),
      delete_after: row.delete_after?.toISOString() ?? null,
      trouble: row.trouble,
      replication_lag_seconds: row.role === "secondary" ? lagSeconds(row.oldest_missing_at, now) : null,
      rpo_seconds: rpoSeconds(location, now),
      recovery_window: location.window
        ? {
            earliest_at: location.window.earliestAt.toISOString(),
            latest_at: location.window.latestAt.toISOString(),
          }
        : null,
      log: log ? { stream: log.stream, end: log.end_position, stored_at: log.stored_at.toISOString() } : null,
      complete_backups: complete.filter(({ cloud }) => cloud === row.cloud).length,
      verification: {
        ...verifiedFields(verified.find(({ cloud }) => cloud === row.cloud)),
        verified_until: row.verified_until?.toISOString() ?? null,
        damaged: damaged.filter(({ cloud }) => cloud === row.cloud).map(damageFields),
      },
    };
  });
}

function verifiedFields(row: Pick<Selectable<VerificationTable>, "structure_at" | "data_verified_at"> | undefined) {
  return {
    last_verified_at: row?.structure_at?.toISOString() ?? null,
    data_verified_at: row?.data_verified_at?.toISOString() ?? null,
  };
}

function damageFields(object: DamagedObject) {
  const { key, kind, what, found_at, backups, log_stream, log_start, log_end, log_after } = object;
  const log =
    log_stream === null || log_start === null || log_end === null
      ? null
      : { stream: log_stream, start: log_start, end: log_end, after: log_after?.toISOString() ?? null };
  return {
    ...{ object: key, kind, what, found_at: found_at.toISOString() },
    ...{ affected_backups: [...backups], affected_log: log },
  };
}

/** L1: 0 for a location that lacks nothing, else the age of the oldest object that it lacks. */
export function lagSeconds(oldestMissingAt: Date | null, now: Date): number {
  return oldestMissingAt ? secondsBetween(oldestMissingAt, now) : 0;
}

/** L2: the age of the end of the recovery window; null without one. */
export function rpoSeconds({ window }: Pick<LocationRecovery, "window">, now: Date): number | null {
  return window ? secondsBetween(window.latestAt, now) : null;
}

/** Clocks of several hosts differ a little: never negative. */
function secondsBetween(from: Date, to: Date): number {
  return Math.max(0, to.getTime() - from.getTime()) / 1000;
}

/** What was last said of how much log the server holds back for btar. */
async function reservationWarning(context: ControlPlaneContext, serviceId: string): Promise<string | null> {
  const event = await context.catalog.db
    .selectFrom("event")
    .select(["kind", "message"])
    .where("service_id", "=", serviceId)
    .where("kind", "in", ["slot_holds_wal", "slot_released_wal"])
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return event?.kind === "slot_holds_wal" ? event.message : null;
}

async function forksOf(context: ControlPlaneContext, serviceId: string) {
  const rows = await context.catalog.db
    .selectFrom("service")
    .select(["project", "name", "cloud", "state", "forked_from"])
    .where(sql`forked_from ->> 'serviceId'`, "=", serviceId)
    .where("deleted_at", "is", null)
    .orderBy("created_at")
    .execute();
  return rows.map((fork) => ({
    project: fork.project,
    service_name: fork.name,
    cloud_name: fork.cloud,
    state: fork.state,
    target: fork.forked_from?.target ?? "",
  }));
}
