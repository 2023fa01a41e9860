import { backupRecords } from "../../catalog/backup-records.ts";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { retentionRules } from "../backups/backup-fields.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { awaitedCopies } from "./awaited-copies.ts";
import { disableLocation } from "./disable-location.ts";
import { cancelJobs, openCopies } from "./open-copies.ts";

/**
 * Disables the locations of a service that others have taken the place of by now (M1).
 * @returns their clouds
 */
export async function retireLocations(
  trx: CatalogDatabase,
  context: ControlPlaneContext,
  { row, actor }: { readonly row: ServiceRow; readonly actor: string },
): Promise<readonly string[]> {
  const records = await backupRecords(trx, row.id);
  const options = await retirementRules(context);
  const ended: string[] = [];
  for (const { cloud, state, retiring_since: retiringSince } of records.locations) {
    if (state !== "active" || !retiringSince) continue;
    if (awaitedCopies(row, records, { retiringSince }, options).length > 0) continue;
    const why = "the clouds in its place have them";
    await disableLocation(trx, context, { row, cloud, actor, why });
    ended.push(cloud);
  }
  return ended;
}

/** By what locations retire. */
export async function retirementRules(context: ControlPlaneContext) {
  const { lagObjectiveSeconds } = context.configuration.limits;
  return { ...(await retentionRules(context)), lagObjectiveSeconds };
}

/** Log arrives where it is waited for, and no change is told of that. */
const lookAgainMs = 1000;

/**
 * Looks at all services that have such locations.
 * @returns when to look again though no change was told
 */
export async function retireReplacedLocations(context: ControlPlaneContext): Promise<Date | undefined> {
  const { db } = context.catalog;
  const services = await db
    .selectFrom("location")
    .select("service_id")
    .distinct()
    .where("retiring_since", "is not", null)
    .where("state", "=", "active")
    .execute();
  for (const { service_id } of services) {
    const needless = await db.transaction().execute(async (trx) => {
      const row = await trx
        .selectFrom("service")
        .selectAll()
        .where("id", "=", service_id)
        .where("deleted_at", "is", null)
        .forUpdate()
        .executeTakeFirst();
      if (!row) return [];
      return await openCopies(trx, row.id, await retireLocations(trx, context, { row, actor: "btar" }));
    });
    await cancelJobs(context, needless);
  }
  return services.length === 0 ? undefined : new Date(context.clock.now().getTime() + lookAgainMs);
}
