import {
  type RecoveryWindow,
  reachOfBackups,
  recoveryWindow,
  type WindowBackup,
  type WindowLogRange,
} from "../domain/recovery-window.ts";
import type { CatalogDatabase } from "./catalog.ts";

/** What a location could restore, as far as the catalog knows. */
export interface LocationRecovery {
  readonly cloud: string;
  readonly role: "primary" | "secondary";
  /** `deleting`: it was turned off, and can be restored from until its grace time ends. */
  readonly state: "active" | "deleting";
  readonly window: RecoveryWindow | undefined;
  /** Per base backup, newest first. */
  readonly reach: readonly RecoveryWindow[];
}

/** The recovery windows of a service, one per location. */
export async function recoveryByLocation(db: CatalogDatabase, serviceId: string): Promise<readonly LocationRecovery[]> {
  const locations = await db
    .selectFrom("location")
    .select(["cloud", "role", "state"])
    .where("service_id", "=", serviceId)
    .orderBy("role")
    .orderBy("cloud")
    .execute();
  const backups = await db
    .selectFrom("backup_location")
    .innerJoin("base_backup", "base_backup.id", "backup_location.backup_id")
    .select(["backup_location.cloud", "base_backup.id", "consistent_at", "log_stream", "log_start", "log_end"])
    .where("backup_location.service_id", "=", serviceId)
    .where("backup_location.state", "=", "complete")
    .execute();
  const ranges = await db.selectFrom("log_range").selectAll().where("service_id", "=", serviceId).execute();
  return locations.map(({ cloud, role, state }) => {
    const here: WindowBackup[] = backups
      .filter((backup) => backup.cloud === cloud)
      .flatMap((backup) => {
        const { consistent_at, log_stream, log_start, log_end } = backup;
        if (!consistent_at || log_stream === null || log_start === null || log_end === null) return [];
        return [
          { id: backup.id, consistentAt: consistent_at, logStream: log_stream, logStart: log_start, logEnd: log_end },
        ];
      });
    const log: WindowLogRange[] = ranges
      .filter((range) => range.cloud === cloud)
      .map((range) => ({
        stream: range.stream,
        start: range.start_position,
        end: range.end_position,
        coveredUntil: range.covered_until ?? undefined,
      }));
    return { cloud, role, state, window: recoveryWindow(here, log), reach: reachOfBackups(here, log) };
  });
}
