import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { BtarError } from "../../domain/errors.ts";

/** @throws {BtarError} ALREADY_EXISTS, in words that clients look for */
export async function refuseTakenName(db: CatalogDatabase, project: string, name: string): Promise<void> {
  const taken = await db
    .selectFrom("service")
    .select("id")
    .where("project", "=", project)
    .where("name", "=", name)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  if (!taken) return;
  throw new BtarError("ALREADY_EXISTS", { message: `Service name '${name}' already exists in this project` });
}

/** The primary location of a new service, and its additional ones. */
export async function insertLocations(
  trx: CatalogDatabase,
  service: { readonly id: string; readonly cloud: string; readonly regions: readonly string[]; readonly now: Date },
): Promise<void> {
  const { id, cloud, regions, now } = service;
  const common = { service_id: id, state: "active" as const, created_at: now };
  await trx
    .insertInto("location")
    .values([
      { ...common, cloud, role: "primary" },
      ...regions.map((region) => ({ ...common, cloud: region, role: "secondary" as const })),
    ])
    .execute();
  if (regions.length > 0)
    await trx.updateTable("service").set({ regions_changed_at: now }).where("id", "=", id).execute();
}
