import type { Selectable } from "kysely";
import type { ServiceName } from "../../catalog/known-services.ts";
import type { ServiceTable } from "../../catalog/schema.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { findProject } from "../projects/find-project.ts";

export type { ServiceName };
export type ServiceRow = Selectable<ServiceTable>;

/** @throws {BtarError} NOT_FOUND */
export async function findService(context: ControlPlaneContext, name: ServiceName): Promise<ServiceRow> {
  const row = await latestOfName(context, name);
  if (!row || row.deleted_at) throw notFound(name);
  return row;
}

/**
 * The service of that name, or the one that had it last; for backups and jobs outlive their service.
 * @throws {BtarError} NOT_FOUND
 */
export async function findServiceEvenDeleted(context: ControlPlaneContext, name: ServiceName): Promise<ServiceRow> {
  const row = await latestOfName(context, name);
  if (!row) throw notFound(name);
  return row;
}

/** The living service of a name, else the one that was deleted last. @throws {BtarError} NOT_FOUND for the project */
async function latestOfName(context: ControlPlaneContext, name: ServiceName): Promise<ServiceRow | undefined> {
  const row = await context.catalog.db
    .selectFrom("service")
    .selectAll()
    .where("project", "=", name.project)
    .where("name", "=", name.service)
    .orderBy("deleted_at", (order) => order.desc().nullsFirst())
    .limit(1)
    .executeTakeFirst();
  if (!row) await findProject(context, name.project);
  return row;
}

/** Not worded "Service … does not exist": clients of the API repeat a POST that is answered so. */
export function notFound({ project, service }: ServiceName): BtarError {
  return new BtarError("NOT_FOUND", {
    message: `Service not found: ${service} in project ${project}`,
    hint: "btar service list shows those that there are, and --deleted those that were",
  });
}
