import { randomBytes } from "node:crypto";
import type { CatalogDatabase } from "./catalog.ts";
import type { JobQueue } from "./job-queue.ts";

/** Why a base backup is taken. */
export type BackupReason = "schedule" | "request" | "first" | "log_gap";

/** Sortable by time, and unique: `2026-03-01T03-30-04Z-1f3a`. */
function newBackupId(now: Date): string {
  const time = now.toISOString().slice(0, 19).replaceAll(":", "-");
  return `${time}Z-${randomBytes(2).toString("hex")}`;
}

/** Asks for a base backup of a service, in all its locations: rows for people to see, and the job. */
export async function requestBaseBackup(
  trx: CatalogDatabase,
  jobs: JobQueue,
  service: { readonly id: string; readonly name: string; readonly project: string; readonly cloud: string },
  reason: BackupReason,
): Promise<{ readonly backupId: string; readonly jobId: string }> {
  const now = new Date();
  const backupId = newBackupId(now);
  await trx
    .insertInto("base_backup")
    .values({ id: backupId, service_id: service.id, state: "running", reason, started_at: now })
    .execute();
  const locations = await trx
    .selectFrom("location")
    .select(["cloud", "role"])
    .where("service_id", "=", service.id)
    .where("state", "=", "active")
    .execute();
  for (const { cloud, role } of locations) {
    await trx
      .insertInto("backup_location")
      .values({
        backup_id: backupId,
        service_id: service.id,
        cloud,
        role,
        state: role === "primary" ? "copying" : "waiting",
        ...(role === "primary" ? { started_at: now } : {}),
      })
      .execute();
  }
  const { project, cloud, id, name } = service;
  const jobId = await jobs.enqueue(
    { kind: "backup", cloud, project, service: { id, name }, input: { backupId, reason } },
    trx,
  );
  return { backupId, jobId };
}
