import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { lockCompleteBackup } from "../../catalog/pins.ts";
import { freeServicePort, lockCreation } from "../../catalog/service-ports.ts";
import { BtarError } from "../../domain/errors.ts";
import { runnableVersions } from "../catalogue/service-types.ts";
import type { ControlPlaneContext } from "../context.ts";
import { openStates } from "../jobs/job-fields.ts";
import { findProject } from "../projects/find-project.ts";
import { forkVersion } from "../services/create-service.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { type ChosenBackup, chooseBackup } from "../services/fork-request.ts";
import { refuseTakenName } from "../services/service-rows.ts";
import { deletedServices } from "./deleted-fields.ts";

interface UndeleteRequest {
  readonly project: string;
  readonly name: string;
  readonly serviceId: string | undefined;
  readonly actor: string;
}

/**
 * Takes the deletion of a service back (D3): it is the same service again, with its backups, copies, users and
 * settings. A managed one is restored to its last moment in its own cloud; an attached one is taken into care again.
 * @throws {BtarError} NOT_FOUND, ALREADY_EXISTS, WRONG_STATE, NO_BACKUP, SERVER_BINARIES_MISSING
 */
export async function undeleteService(context: ControlPlaneContext, request: UndeleteRequest): Promise<void> {
  const { project, name, actor } = request;
  await findProject(context, project);
  const { id } = await chosenService(context, request);
  await context.catalog.db.transaction().execute(async (trx) => {
    await lockCreation(trx);
    await refuseTakenName(trx, project, name);
    const row = await lockDeleted(trx, id);
    await refuseUnrestorable(trx, row);
    const chosen = row.kind === "managed" ? await chooseLatest(context, row) : undefined;
    if (chosen) await lockCompleteBackup(trx, { backupId: chosen.backupId, cloud: row.cloud });
    await trx
      .updateTable("service")
      .set({
        deleted_at: null,
        state: "REBUILDING",
        trouble: null,
        is_powered: true,
        agent_id: null,
        updated_at: context.clock.now(),
        ...(row.kind === "managed" && { port: await portOf(trx, context, row) }),
      })
      .where("id", "=", id)
      .execute();
    await recordEvent(trx, {
      ...{ project, service: row, kind: "service_undelete", severity: "info", actor },
      message: chosen ? `Restoring deleted service '${name}' from ${chosen.backupId}` : `Attaching '${name}' again`,
    });
    await context.jobs.enqueue(
      {
        ...{ kind: chosen ? "fork" : "provision", cloud: row.cloud, project, service: { id, name }, priority: 10 },
        input: chosen ? { source: { serviceId: id }, ...chosen } : {},
      },
      trx,
    );
  });
}

async function chosenService(context: ControlPlaneContext, request: UndeleteRequest): Promise<ServiceRow> {
  const { project, name, serviceId } = request;
  const deleted = await deletedServices(context, project);
  const chosen = deleted.find((row) => row.name === name && (serviceId ?? row.id) === row.id);
  if (chosen) return chosen;
  // A name that is in use is the likelier mistake.
  await refuseTakenName(context.catalog.db, project, name);
  const names = [...new Set(deleted.map((row) => row.name))];
  throw new BtarError("NOT_FOUND", {
    message: `There is no deleted service ${name}${serviceId === undefined ? "" : ` with id ${serviceId}`} that still has backups`,
    hint: names.length > 0 ? `there are: ${names.join(", ")}` : "there are none in this project",
  });
}

async function lockDeleted(trx: CatalogDatabase, id: string): Promise<ServiceRow> {
  const row = await trx
    .selectFrom("service")
    .selectAll()
    .where("id", "=", id)
    .where("deleted_at", "is not", null)
    .forUpdate()
    .executeTakeFirst();
  if (row) return row;
  throw new BtarError("NOT_FOUND", { message: "The service was restored, or its backups were removed, meanwhile" });
}

/** Its server must be gone, or its removal would strike the new one; and its own backups must stay. */
async function refuseUnrestorable(trx: CatalogDatabase, { id, name, cloud }: ServiceRow): Promise<void> {
  const removal = await trx
    .selectFrom("job")
    .select("id")
    .where("service_id", "=", id)
    .where("kind", "=", "remove")
    .where("state", "in", openStates)
    .executeTakeFirst();
  if (removal) {
    throw new BtarError("WRONG_STATE", {
      message: `The server of ${name} is still being removed in ${cloud}, or its reservation is`,
      hint: `try again when job ${removal.id} has ended; a copy can be forked meanwhile`,
    });
  }
  const primary = await trx
    .selectFrom("location")
    .select("state")
    .where("service_id", "=", id)
    .where("role", "=", "primary")
    .forUpdate()
    .executeTakeFirst();
  if (primary?.state === "active") return;
  throw new BtarError("WRONG_STATE", {
    message: `The grace time of ${name} is over: its backups in ${cloud} are being removed`,
    hint: "fork it, if `btar service list --deleted` still shows backups elsewhere",
  });
}

async function chooseLatest(context: ControlPlaneContext, row: ServiceRow): Promise<ChosenBackup> {
  const { cloud, engine } = row;
  forkVersion(row, { cloud, versions: await runnableVersions(context, engine, cloud) });
  return await chooseBackup(context, { source: row, cloud, time: undefined, gtid: undefined, backup: undefined });
}

/** Its old one, if nobody has got it since: clients know it. */
async function portOf(trx: CatalogDatabase, context: ControlPlaneContext, row: ServiceRow): Promise<number> {
  const { ports } = context.configuration.services;
  return await freeServicePort(trx, ports, { wanted: row.port ?? undefined });
}
