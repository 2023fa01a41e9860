import type { CatalogDatabase } from "../../catalog/catalog.ts";
import type { ControlPlaneContext } from "../context.ts";
import { openStates } from "../jobs/job-fields.ts";

/** Ids of the jobs that copy a service's base backups to these clouds, or are to. */
export async function openCopies(
  db: CatalogDatabase,
  serviceId: string,
  clouds: readonly string[],
): Promise<readonly string[]> {
  if (clouds.length === 0) return [];
  const jobs = await db
    .selectFrom("job")
    .select("id")
    .where("service_id", "=", serviceId)
    .where("kind", "=", "copy")
    .where("cloud", "in", clouds)
    .where("state", "in", openStates)
    .execute();
  return jobs.map(({ id }) => id);
}

/** To be called when what makes them needless is committed. */
export async function cancelJobs({ jobs }: ControlPlaneContext, ids: readonly string[]): Promise<void> {
  for (const id of ids) await jobs.cancel(id);
}
