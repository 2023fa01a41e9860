import { sql } from "kysely";
import { BtarError } from "../domain/errors.ts";
import type { CatalogDatabase } from "./catalog.ts";

/** TCP ports for managed services, both inclusive. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Of all transactions one chooses a name and a port at a time; the number is btar's own. */
const creationLock = 4_201_972;

/** Held until the transaction ends: names and ports that are free now are so at its end. */
export async function lockCreation(trx: CatalogDatabase): Promise<void> {
  await sql`select pg_advisory_xact_lock(${creationLock})`.execute(trx);
}

/**
 * A port that no managed service has, nor one that was deleted and may still run. The caller holds `lockCreation`.
 * @param options.refused ports that something else on the host listens on
 * @param options.wanted is taken if it is free
 * @throws {BtarError} WRONG_STATE
 */
export async function freeServicePort(
  db: CatalogDatabase,
  { first, last }: PortRange,
  options: { readonly refused?: ReadonlySet<number>; readonly wanted?: number | undefined } = {},
): Promise<number> {
  const { refused = new Set(), wanted } = options;
  const stopping = db
    .selectFrom("job")
    .select("service_id")
    .where("kind", "=", "remove")
    .where("state", "in", ["queued", "running", "waiting"]);
  const rows = await db
    .selectFrom("service")
    .select("port")
    .where("kind", "=", "managed")
    .where((eb) => eb.or([eb("deleted_at", "is", null), eb("id", "in", stopping)]))
    .execute();
  const taken = new Set(rows.map(({ port }) => port));
  if (wanted !== undefined && !taken.has(wanted) && !refused.has(wanted)) return wanted;
  for (let port = first; port <= last; port += 1) if (!taken.has(port) && !refused.has(port)) return port;
  const others = refused.size > 0 ? `, and ${refused.size} by other programs` : "";
  throw new BtarError("WRONG_STATE", {
    message: `all ports from ${first} to ${last} are taken by services${others}`,
    hint: "widen services.ports in the configuration, or delete a service",
  });
}
