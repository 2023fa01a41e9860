import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { openCopies } from "./open-copies.ts";

const hourMs = 3_600_000;

/**
 * Clouds that are new get a location, and copies by the scheduler (E1, E5); those that are gone are kept for the grace
 * time, in which they can be taken back (D1).
 * @returns ids of the copy jobs that are needed no more, to be cancelled when the change is committed
 */
export async function setRegions(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  change: { readonly row: ServiceRow; readonly regions: readonly string[]; readonly actor: string },
): Promise<readonly string[]> {
  const { row, regions, actor } = change;
  const existing = await trx
    .selectFrom("location")
    .select(["cloud", "state"])
    .where("service_id", "=", row.id)
    .where("role", "=", "secondary")
    .execute();
  const active = existing.filter(({ state }) => state === "active").map(({ cloud }) => cloud);
  const tell = (kind: string, message: string) =>
    recordEvent(trx, { project: row.project, service: row, kind, severity: "info", message, actor });
  for (const cloud of regions.filter((region) => !active.includes(region))) {
    await enable(trx, context, row.id, cloud);
    await tell("location_enabled", `backups of ${row.name} are copied to ${cloud}`);
  }
  const gone = active.filter((cloud) => !regions.includes(cloud));
  for (const cloud of gone) {
    const deleteAfter = await disable(trx, context, row.id, cloud);
    await tell("location_disabled", `backups of ${row.name} in ${cloud} are kept until ${deleteAfter.toISOString()}`);
  }
  return await openCopies(trx, row.id, gone);
}

async function enable(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  serviceId: string,
  cloud: string,
): Promise<void> {
  await trx
    .insertInto("location")
    .values({
      service_id: serviceId,
      cloud,
      role: "secondary",
      state: "active",
      created_at: context.clock.now(),
    })
    .onConflict((conflict) =>
      conflict
        .columns(["service_id", "cloud"])
        .doUpdateSet({ state: "active", delete_after: null, is_paused: false, pause_reason: null }),
    )
    .execute();
}

async function disable(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  serviceId: string,
  cloud: string,
): Promise<Date> {
  const graceMs = context.configuration.limits.disableGraceHours * hourMs;
  const deleteAfter = new Date(context.clock.now().getTime() + graceMs);
  await trx
    .updateTable("location")
    .set({ state: "deleting", delete_after: deleteAfter, oldest_missing_at: null, trouble: null })
    .where("service_id", "=", serviceId)
    .where("cloud", "=", cloud)
    .execute();
  return deleteAfter;
}
