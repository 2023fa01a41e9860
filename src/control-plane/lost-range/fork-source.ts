import type { ForkOrigin } from "../../catalog/schema.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";

/** What a fork was made from, and where in its log the fork ends. */
export interface ForkSource {
  readonly origin: ForkOrigin;
  readonly stop: NonNullable<ForkOrigin["stoppedIn"]>;
  /** Undefined: it is gone. */
  readonly source: ServiceRow | undefined;
  /** False: the source's primary backup was removed, or the catalog was rebuilt without its store. */
  readonly hasPrimary: boolean;
}

/** @throws {BtarError} INVALID_INPUT for a service that is no fork, WRONG_STATE for one that is still being made */
export async function forkSource(context: ControlPlaneContext, row: ServiceRow): Promise<ForkSource> {
  const origin = row.forked_from;
  if (!origin) {
    throw new BtarError("INVALID_INPUT", {
      message: `Service ${row.name} is no fork`,
      hint: "name a service that was forked from another one",
    });
  }
  const stop = origin.stoppedIn;
  if (!stop) {
    const isMade = row.state === "REBUILDING";
    throw new BtarError("WRONG_STATE", {
      message: isMade
        ? `Service ${row.name} is still being made`
        : `Where in the log of ${origin.serviceName} the fork ${row.name} ends was not noted`,
      hint: isMade ? "wait until it is RUNNING" : "it was made by an earlier version; its own times tell what it holds",
    });
  }
  const { db } = context.catalog;
  const source = await db.selectFrom("service").selectAll().where("id", "=", origin.serviceId).executeTakeFirst();
  const primary = await db
    .selectFrom("location")
    .select("cloud")
    .where("service_id", "=", origin.serviceId)
    .where("role", "=", "primary")
    .executeTakeFirst();
  return { origin, stop, source, hasPrimary: primary !== undefined };
}
