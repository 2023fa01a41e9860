import { setTimeout as sleep } from "node:timers/promises";
import { recordEvent } from "../../catalog/events.ts";
import { newestLogRange } from "../../catalog/log-ranges.ts";
import type { AgentEnvironment } from "../environment.ts";
import { addressOf, loadService, reservationName } from "../service-context.ts";

const everyMs = 10_000;

/**
 * Watches how much log the server holds back for btar, and says so before its disk fills. A duty of its own: it
 * matters most while storing the log fails or waits.
 */
export async function watchReservation(env: AgentEnvironment, serviceId: string, signal: AbortSignal): Promise<void> {
  let isWarned = false;
  for (;;) {
    await sleep(everyMs, undefined, { signal });
    const service = await loadService(env, serviceId);
    const { row } = service;
    const newest = await newestLogRange(env.catalog.db, { serviceId, cloud: env.cloud });
    const state = await env.engines.of(row.engine).source.reservation(addressOf(env, service), {
      reservation: reservationName(serviceId),
      stored: newest && { position: newest.end },
      signal,
    });
    const limit = env.configuration.limits.retainedLogBytes;
    const isOver = state.retainedBytes > limit;
    if (isOver === isWarned) continue;
    isWarned = isOver;
    const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
    await recordEvent(env.catalog.db, {
      project: row.project,
      service: row,
      kind: isOver ? "slot_holds_wal" : "slot_released_wal",
      severity: isOver ? "warning" : "info",
      message: isOver
        ? `${row.name} holds back ${gib(state.retainedBytes)} of log for btar (limit ${gib(limit)}): its disk may fill; see why the log is not stored in ${env.cloud}, or detach the service`
        : `${row.name} holds back less than ${gib(limit)} of log again`,
    });
  }
}
