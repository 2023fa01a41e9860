import type { CatalogDatabase } from "../../catalog/catalog.ts";
import type { BackupPlace } from "../../catalog/expiry.ts";
import type { ManifestHead } from "../../repository/manifest.ts";

/**
 * Tells which base backups in a store are not meant to be there: one that failed, or was deleted, while its manifest
 * was stored; one that the catalog does not know, and that is older than all that it knows there.
 */
export async function collectionStrays(
  db: CatalogDatabase,
  { serviceId, cloud }: BackupPlace,
): Promise<(head: ManifestHead) => boolean> {
  const rows = await db
    .selectFrom("backup_location")
    .innerJoin("base_backup", "base_backup.id", "backup_location.backup_id")
    .select([
      "base_backup.id",
      "base_backup.state as backup_state",
      "base_backup.consistent_at",
      "backup_location.state",
    ])
    .where("backup_location.service_id", "=", serviceId)
    .where("backup_location.cloud", "=", cloud)
    .execute();
  const times = rows.flatMap(({ state, consistent_at }) =>
    state === "complete" && consistent_at ? [consistent_at.getTime()] : [],
  );
  const oldest = Math.min(...times);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ({ backupId, consistentAt }) => {
    const row = byId.get(backupId);
    if (row) return row.state === "deleted" || row.backup_state === "failed";
    return times.length > 0 && consistentAt.getTime() < oldest;
  };
}
