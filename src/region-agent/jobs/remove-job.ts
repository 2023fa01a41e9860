import { rm } from "node:fs/promises";
import { recordEvent } from "../../catalog/events.ts";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { isBtarError } from "../../domain/errors.ts";
import type { AgentEnvironment } from "../environment.ts";
import { addressOf, loadService, reservationName, serverDirectory } from "../service-context.ts";
import { stopWithLastLog } from "./stop-with-last-log.ts";

/** Ends a deleted service: the managed server goes, an attached one is let go of. Its backups stay (D3). */
export async function runRemoveJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  return await env.locks.run(job.serviceId, async () => {
    const service = await loadService(env, job.serviceId);
    const { row } = service;
    const { source } = env.engines.of(row.engine);
    if (row.kind === "managed") {
      job.progress({ phase: "removing the server" });
      await stopWithLastLog(env, job, service);
      await rm(serverDirectory(env, row.id), { recursive: true, force: true });
      return { removed: true };
    }
    if (service.secrets.attachedUri === undefined) return { slotDropped: false }; // known from a store alone
    job.progress({ phase: "dropping the replication slot" });
    try {
      await source.dropReservation(addressOf(env, service), {
        reservation: reservationName(row.id),
        signal: job.signal,
      });
      return { slotDropped: true };
    } catch (error) {
      if (!isBtarError(error, "SERVER_UNREACHABLE", "SERVER_REFUSED") || job.attempt < maxAttempts) throw error;
      await recordEvent(env.catalog.db, {
        project: row.project,
        service: row,
        kind: "slot_left_behind",
        severity: "warning",
        message: `the replication slot of ${row.name} could not be dropped (${error.message}): run SELECT pg_drop_replication_slot('${reservationName(row.id)}') on the server, or its disk fills`,
      });
      return { slotDropped: false };
    }
  });
}

/** With the queue's back-off, about an hour. */
const maxAttempts = 60;
