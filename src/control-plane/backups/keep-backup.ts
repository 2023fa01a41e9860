import { type Selectable, sql } from "kysely";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { lockCopies } from "../../catalog/expiry.ts";
import type { BaseBackupTable } from "../../catalog/backup-tables.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";

/** @throws {BtarError} NOT_FOUND */
export async function findBackupRow(
  trx: CatalogDatabase,
  row: ServiceRow,
  backup: string,
): Promise<Selectable<BaseBackupTable>> {
  const base = await trx
    .selectFrom("base_backup")
    .selectAll()
    .where("id", "=", backup)
    .where("service_id", "=", row.id)
    .executeTakeFirst();
  if (base) return base;
  throw new BtarError("NOT_FOUND", { message: `Service ${row.name} has no base backup ${backup}` });
}

/** Whether somebody's wish that it stays holds, by the catalog's clock. */
export async function isKeptNow(db: CatalogDatabase, backup: string): Promise<boolean> {
  const row = await db
    .selectFrom("base_backup")
    .select("id")
    .where("id", "=", backup)
    .where("is_kept", "=", true)
    .where((eb) => eb.or([eb("kept_until", "is", null), eb("kept_until", ">", sql<Date>`now()`)]))
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Keeps a base backup beyond its retention, at all its locations, or releases it.
 * @param request.until undefined: without end
 * @throws {BtarError} NOT_FOUND, INVALID_INPUT, WRONG_STATE when it is being removed already
 */
export async function keepBackup(
  context: ControlPlaneContext,
  row: ServiceRow,
  request: {
    readonly backup: string;
    readonly isKept: boolean;
    readonly until: Date | undefined;
    readonly actor: string;
  },
): Promise<void> {
  const { backup, isKept, until, actor } = request;
  if (until && until <= context.clock.now()) {
    throw new BtarError("INVALID_INPUT", {
      message: `base backup ${backup} cannot be kept until ${until.toISOString()}, which is over`,
    });
  }
  await context.catalog.db.transaction().execute(async (trx) => {
    await findBackupRow(trx, row, backup);
    const places = await trx
      .selectFrom("backup_location")
      .select("cloud")
      .where("backup_id", "=", backup)
      .orderBy("cloud")
      .execute();
    // A collection that is choosing what has expired at this moment is waited for.
    for (const { cloud } of places) await lockCopies(trx, { serviceId: row.id, cloud });
    if (isKept) await refuseDeleting(trx, backup);
    const values = { is_kept: isKept, kept_until: isKept ? (until ?? null) : null };
    await trx.updateTable("base_backup").set(values).where("id", "=", backup).execute();
    await recordEvent(trx, {
      ...{ project: row.project, service: row, kind: isKept ? "backup_keep" : "backup_release", severity: "info" },
      message: `base backup ${backup} of ${row.name} is ${isKept ? `kept${until ? ` until ${until.toISOString()}` : ""}` : "kept no longer than its retention"}`,
      actor,
    });
  });
}

async function refuseDeleting(trx: CatalogDatabase, backup: string): Promise<void> {
  const going = await trx
    .selectFrom("backup_location")
    .select("cloud")
    .where("backup_id", "=", backup)
    .where("state", "=", "deleting")
    .executeTakeFirst();
  const base = await trx.selectFrom("base_backup").select("state").where("id", "=", backup).executeTakeFirst();
  if (!going && base?.state !== "deleting" && base?.state !== "failed") return;
  throw new BtarError("WRONG_STATE", {
    message: going
      ? `base backup ${backup} is being removed from ${going.cloud}`
      : `base backup ${backup} is ${base?.state === "failed" ? "no complete one" : "being removed"}`,
    hint: "choose another one; `btar backup list` shows them",
  });
}
