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

/** Living services by name, in that order; undefined for each that is none. */
export async function findServices(
  context: ControlPlaneContext,
  names: readonly ServiceName[],
): Promise<readonly (ServiceRow | undefined)[]> {
  const rows = await latestOfNames(context, names);
  return rows.map((row) => (row?.deleted_at ? undefined : row));
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
  const [row] = await latestOfNames(context, [name]);
  if (!row) await findProject(context, name.project);
  return row;
}

async function latestOfNames(
  { catalog }: ControlPlaneContext,
  names: readonly ServiceName[],
): Promise<readonly (ServiceRow | undefined)[]> {
  const rows = await catalog.db
    .selectFrom("service")
    .selectAll()
    .where("project", "in", [...new Set(names.map(({ project }) => project))])
    .where("name", "in", [...new Set(names.map(({ service }) => service))])
    .orderBy("deleted_at", (order) => order.desc().nullsFirst())
    .execute();
  const firstOfName = new Map<string, ServiceRow>();
  for (const row of rows.toReversed()) firstOfName.set(`${row.project}/${row.name}`, row);
  return names.map(({ project, service }) => firstOfName.get(`${project}/${service}`));
}

/** Not worded "Service … does not exist": clients of the API repeat a POST that is answered so. */
function notFound({ project, service }: ServiceName): BtarError {
  return new BtarError("NOT_FOUND", { message: `Service not found: ${service} in project ${project}` });
}
