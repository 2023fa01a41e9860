import { sql } from "kysely";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";

/** Of all transactions one chooses a name and a port at a time; the number is btar's own. */
const creationLock = 4_201_972;

/** Held until the transaction ends: names and ports that are free now are so at its end. */
export async function lockCreation(trx: CatalogDatabase): Promise<void> {
  await sql`select pg_advisory_xact_lock(${creationLock})`.execute(trx);
}

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

/**
 * A port that no managed service has, nor one that was deleted and may still run.
 * @throws {BtarError} WRONG_STATE
 */
export async function freePort(trx: CatalogDatabase, { configuration }: ControlPlaneContext): Promise<number> {
  const { first, last } = configuration.services.ports;
  const stopping = trx
    .selectFrom("job")
    .select("service_id")
    .where("kind", "=", "remove")
    .where("state", "in", ["queued", "running", "waiting"]);
  const rows = await trx
    .selectFrom("service")
    .select("port")
    .where("kind", "=", "managed")
    .where((eb) => eb.or([eb("deleted_at", "is", null), eb("id", "in", stopping)]))
    .execute();
  const taken = new Set(rows.map(({ port }) => port));
  for (let port = first; port <= last; port += 1) if (!taken.has(port)) return port;
  throw new BtarError("WRONG_STATE", {
    message: `all ports from ${first} to ${last} are taken by services`,
    hint: "widen services.ports in the configuration, or delete a service",
  });
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
}
