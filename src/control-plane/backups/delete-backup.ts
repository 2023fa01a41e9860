import type { Selectable } from "kysely";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { lockCopies, markDeleting } from "../../catalog/expiry.ts";
import { pinsOf } from "../../catalog/pins.ts";
import type { BackupLocationTable } from "../../catalog/backup-tables.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { openStates } from "../jobs/job-fields.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { isKeptNow, findBackupRow } from "./keep-backup.ts";

export interface DeleteRequest {
  readonly backup: string;
  /** Only there; undefined: everywhere. */
  readonly location: string | undefined;
  /** Also when it is the last complete one of a location. */
  readonly isLastForced: boolean;
  readonly actor: string;
}

type Copy = Selectable<BackupLocationTable>;

/**
 * Deletes a base backup, at one location or everywhere: from now on nothing is restored from it, and jobs remove it
 * from the stores. Copies of it that are under way end.
 * @returns the jobs' ids
 * @throws {BtarError} NOT_FOUND, WRONG_STATE with what is in the way
 */
export async function deleteBackup(
  context: ControlPlaneContext,
  row: ServiceRow,
  request: DeleteRequest,
): Promise<readonly string[]> {
  const { jobIds, clouds } = await context.catalog.db.transaction().execute(async (trx) => {
    const copies = await lockedCopies(trx, row, request);
    await refuseNeeded(trx, row, request, copies);
    return await beginDeletion(trx, context, { row, request, copies });
  });
  for (const id of await openCopyJobs(context.catalog.db, request.backup, clouds)) await context.jobs.cancel(id);
  return jobIds;
}

/** The copies that are to go. */
async function lockedCopies(trx: CatalogDatabase, row: ServiceRow, request: DeleteRequest): Promise<readonly Copy[]> {
  const { backup, location } = request;
  const base = await findBackupRow(trx, row, backup);
  if (base.state === "running") {
    throw new BtarError("WRONG_STATE", {
      message: `base backup ${backup} is being taken`,
      hint: "end its job with `btar jobs cancel`; `btar jobs list` names it",
    });
  }
  const clouds = await trx
    .selectFrom("location")
    .select("cloud")
    .where("service_id", "=", row.id)
    .orderBy("cloud")
    .execute();
  for (const { cloud } of clouds) await lockCopies(trx, { serviceId: row.id, cloud });
  const all = await trx
    .selectFrom("backup_location")
    .selectAll()
    .where("backup_id", "=", backup)
    .where("state", "!=", "deleted")
    .orderBy("cloud")
    .execute();
  const copies = all.filter(({ cloud }) => location === undefined || cloud === location);
  if (copies.length > 0) return copies;
  throw new BtarError("NOT_FOUND", {
    message: `base backup ${backup} of ${row.name} is not in ${location ?? "any cloud"}`,
    hint: all.length > 0 ? `it is in ${all.map(({ cloud }) => cloud).join(", ")}` : "`btar backup list` shows what is",
  });
}

async function refuseNeeded(
  trx: CatalogDatabase,
  row: ServiceRow,
  request: DeleteRequest,
  copies: readonly Copy[],
): Promise<void> {
  const { backup, isLastForced } = request;
  if (await isKeptNow(trx, backup)) {
    throw new BtarError("WRONG_STATE", {
      message: `base backup ${backup} is kept`,
      hint: `release it with \`btar backup keep ${row.name} ${backup} --release\``,
    });
  }
  const pins = await pinsOf(trx, row.id);
  const pin = pins.find(
    ({ backupId, cloud, kind }) =>
      backupId === backup && kind !== "copy" && copies.some((copy) => copy.cloud === cloud),
  );
  if (pin) {
    throw new BtarError("WRONG_STATE", {
      message: `base backup ${backup} in ${pin.cloud} is needed by job ${pin.jobId} (${pin.kind})`,
      hint: "wait until that has ended, or end it with `btar jobs cancel`",
    });
  }
  if (isLastForced) return;
  for (const { cloud, state } of copies) {
    if (state === "complete") await refuseLast(trx, row, { backup, cloud });
  }
}

async function refuseLast(
  trx: CatalogDatabase,
  row: ServiceRow,
  { backup, cloud }: { readonly backup: string; readonly cloud: string },
): Promise<void> {
  const other = await trx
    .selectFrom("backup_location")
    .select("backup_id")
    .where("service_id", "=", row.id)
    .where("cloud", "=", cloud)
    .where("state", "=", "complete")
    .where("backup_id", "!=", backup)
    .limit(1)
    .executeTakeFirst();
  if (other) return;
  throw new BtarError("WRONG_STATE", {
    message: `base backup ${backup} is the last complete one of ${row.name} in ${cloud}: nothing could be restored there`,
    hint: "take another one first with `btar backup create`, or say --force-last",
  });
}

async function beginDeletion(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  deletion: { readonly row: ServiceRow; readonly request: DeleteRequest; readonly copies: readonly Copy[] },
): Promise<{ readonly jobIds: readonly string[]; readonly clouds: readonly string[] }> {
  const { row, request, copies } = deletion;
  const { backup, location, actor } = request;
  const { id, name, project } = row;
  const hasPrimary = copies.some(({ role }) => role === "primary");
  for (const { cloud } of copies) {
    await markDeleting(trx, { serviceId: id, cloud, backupId: backup, reason: "request" });
  }
  if (location === undefined) {
    await trx.updateTable("base_backup").set({ state: "deleting" }).where("id", "=", backup).execute();
  }
  const deleting = await trx
    .selectFrom("backup_location")
    .select("cloud")
    .where("backup_id", "=", backup)
    .where("state", "=", "deleting")
    .execute();
  const clouds = deleting.map(({ cloud }) => cloud);
  const jobIds: string[] = [];
  for (const cloud of clouds) {
    const job = { kind: "collect" as const, cloud, project, service: { id, name }, input: { backupId: backup } };
    jobIds.push(await context.jobs.enqueue({ ...job, priority: 10 }, trx));
  }
  const message = `the deletion of base backup ${backup} of ${name} in ${clouds.join(", ")} was asked for`;
  await recordEvent(trx, { project, service: row, kind: "backup_delete", severity: "info", message, actor });
  return { jobIds, clouds: hasPrimary ? [] : clouds };
}

/** @param clouds where; none: everywhere, for nothing can be copied that the primary has no more */
async function openCopyJobs(
  db: CatalogDatabase,
  backupId: string,
  clouds: readonly string[],
): Promise<readonly string[]> {
  const jobs = await db
    .selectFrom("job")
    .select(["id", "cloud", "input"])
    .where("kind", "=", "copy")
    .where("state", "in", openStates)
    .execute();
  return jobs
    .filter(({ cloud, input }) => input["backupId"] === backupId && (clouds.length === 0 || clouds.includes(cloud)))
    .map(({ id }) => id);
}
