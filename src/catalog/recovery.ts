import {
  type RecoveryWindow,
  reachOfBackups,
  recoveryWindow,
  type WindowBackup,
  type WindowLogRange,
} from "../domain/recovery-window.ts";
import type { Selectable } from "kysely";
import { type BackupRecords, backupRecords } from "./backup-records.ts";
import type { CatalogDatabase } from "./catalog.ts";
import type { DamagedObjectTable } from "./backup-tables.ts";

type DamagedLogRow = Pick<Selectable<DamagedObjectTable>, "log_stream" | "log_start" | "log_end" | "log_after">;

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
  return recoveryOf(await backupRecords(db, serviceId));
}

/** The recovery windows that these records stand for, one per location. */
export function recoveryOf({
  locations,
  backups,
  copies,
  logRanges,
  damaged,
}: BackupRecords): readonly LocationRecovery[] {
  const backupOf = new Map(backups.map((backup) => [backup.id, backup]));
  return locations.map(({ cloud, role, state }) => {
    const damagedHere = damaged.filter((object) => object.cloud === cloud && object.kind !== "stray");
    const here: WindowBackup[] = copies
      .filter((copy) => copy.cloud === cloud && copy.state === "complete")
      .filter(({ backup_id }) => !damagedHere.some((object) => object.backups.includes(backup_id)))
      .flatMap(({ backup_id: id }) => {
        const { consistent_at, log_stream, log_start, log_end } = backupOf.get(id) ?? {};
        if (!consistent_at || !log_stream || !log_start || !log_end) return [];
        return [{ id, consistentAt: consistent_at, logStream: log_stream, logStart: log_start, logEnd: log_end }];
      });
    const log: WindowLogRange[] = logRanges
      .filter((range) => range.cloud === cloud)
      .map((range) => ({
        stream: range.stream,
        start: range.start_position,
        end: range.end_position,
        coveredUntil: range.covered_until ?? undefined,
      }))
      .flatMap((range) => withoutDamage(range, damagedHere));
    return { cloud, role, state, window: recoveryWindow(here, log), reach: reachOfBackups(here, log) };
  });
}

/** The parts of a range that can be read. */
function withoutDamage(range: WindowLogRange, damaged: readonly DamagedLogRow[]): readonly WindowLogRange[] {
  const holes = damaged
    .flatMap(({ log_stream: stream, log_start: start, log_end: end, log_after: after }) =>
      stream === range.stream && start !== null && end !== null ? [{ start, end, after }] : [],
    )
    .sort((a, b) => (a.start < b.start ? -1 : 1));
  if (holes.length === 0) return [range];
  const parts: WindowLogRange[] = [];
  let from = range.start;
  for (const { start, end, after } of holes) {
    if (end <= from || start >= range.end) continue;
    if (start > from) parts.push({ stream: range.stream, start: from, end: start, coveredUntil: after ?? undefined });
    from = end;
  }
  return from < range.end ? [...parts, { ...range, start: from }] : parts;
}
