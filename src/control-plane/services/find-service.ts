import type { Selectable } from "kysely";
import type { ServiceTable } from "../../catalog/schema.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import { findProject } from "../projects/find-project.ts";

export type ServiceRow = Selectable<ServiceTable>;

/** A service as paths name it. */
export interface ServiceName {
  readonly project: string;
  readonly service: string;
}

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
async function latestOfName(
  context: ControlPlaneContext,
  { project, service }: ServiceName,
): Promise<ServiceRow | undefined> {
  await findProject(context, project);
  return await context.catalog.db
    .selectFrom("service")
    .selectAll()
    .where("project", "=", project)
    .where("name", "=", service)
    .orderBy("deleted_at", (order) => order.desc().nullsFirst())
    .limit(1)
    .executeTakeFirst();
}

/** Not worded "Service … does not exist": clients of the API repeat a POST that is answered so. */
function notFound({ project, service }: ServiceName): BtarError {
  return new BtarError("NOT_FOUND", { message: `Service not found: ${service} in project ${project}` });
}
