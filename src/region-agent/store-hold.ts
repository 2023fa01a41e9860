import { performance } from "node:perf_hooks";
import type { RunningJob } from "../catalog/job-queue.ts";
import { releaseStoreUse, renewStoreUse, type StoreUse, storeUseSeconds, takeStoreUse } from "../catalog/store-use.ts";
import { BtarError, describeError } from "../domain/errors.ts";
import type { AgentEnvironment } from "./environment.ts";
import { waitUntil } from "./jobs/wait-until.ts";
import { pause } from "../platform/pause.ts";

const renewEveryMs = 3000;
/** Where something must not go on without the use, it ends this long before the use is over. */
const spareMs = 10_000;

/** Use of what a service has in a store, renewed for as long as it is held. */
export class StoreHold {
  readonly #env: AgentEnvironment;
  readonly #use: StoreUse;
  readonly #stop = new AbortController();
  readonly #lost = new AbortController();
  #renewedAt: Moment;
  #renewing: Promise<void> = Promise.resolve();

  private constructor(env: AgentEnvironment, use: StoreUse, renewedAt: Moment) {
    this.#env = env;
    this.#use = use;
    this.#renewedAt = renewedAt;
  }

  /** @returns undefined when others use the store in a way that does not allow it */
  static async take(env: AgentEnvironment, use: StoreUse): Promise<StoreHold | undefined> {
    const askedAt = momentNow();
    if (!(await takeStoreUse(env.catalog.db, use))) return undefined;
    const hold = new StoreHold(env, use, askedAt);
    hold.#renewing = hold.#renew();
    return hold;
  }

  /** As `take`, while others may be about to let it go. */
  static async takeWithin(
    env: AgentEnvironment,
    use: StoreUse,
    options: { readonly patienceMs: number; readonly signal: AbortSignal },
  ): Promise<StoreHold | undefined> {
    const untilMs = performance.now() + options.patienceMs;
    let hold: StoreHold | undefined;
    await waitUntil({ signal: options.signal, everyMs: 500 }, async () => {
      hold = await StoreHold.take(env, use);
      return hold !== undefined || performance.now() > untilMs;
    });
    return hold;
  }

  /** Fires when the use is known to be lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** @throws {BtarError} OBJECT_REMOVED when somebody else may have the use by now */
  check(): void {
    const limitMs = storeUseSeconds * 1000 - spareMs;
    if (!this.#lost.signal.aborted && ageMs(this.#renewedAt) < limitMs) return;
    throw lostError(this.#use);
  }

  async release(): Promise<void> {
    this.#stop.abort();
    await this.#renewing;
    await releaseStoreUse(this.#env.catalog.db, this.#use);
  }

  async #renew(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await pause(renewEveryMs, signal);
      if (signal.aborted) return;
      const askedAt = momentNow();
      try {
        if (!(await renewStoreUse(this.#env.catalog.db, this.#use))) {
          this.#lost.abort(lostError(this.#use));
          return;
        }
        this.#renewedAt = askedAt;
      } catch (error) {
        // Nobody else can take it either while the catalog does not answer.
        this.#env.logger.warn({ ...this.#use, reason: describeError(error) }, "the use of a store cannot be renewed");
      }
    }
  }
}

/** Runs a job that writes a service's backups into this cloud's store, when nothing is being removed there. */
export async function whileWriting<T>(
  env: AgentEnvironment,
  job: RunningJob,
  run: (job: RunningJob) => Promise<T>,
): Promise<T> {
  const { serviceId, signal } = job;
  const use: StoreUse = { serviceId, cloud: env.cloud, holder: `${env.agentId} ${job.id}`, purpose: "write" };
  let hold = await StoreHold.take(env, use);
  while (!hold) {
    job.progress({ phase: "waiting until old backups are removed from the store" });
    hold = await StoreHold.takeWithin(env, use, { patienceMs: renewEveryMs, signal });
  }
  try {
    return await run({ ...job, signal: AbortSignal.any([signal, hold.lost]) });
  } finally {
    await hold.release();
  }
}

function lostError({ serviceId, cloud }: StoreUse): BtarError {
  return new BtarError("OBJECT_REMOVED", {
    message: `the store of ${cloud} may be used by others now for service ${serviceId}: this agent was paused, or the catalog did not answer`,
    hint: "it is begun again by itself",
  });
}

/** One clock may be set, the other one may stand while the machine sleeps. */
interface Moment {
  readonly wallMs: number;
  readonly steadyMs: number;
}

function momentNow(): Moment {
  return { wallMs: Date.now(), steadyMs: performance.now() };
}

function ageMs({ wallMs, steadyMs }: Moment): number {
  return Math.max(Date.now() - wallMs, performance.now() - steadyMs);
}
