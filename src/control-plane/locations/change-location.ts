import type { LocationRow } from "../../catalog/backup-records.ts";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { cancelJobs, openCopies } from "./open-copies.ts";

/** What is undefined stays as it is. */
export interface LocationChange {
  readonly cloud: string;
  /** How long backups are kept there (M3); null: as long as at the others. */
  readonly retentionDays: number | null | undefined;
  /** Whether nothing is copied there (C7). */
  readonly isPaused: boolean | undefined;
  readonly pauseReason: string | null | undefined;
  readonly actor: string;
}

/** Changes one location of a service. @throws {BtarError} NOT_FOUND, INVALID_INPUT, WRONG_STATE */
export async function changeLocation(
  context: ControlPlaneContext,
  row: ServiceRow,
  change: LocationChange,
): Promise<void> {
  const { cloud, isPaused } = change;
  if (change.pauseReason != null && isPaused !== true) {
    throw new BtarError("INVALID_INPUT", {
      message: "Invalid input: pause_reason says why a location is paused",
      hint: "give it together with `paused: true`",
    });
  }
  const stopped = await context.catalog.db.transaction().execute(async (trx) => {
    const location = await lockLocation(trx, row, cloud);
    if (change.retentionDays !== undefined) await setRetention(trx, row, change);
    if (isPaused === undefined) return [];
    if (isPaused) await pause(trx, { row, location, change });
    else await resume(trx, { row, location, change });
    return isPaused ? await openCopies(trx, row.id, [cloud]) : [];
  });
  await cancelJobs(context, stopped);
}

async function lockLocation(trx: CatalogDatabase, row: ServiceRow, cloud: string): Promise<LocationRow> {
  const locations = await trx
    .selectFrom("location")
    .selectAll()
    .where("service_id", "=", row.id)
    .orderBy("role")
    .orderBy("cloud")
    .forUpdate()
    .execute();
  const location = locations.find((each) => each.cloud === cloud);
  if (location) return location;
  throw new BtarError("NOT_FOUND", {
    message: `Service ${row.name} has no backups in ${cloud}`,
    hint: `they are in: ${locations.map((each) => each.cloud).join(", ")}`,
  });
}

async function setRetention(
  trx: CatalogDatabase,
  row: ServiceRow,
  { cloud, retentionDays: days = null, actor }: LocationChange,
): Promise<void> {
  await updateLocation(trx, row, cloud, { retention_days: days });
  const howLong = days === null ? "as long as the service's" : `${days} days`;
  await recordEvent(trx, {
    ...{ project: row.project, service: row, kind: "location_retention", severity: "info", actor },
    message: `backups of ${row.name} in ${cloud} are kept ${howLong}`,
  });
}

interface PauseChange {
  readonly row: ServiceRow;
  readonly location: LocationRow;
  readonly change: LocationChange;
}

/** Only copying stops: what is there can be restored, is kept, and is verified as before. */
async function pause(trx: CatalogDatabase, { row, location, change }: PauseChange): Promise<void> {
  const { cloud, actor } = change;
  if (location.role === "primary") {
    throw new BtarError("INVALID_INPUT", {
      message: `${cloud} holds the primary backup of ${row.name}, which is not copied there and cannot be paused`,
      hint: "only copies to additional clouds can be",
    });
  }
  if (location.state === "deleting") {
    throw new BtarError("WRONG_STATE", {
      message: `backups of ${row.name} are not copied to ${cloud} any more: it was disabled`,
      hint: "enable it again first",
    });
  }
  const reason = change.pauseReason ?? (location.is_paused ? location.pause_reason : null) ?? `paused by ${actor}`;
  if (location.is_paused && location.pause_reason === reason) return;
  await updateLocation(trx, row, cloud, { is_paused: true, pause_reason: reason, trouble: null });
  await recordEvent(trx, {
    ...{ project: row.project, service: row, kind: "location_paused", severity: "warning", actor },
    message: `nothing of ${row.name} is copied to ${cloud} for now: ${reason}`,
  });
}

async function resume(trx: CatalogDatabase, { row, location, change }: PauseChange): Promise<void> {
  const { cloud, actor } = change;
  if (!location.is_paused) return;
  await updateLocation(trx, row, cloud, { is_paused: false, pause_reason: null });
  await recordEvent(trx, {
    ...{ project: row.project, service: row, kind: "location_resumed", severity: "info", actor },
    message: `backups of ${row.name} are copied to ${cloud} again`,
  });
}

async function updateLocation(
  trx: CatalogDatabase,
  { id }: ServiceRow,
  cloud: string,
  values: Partial<Pick<LocationRow, "retention_days" | "is_paused" | "pause_reason" | "trouble">>,
): Promise<void> {
  await trx.updateTable("location").set(values).where("service_id", "=", id).where("cloud", "=", cloud).execute();
}
