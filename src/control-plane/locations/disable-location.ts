import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";

const hourMs = 3_600_000;

/**
 * D1: nothing is copied there any more; what is there stays for the grace time.
 * @param request.why for people, when nobody has asked for it at this moment
 */
export async function disableLocation(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  request: {
    readonly row: ServiceRow;
    readonly cloud: string;
    readonly actor: string;
    readonly why: string | undefined;
  },
): Promise<void> {
  const { row, cloud, actor, why } = request;
  const graceMs = context.configuration.limits.disableGraceHours * hourMs;
  const deleteAfter = new Date(context.clock.now().getTime() + graceMs);
  await trx
    .updateTable("location")
    .set({
      state: "deleting",
      delete_after: deleteAfter,
      retiring_since: null,
      is_paused: false,
      pause_reason: null,
      oldest_missing_at: null,
      trouble: null,
    })
    .where("service_id", "=", row.id)
    .where("cloud", "=", cloud)
    .execute();
  const until = `backups of ${row.name} in ${cloud} are kept until ${deleteAfter.toISOString()}`;
  await recordEvent(trx, {
    ...{ project: row.project, service: row, kind: "location_disabled", severity: "info", actor },
    message: why === undefined ? until : `${until}: ${why}`,
  });
}
