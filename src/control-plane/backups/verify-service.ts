import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";

/**
 * Asks for a verification of what a service has in its stores.
 * @param request.bytesPerSecond how fast data is read; undefined: as fast as it goes
 * @returns ids of the jobs, by cloud
 * @throws {BtarError} NOT_FOUND when the service has nothing in that cloud
 */
export async function verifyService(
  context: ControlPlaneContext,
  row: Pick<ServiceRow, "id" | "name" | "project">,
  request: {
    readonly cloud: string | undefined;
    readonly readDataPercent: number;
    readonly bytesPerSecond: number | undefined;
  },
): Promise<readonly string[]> {
  const { db } = context.catalog;
  const { cloud, readDataPercent, bytesPerSecond } = request;
  const locations = await db
    .selectFrom("location")
    .select("cloud")
    .where("service_id", "=", row.id)
    .orderBy("role")
    .execute();
  const chosen = locations.filter((location) => cloud === undefined || location.cloud === cloud);
  if (chosen.length === 0) {
    throw new BtarError("NOT_FOUND", {
      message: `Service ${row.name} has no backups in ${cloud ?? "any cloud"}`,
      hint: `there are some in: ${locations.map((location) => location.cloud).join(", ") || "no cloud"}`,
    });
  }
  const ids: string[] = [];
  for (const location of chosen) {
    ids.push(
      await context.jobs.enqueue({
        kind: "verify",
        cloud: location.cloud,
        project: row.project,
        service: { id: row.id, name: row.name },
        input: { readDataPercent, ...(bytesPerSecond !== undefined && { bytesPerSecond }) },
        priority: bytesPerSecond === undefined ? 0 : -10,
      }),
    );
  }
  return ids;
}
