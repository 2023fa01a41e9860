import { type RawBuilder, type Selectable, sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";
import type {
  BackupLocationTable,
  BaseBackupTable,
  DamagedObjectTable,
  LocationTable,
  LogRangeTable,
} from "./backup-tables.ts";

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

/** Reads rows of several services, each in the order that BackupRecords has. */
export function backupReaders(db: CatalogDatabase) {
  return {
    locations: async (ids: readonly string[]) =>
      await db.selectFrom("location").selectAll().where(ofServices(ids)).orderBy("role").orderBy("cloud").execute(),
    backups: async (ids: readonly string[]) =>
      await db
        .selectFrom("base_backup")
        .selectAll()
        .where(ofServices(ids))
        .orderBy("started_at", "desc")
        .orderBy("id", "desc")
        .execute(),
    copies: async (ids: readonly string[]) =>
      await db
        .selectFrom("backup_location")
        .selectAll()
        .where(ofServices(ids))
        .orderBy("role")
        .orderBy("cloud")
        .execute(),
    logRanges: async (ids: readonly string[]) =>
      await db.selectFrom("log_range").selectAll().where(ofServices(ids)).execute(),
    damaged: async (ids: readonly string[]) =>
      await db.selectFrom("damaged_object").selectAll().where(ofServices(ids)).orderBy("key").execute(),
  };
}

/** What is known of a service's backups, also within a transaction; of many at once, see KnownServices. */
export async function backupRecords(db: CatalogDatabase, serviceId: string): Promise<BackupRecords> {
  const read = backupReaders(db);
  const ids = [serviceId];
  const [locations, backups, copies, logRanges, damaged] = await Promise.all([
    read.locations(ids),
    read.backups(ids),
    read.copies(ids),
    read.logRanges(ids),
    read.damaged(ids),
  ]);
  return { locations, backups, copies, logRanges, damaged };
}

/** A condition on `service_id`; a list of parameters as long as that of the services would be planned at length. */
export function ofServices(serviceIds: readonly string[]): RawBuilder<boolean> {
  return sql<boolean>`service_id = any(${serviceIds}::uuid[])`;
}

/** Rows of many services, those of each in the order that they had. */
export function byService<T extends { readonly service_id: string }>(rows: readonly T[]): ReadonlyMap<string, T[]> {
  return Map.groupBy(rows, ({ service_id }) => service_id);
}
