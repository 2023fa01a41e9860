import type { LocationRow } from "../../catalog/backup-records.ts";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { disableLocation } from "./disable-location.ts";
import { openCopies } from "./open-copies.ts";
import { retireLocations } from "./retire-locations.ts";

const hourMs = 3_600_000;

interface RegionsChange {
  readonly row: ServiceRow;
  readonly regions: readonly string[];
  readonly actor: string;
}

/**
 * Clouds that are new get a location, and copies by the scheduler (E1, E5). Those that are gone stay until the others
 * have what they have (M1), and then for the grace time, in which they can be taken back (D1); without others, only that.
 * @returns ids of the copy jobs that are needed no more, to be cancelled when the change is committed
 * @throws {BtarError} WRONG_STATE when the last change is too recent (M2)
 */
export async function setRegions(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  change: RegionsChange,
): Promise<readonly string[]> {
  const { row, regions } = change;
  const existing = await trx
    .selectFrom("location")
    .selectAll()
    .where("service_id", "=", row.id)
    .where("role", "=", "secondary")
    .forUpdate()
    .execute();
  await enableRegions(trx, context, change, existing);
  const gone = existing.filter(({ cloud, state }) => state === "active" && !regions.includes(cloud));
  const ended =
    regions.length === 0 ? await disableAll(trx, context, change, gone) : await retire(trx, context, change, gone);
  return await openCopies(trx, row.id, ended);
}

async function enableRegions(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  { row, regions, actor }: RegionsChange,
  existing: readonly LocationRow[],
): Promise<void> {
  const before = (cloud: string) => existing.find((location) => location.cloud === cloud);
  const added = regions.filter((cloud) => !before(cloud));
  if (added.length > 0) {
    refuseTooSoon(context, row, added);
    const regions_changed_at = context.clock.now();
    await trx.updateTable("service").set({ regions_changed_at }).where("id", "=", row.id).execute();
  }
  for (const cloud of regions) {
    const location = before(cloud);
    if (location?.state === "active" && !location.retiring_since) continue;
    await enable(trx, context, row.id, cloud);
    const isTakenBack = location !== undefined;
    await recordEvent(trx, {
      ...{ project: row.project, service: row, kind: "location_enabled", severity: "info", actor },
      message: isTakenBack
        ? `backups of ${row.name} in ${cloud} stay, and are copied there as before`
        : `backups of ${row.name} are copied to ${cloud}`,
    });
  }
}

/** M2: taking clouds away, or back, is always allowed. */
function refuseTooSoon({ configuration, clock }: ControlPlaneContext, row: ServiceRow, added: readonly string[]): void {
  const hours = configuration.limits.regionChangeHours;
  if (!row.regions_changed_at) return;
  const allowedAt = new Date(row.regions_changed_at.getTime() + hours * hourMs);
  if (clock.now() >= allowedAt) return;
  throw new BtarError("WRONG_STATE", {
    message:
      `additional_backup_regions of ${row.name} were changed at ${row.regions_changed_at.toISOString()}: ` +
      `${added.join(", ")} can be added from ${allowedAt.toISOString()} on`,
    hint: "clouds can be taken away, and those that still hold copies be taken back, at any time",
  });
}

async function enable(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  serviceId: string,
  cloud: string,
): Promise<void> {
  const wanted = {
    state: "active",
    delete_after: null,
    retiring_since: null,
    is_paused: false,
    pause_reason: null,
  } as const;
  await trx
    .insertInto("location")
    .values({ service_id: serviceId, cloud, role: "secondary", created_at: context.clock.now(), ...wanted })
    .onConflict((conflict) => conflict.columns(["service_id", "cloud"]).doUpdateSet(wanted))
    .execute();
}

async function disableAll(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  { row, actor }: RegionsChange,
  gone: readonly LocationRow[],
): Promise<readonly string[]> {
  for (const { cloud } of gone) await disableLocation(trx, context, { row, cloud, actor, why: undefined });
  return gone.map(({ cloud }) => cloud);
}

/** @returns those of them that need not wait for anything */
async function retire(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  { row, regions, actor }: RegionsChange,
  gone: readonly LocationRow[],
): Promise<readonly string[]> {
  const fresh = gone.filter(({ retiring_since }) => !retiring_since).map(({ cloud }) => cloud);
  if (fresh.length > 0) {
    await trx
      .updateTable("location")
      .set({ retiring_since: context.clock.now() })
      .where("service_id", "=", row.id)
      .where("cloud", "in", fresh)
      .execute();
  }
  const ended = await retireLocations(trx, context, { row, actor });
  for (const cloud of fresh.filter((each) => !ended.includes(each))) {
    await recordEvent(trx, {
      ...{ project: row.project, service: row, kind: "location_retiring", severity: "info", actor },
      message: `backups of ${row.name} stay in ${cloud}, and are copied there, until ${regions.join(" and ")} ${regions.length === 1 ? "has" : "have"} them`,
    });
  }
  return ended;
}
