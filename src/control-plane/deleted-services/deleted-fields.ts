import type { BackupRecords } from "../../catalog/backup-records.ts";
import { recoveryOf } from "../../catalog/recovery.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";

const hourMs = 3_600_000;

/** Deleted services of a project that still have backups, the last one first (D3). */
export async function deletedServices(context: ControlPlaneContext, project: string): Promise<readonly ServiceRow[]> {
  return await context.catalog.db
    .selectFrom("service")
    .selectAll()
    .where("project", "=", project)
    .where("deleted_at", "is not", null)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom("backup_location")
          .select("backup_id")
          .whereRef("backup_location.service_id", "=", "service.id")
          .where("state", "=", "complete"),
      ),
    )
    .orderBy("deleted_at", "desc")
    .execute();
}

export async function deletedFields(context: ControlPlaneContext, rows: readonly ServiceRow[]) {
  const records = await context.catalog.services.of(rows.map(({ id }) => id));
  const graceMs = context.configuration.limits.deleteGraceHours * hourMs;
  return rows.map((row) => {
    const deletedAt = row.deleted_at ?? new Date(0);
    const known = records.get(row.id);
    return {
      service_name: row.name,
      service_id: row.id,
      service_type: row.engine,
      service_kind: row.kind,
      cloud_name: row.cloud,
      plan: row.plan,
      delete_time: deletedAt.toISOString(),
      backups_until: new Date(deletedAt.getTime() + graceMs).toISOString(),
      locations: known ? locationsOf(known) : [],
    };
  });
}

function locationsOf(records: BackupRecords) {
  return recoveryOf(records).map(({ cloud, role, window }) => ({
    cloud,
    role,
    complete_backups: records.copies.filter((copy) => copy.cloud === cloud && copy.state === "complete").length,
    delete_after: records.locations.find((row) => row.cloud === cloud)?.delete_after?.toISOString() ?? null,
    recovery_window: window
      ? { earliest_at: window.earliestAt.toISOString(), latest_at: window.latestAt.toISOString() }
      : null,
  }));
}
