import { recordEvent } from "../../catalog/events.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";

/** Sets how long backups are kept at one location (M3); undefined: as long as at the others. @throws {BtarError} NOT_FOUND */
export async function setRetention(
  context: ControlPlaneContext,
  row: ServiceRow,
  request: { readonly cloud: string; readonly days: number | undefined; readonly actor: string },
): Promise<void> {
  const { cloud, days, actor } = request;
  await context.catalog.db.transaction().execute(async (trx) => {
    const changed = await trx
      .updateTable("location")
      .set({ retention_days: days ?? null })
      .where("service_id", "=", row.id)
      .where("cloud", "=", cloud)
      .returning("cloud")
      .executeTakeFirst();
    if (!changed) {
      throw new BtarError("NOT_FOUND", {
        message: `Service ${row.name} has no backups in ${cloud}`,
        hint: "`btar status` shows where they are",
      });
    }
    const howLong = days === undefined ? "as long as the service's" : `${days} days`;
    await recordEvent(trx, {
      ...{ project: row.project, service: row, kind: "location_retention", severity: "info" },
      message: `backups of ${row.name} in ${cloud} are kept ${howLong}`,
      actor,
    });
  });
}
