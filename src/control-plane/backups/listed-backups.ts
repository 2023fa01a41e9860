import { sql } from "kysely";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { regionOf } from "../../domain/cloud.ts";

interface ListedRow {
  readonly service_id: string;
  readonly backup_name: string;
  readonly backup_time: Date;
  readonly data_size: number;
  readonly storage_location: string | null;
  readonly additional_regions: readonly {
    readonly cloud: string;
    readonly paused: boolean;
    readonly pause_reason: string | null;
  }[];
}

/** Complete base backups of services, newest first, with what lists tell of them; by the service's id. */
export async function listedBackups(db: CatalogDatabase, serviceIds: readonly string[]) {
  const { rows } = await sql<ListedRow>`
    select backup.service_id, backup.id as backup_name, coalesce(backup.completed_at, backup.started_at) as backup_time,
      backup.data_bytes as data_size, original.cloud as storage_location, copies.listed as additional_regions
    from base_backup backup
    left join backup_location original on original.backup_id = backup.id and original.role = 'primary'
    cross join lateral (
      select coalesce(json_agg(json_build_object('cloud', copy.cloud, 'paused', location.is_paused,
        'pause_reason', location.pause_reason) order by copy.cloud), '[]') as listed
      from backup_location copy
      join location on location.service_id = copy.service_id and location.cloud = copy.cloud
      where copy.backup_id = backup.id and copy.role = 'secondary' and location.state = 'active'
        and (location.is_paused or (copy.state = 'complete' and not exists (select from damaged_object damaged
          where damaged.service_id = copy.service_id and damaged.cloud = copy.cloud and damaged.kind != 'stray'
            and damaged.backups ? backup.id)))) copies
    where backup.service_id = any(${serviceIds}::uuid[]) and backup.state = 'complete'
    order by backup.started_at desc, backup.id desc`.execute(db);
  return Map.groupBy(rows, ({ service_id }) => service_id);
}

/** One of them as the API tells it. */
export function listedBackup(row: ListedRow, service: { readonly cloud: string }) {
  const { backup_name, backup_time, data_size, storage_location, additional_regions } = row;
  return {
    backup_name,
    backup_time: backup_time.toISOString(),
    data_size,
    storage_location: storage_location ?? service.cloud,
    additional_regions: additional_regions.map((region) => ({ ...region, region: regionOf(region.cloud) })),
  };
}
