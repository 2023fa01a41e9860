import { recordEvent } from "../../catalog/events.ts";
import type { EventKind } from "../../domain/event-kinds.ts";
import type { ControlPlaneContext } from "../context.ts";
import { openStates } from "../jobs/job-fields.ts";
import type { ServiceRow } from "./find-service.ts";
import { protectedError } from "./update-plan.ts";
import { lockService } from "./update-service.ts";

/** Work on a service that ends with it. Copies go on: its backups stay for the grace time (D3). */
const endingKinds = ["provision", "fork", "apply", "backup"];

/**
 * Deletes a managed service, or detaches an attached one: its name is free at once, its server, or what an
 * attached one reserves for btar, goes by a job, and its backups stay for now (D3).
 * @throws {BtarError} SERVICE_PROTECTED, NOT_FOUND
 */
export async function deleteService(
  context: ControlPlaneContext,
  request: {
    readonly id: string;
    readonly actor: string;
    readonly event: (row: ServiceRow) => { readonly kind: EventKind; readonly message: string };
  },
): Promise<void> {
  const { id, actor } = request;
  await context.catalog.db.transaction().execute(async (trx) => {
    const row = await lockService(trx, id);
    if (row.termination_protection) throw protectedError();
    const { name, project, cloud } = row;
    await trx.updateTable("service").set({ deleted_at: context.clock.now() }).where("id", "=", id).execute();
    await recordEvent(trx, { project, service: row, severity: "info", actor, ...request.event(row) });
    await context.jobs.enqueue({ kind: "remove", cloud, project, service: { id, name }, input: {}, priority: 20 }, trx);
  });
  const ending = await context.catalog.db
    .selectFrom("job")
    .select("id")
    .where("service_id", "=", id)
    .where("kind", "in", endingKinds)
    .where("state", "in", openStates)
    .execute();
  for (const job of ending) await context.jobs.cancel(job.id);
}

/** What is told of a deletion that somebody asked for. */
export function deletionEvent({ kind, name }: ServiceRow): { readonly kind: EventKind; readonly message: string } {
  return {
    kind: "service_delete",
    message: kind === "attached" ? `Detached service '${name}'` : `Deleted service '${name}'`,
  };
}
