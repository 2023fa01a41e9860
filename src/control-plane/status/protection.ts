import { type Selectable, sql } from "kysely";
import type { BackupRecords, LocationRow } from "../../catalog/backup-records.ts";
import type { KnownService } from "../../catalog/known-services.ts";
import { type LocationRecovery, recoveryOf } from "../../catalog/recovery.ts";
import { locationRetentionDays } from "../../catalog/retention.ts";
import type { VerificationTable } from "../../catalog/backup-tables.ts";
import type { DamagedObject } from "../../catalog/verification.ts";
import type { ControlPlaneContext } from "../context.ts";
import { type AwaitedOptions, awaitedCopies } from "../locations/awaited-copies.ts";
import { retirementRules } from "../locations/retire-locations.ts";
import { notFound, type ServiceRow } from "../services/find-service.ts";

/** Is a service safe in a second region, how far behind, and what could be restored now? */
export async function protectionFields(context: ControlPlaneContext, row: ServiceRow): Promise<ProtectionFields> {
  const [fields] = await protectionsFields(context, [row]);
  if (!fields) throw notFound({ project: row.project, service: row.name }); // it was removed since it was looked up
  return fields;
}

/** The same of many services, in the order of `rows`. */
export async function protectionsFields(
  context: ControlPlaneContext,
  rows: readonly Pick<ServiceRow, "id">[],
): Promise<readonly ProtectionFields[]> {
  const known = await context.catalog.services.of(rows.map(({ id }) => id));
  return await protectionsOf(
    context,
    rows.flatMap(({ id }) => known.get(id) ?? []),
  );
}

/** The same of what is known of them; asks the catalog as often as for one. */
export async function protectionsOf(
  context: ControlPlaneContext,
  services: readonly KnownService[],
): Promise<readonly ProtectionFields[]> {
  if (services.length === 0) return [];
  const ids = services.map(({ service }) => service.id);
  const [warnings, forks, rules] = await Promise.all([
    reservationWarnings(context, ids),
    forksOf(context, ids),
    retirementRules(context),
  ]);
  const forksFrom = Map.groupBy(forks, ({ sourceId }) => sourceId);
  return services.map((known) => {
    const { service } = known;
    return oneProtection(service, {
      warning: warnings.get(service.id) ?? null,
      locations: locationsOf(context, known, rules),
      forks: (forksFrom.get(service.id) ?? []).map(({ fork }) => fork),
    });
  });
}

export type ProtectionFields = ReturnType<typeof oneProtection>;

interface LoadedProtection {
  readonly warning: string | null;
  readonly locations: ReturnType<typeof locationsOf>;
  readonly forks: Awaited<ReturnType<typeof forksOf>>[number]["fork"][];
}

function oneProtection(row: ServiceRow, { warning, locations, forks }: LoadedProtection) {
  return {
    service_name: row.name,
    service_type: row.engine,
    service_kind: row.kind,
    cloud_name: row.cloud,
    state: row.state,
    trouble: row.trouble,
    reservation_warning: warning,
    locations,
    forks,
  };
}

function locationsOf(context: ControlPlaneContext, records: KnownService, rules: AwaitedOptions) {
  const { service, verified } = records;
  const defaultDays = context.configuration.backups.retentionDays;
  const now = context.clock.now();
  const { copies, damaged } = records;
  const primary = records.locations.find(({ role }) => role === "primary")?.cloud;
  const ranges = records.logRanges.toSorted((a, b) => b.stored_at.getTime() - a.stored_at.getTime());
  return recoveryOf(records).flatMap((location) => {
    const row = records.locations.find(({ cloud }) => cloud === location.cloud);
    if (!row) return [];
    const log = ranges.find(({ cloud }) => cloud === location.cloud);
    const lag = row.role === "secondary" ? lagSeconds(row.oldest_missing_at, now) : null;
    return {
      cloud: row.cloud,
      role: row.role,
      ...locationState(service, row, records, rules),
      paused: row.is_paused,
      pause_reason: row.pause_reason,
      bandwidth_limit: bandwidthLimit(context, { from: primary, to: row.cloud }),
      retention_days: locationRetentionDays(service, row, defaultDays),
      delete_after: row.delete_after?.toISOString() ?? null,
      trouble: row.trouble,
      replication_lag_seconds: lag,
      is_behind: lag !== null && lag > rules.lagObjectiveSeconds,
      rpo_seconds: rpoSeconds(location, now),
      recovery_window: location.window
        ? {
            earliest_at: location.window.earliestAt.toISOString(),
            latest_at: location.window.latestAt.toISOString(),
          }
        : null,
      log: log ? { stream: log.stream, end: log.end_position, stored_at: log.stored_at.toISOString() } : null,
      complete_backups: copies.filter(({ cloud, state }) => cloud === row.cloud && state === "complete").length,
      verification: {
        ...verifiedFields(verified.find(({ cloud }) => cloud === row.cloud)),
        verified_until: row.verified_until?.toISOString() ?? null,
        damaged: damaged.filter(({ cloud }) => cloud === row.cloud).map(damageFields),
      },
    };
  });
}

function locationState(
  service: ServiceRow,
  { state, retiring_since: retiringSince }: LocationRow,
  records: BackupRecords,
  rules: AwaitedOptions,
) {
  if (state !== "active" || !retiringSince) return { state, awaits: [] };
  return { state: "retiring" as const, awaits: [...awaitedCopies(service, records, { retiringSince }, rules)] };
}

/** Bytes a second of all copies from one cloud to another (C7). */
function bandwidthLimit(
  { configuration }: ControlPlaneContext,
  pair: { readonly from: string | undefined; readonly to: string },
): number | null {
  const limit = configuration.limits.bandwidth.find(({ from, to }) => from === pair.from && to === pair.to);
  return limit?.bytesPerSecond ?? null;
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

/** What was last said of how much log a server holds back for btar, by the service's id. */
async function reservationWarnings(
  context: ControlPlaneContext,
  serviceIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<{ service_id: string; kind: string; message: string }>`
    select distinct on (service_id) service_id, kind, message from event
    where service_id = any(${serviceIds}::uuid[]) and kind in ('slot_holds_wal', 'slot_released_wal')
    order by service_id, id desc`.execute(context.catalog.db);
  return new Map(
    rows.flatMap(({ service_id, kind, message }) =>
      kind === "slot_holds_wal" ? [[service_id, message] as const] : [],
    ),
  );
}

async function forksOf(context: ControlPlaneContext, serviceIds: readonly string[]) {
  const rows = await context.catalog.db
    .selectFrom("service")
    .select(["project", "name", "cloud", "state", "forked_from"])
    .where(sql<boolean>`forked_from ->> 'serviceId' = any(${serviceIds}::text[])`)
    .where("deleted_at", "is", null)
    .orderBy("created_at")
    .execute();
  return rows.map((row) => ({
    sourceId: row.forked_from?.serviceId ?? "",
    fork: {
      project: row.project,
      service_name: row.name,
      cloud_name: row.cloud,
      state: row.state,
      target: row.forked_from?.target ?? "",
    },
  }));
}
