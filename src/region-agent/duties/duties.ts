import { sql } from "kysely";
import { type Duty, holdDuty, releaseDuty } from "../../catalog/leases.ts";
import { describeError } from "../../domain/errors.ts";
import type { AgentEnvironment } from "../environment.ts";
import { archiveLog } from "./archive-log.ts";
import { copyLog } from "./copy-log.ts";
import { setLocationTrouble } from "./location-trouble.ts";
import { mergeLogs } from "./merge-log.ts";
import { watchReservation } from "./watch-reservation.ts";
import { pause } from "../../platform/pause.ts";
import { RepeatedWork } from "../../platform/repeated-work.ts";

const reconcileEveryMs = 1000;
const firstRetryMs = 500;
const maxRetryMs = 15_000;

interface RunningDuty {
  readonly duty: Duty;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Keeps the continuous duties of this agent's cloud going: one agent each, by lease. */
export class Duties {
  readonly #env: AgentEnvironment;
  readonly #running = new Map<string, RunningDuty>();
  readonly #work: RepeatedWork;

  constructor(env: AgentEnvironment) {
    this.#env = env;
    this.#work = new RepeatedWork(() => this.#reconcile(), {
      everyMs: reconcileEveryMs,
      // The catalog does not answer. Duties go on; they are looked at again when it does.
      onFailure: (reason) => env.logger.warn({ reason }, "duties cannot be compared with the catalog"),
    });
  }

  start(): void {
    this.#work.start();
  }

  async stop(): Promise<void> {
    await this.#work.stop();
    await Promise.all([...this.#running.values()].map((running) => this.#end(running)));
  }

  async #reconcile(): Promise<void> {
    const wanted = new Map((await this.#wanted()).map((duty) => [keyOf(duty), duty]));
    for (const [key, running] of this.#running) {
      const stillHeld = wanted.has(key) && (await holdDuty(this.#env.catalog.db, running.duty, this.#env.agentId));
      if (!stillHeld) await this.#end(running);
    }
    for (const [key, duty] of wanted) {
      if (this.#running.has(key) || this.#work.signal.aborted) continue;
      if (await holdDuty(this.#env.catalog.db, duty, this.#env.agentId)) this.#begin(duty);
    }
  }

  async #wanted(): Promise<readonly Duty[]> {
    const { db } = this.#env.catalog;
    const { cloud, agentId } = this.#env;
    const archived = await db
      .selectFrom("service")
      .select(["id", "deleted_at"])
      .where("cloud", "=", cloud)
      .where((eb) => eb.or([eb("deleted_at", "is", null), isServerEnding]))
      .where("state", "in", ["RUNNING", "REBALANCING"]) // one that is to be off is, until it is
      .where((eb) => eb.or([eb("kind", "=", "attached"), eb("agent_id", "=", agentId)]))
      .execute();
    const copied = await db
      .selectFrom("location")
      .select("service_id")
      .where("cloud", "=", cloud)
      .where("role", "=", "secondary")
      .where("state", "=", "active")
      .where("is_paused", "=", false)
      .where(isNotBeingRemoved)
      .execute();
    const merged = await db
      .selectFrom("location")
      .innerJoin("service", "service.id", "location.service_id")
      .select("location.service_id")
      .where("location.cloud", "=", cloud)
      .where("location.state", "=", "active")
      .where("service.deleted_at", "is", null)
      .where(isNotBeingRemoved)
      .execute();
    return [
      ...archived.map(({ id }) => ({ duty: "archive-log" as const, serviceId: id, cloud })),
      ...archived.flatMap(({ id, deleted_at }) =>
        deleted_at ? [] : [{ duty: "watch-slot" as const, serviceId: id, cloud }],
      ),
      ...copied.map(({ service_id }) => ({ duty: "copy-log" as const, serviceId: service_id, cloud })),
      ...merged.map(({ service_id }) => ({ duty: "merge-log" as const, serviceId: service_id, cloud })),
    ];
  }

  #begin(duty: Duty): void {
    const stop = new AbortController();
    const ended = this.#persist(duty, stop.signal);
    this.#running.set(keyOf(duty), { duty, stop, ended });
  }

  async #end(running: RunningDuty): Promise<void> {
    running.stop.abort();
    await running.ended;
    this.#running.delete(keyOf(running.duty));
    await releaseDuty(this.#env.catalog.db, running.duty, this.#env.agentId);
  }

  /** Runs a duty, again and again with back-off when it fails, until it is told to end. */
  async #persist(duty: Duty, signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      const startedAt = Date.now();
      try {
        await carryOut(this.#env, duty, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (Date.now() - startedAt > maxRetryMs) failures = 0;
        failures += 1;
        await this.#show(duty, describeError(error));
      }
      await pause(Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(failures, 10)), signal);
    }
  }

  async #show(duty: Duty, trouble: string): Promise<void> {
    this.#env.logger.warn({ ...duty, trouble }, "a duty failed and is begun again");
    // The location's trouble is that of its log being stored.
    if (duty.duty === "watch-slot" || duty.duty === "merge-log") return;
    await setLocationTrouble(this.#env, duty.serviceId, duty.cloud, trouble).catch((error: unknown) =>
      this.#env.logger.warn(
        { reason: describeError(error) },
        "the trouble cannot be shown: the catalog does not answer",
      ),
    );
  }
}

/** The log of a deleted service's own server is stored to its end, with which it can be restored. */
const isServerEnding = sql<boolean>`service.kind = 'managed' and exists (select from job
  where job.service_id = service.id and job.kind = 'remove' and job.state in ('queued', 'running', 'waiting'))`;

/** A location that was enabled again while its copies are removed waits until that has ended. */
const isNotBeingRemoved = sql<boolean>`not exists (select from store_use where store_use.service_id = location.service_id
  and store_use.cloud = location.cloud and store_use.purpose = 'remove' and store_use.expires_at > now())`;

async function carryOut(env: AgentEnvironment, { duty, serviceId }: Duty, signal: AbortSignal): Promise<void> {
  switch (duty) {
    case "archive-log":
      return await archiveLog(env, serviceId, signal);
    case "watch-slot":
      return await watchReservation(env, serviceId, signal);
    case "copy-log":
      return await copyLog(env, serviceId, signal);
    case "merge-log":
      return await mergeLogs(env, serviceId, signal);
  }
}

function keyOf(duty: Duty): string {
  return `${duty.duty} ${duty.serviceId}`;
}
