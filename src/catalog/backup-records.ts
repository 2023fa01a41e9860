import { type RawBuilder, type Selectable, sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";
import type {
  BackupLocationTable,
  BaseBackupTable,
  DamagedObjectTable,
  LocationTable,
  LogRangeTable,
} from "./schema.ts";

export type LocationRow = Selectable<LocationTable>;
export type BackupRow = Selectable<BaseBackupTable>;
export type CopyRow = Selectable<BackupLocationTable>;

/** All that the catalog knows of a service's backups. */
export interface BackupRecords {
  /** The primary first, then by cloud. */
  readonly locations: readonly LocationRow[];
  /** Newest first. */
  readonly backups: readonly BackupRow[];
  /** Where each base backup is: the primary first, then by cloud. */
  readonly copies: readonly CopyRow[];
  readonly logRanges: readonly Selectable<LogRangeTable>[];
  /** Strays included, by key. */
  readonly damaged: readonly Selectable<DamagedObjectTable>[];
}

const noRecords: BackupRecords = { locations: [], backups: [], copies: [], logRanges: [], damaged: [] };

/** @returns what is known of each of the services, by id; those of which nothing is known are in it, too */
export async function backupRecordsOf(
  db: CatalogDatabase,
  serviceIds: readonly string[],
): Promise<ReadonlyMap<string, BackupRecords>> {
  if (serviceIds.length === 0) return new Map();
  const [locations, backups, copies, logRanges, damaged] = await Promise.all([
    db.selectFrom("location").selectAll().where(ofServices(serviceIds)).orderBy("role").orderBy("cloud").execute(),
    db
      .selectFrom("base_backup")
      .selectAll()
      .where(ofServices(serviceIds))
      .orderBy("started_at", "desc")
      .orderBy("id", "desc")
      .execute(),
    db
      .selectFrom("backup_location")
      .selectAll()
      .where(ofServices(serviceIds))
      .orderBy("role")
      .orderBy("cloud")
      .execute(),
    db.selectFrom("log_range").selectAll().where(ofServices(serviceIds)).execute(),
    db.selectFrom("damaged_object").selectAll().where(ofServices(serviceIds)).orderBy("key").execute(),
  ]);
  const grouped = {
    locations: byService(locations),
    backups: byService(backups),
    copies: byService(copies),
    logRanges: byService(logRanges),
    damaged: byService(damaged),
  };
  return new Map(
    serviceIds.map((id) => [
      id,
      {
        locations: grouped.locations.get(id) ?? [],
        backups: grouped.backups.get(id) ?? [],
        copies: grouped.copies.get(id) ?? [],
        logRanges: grouped.logRanges.get(id) ?? [],
        damaged: grouped.damaged.get(id) ?? [],
      },
    ]),
  );
}

export async function backupRecords(db: CatalogDatabase, serviceId: string): Promise<BackupRecords> {
  return (await backupRecordsOf(db, [serviceId])).get(serviceId) ?? noRecords;
}

/** A condition on `service_id`; a list of parameters as long as that of the services would be planned at length. */
export function ofServices(serviceIds: readonly string[]): RawBuilder<boolean> {
  return sql<boolean>`service_id = any(${serviceIds}::uuid[])`;
}

/** Rows of many services, those of each in the order that they had. */
export function byService<T extends { readonly service_id: string }>(rows: readonly T[]): ReadonlyMap<string, T[]> {
  return Map.groupBy(rows, ({ service_id }) => service_id);
}
