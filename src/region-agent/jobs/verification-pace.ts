import { performance } from "node:perf_hooks";
import { sql } from "kysely";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { BtarError } from "../../domain/errors.ts";
import { systemClock } from "../../platform/clock.ts";
import type { AgentEnvironment } from "../environment.ts";

/** So often it is looked whether somebody waits. */
const lookEveryMs = 2000;

/** The pace of a verification that is to be slow; undefined: it reads as fast as it goes. */
export function pacedBy(env: AgentEnvironment, { input, signal }: RunningJob): Pace | undefined {
  const perSecond = input["bytesPerSecond"];
  if (typeof perSecond !== "number" || perSecond <= 0) return undefined;
  return new Pace({ perSecond, isWaitedFor: () => isOneByHandQueued(env), signal });
}

/** An agent verifies one thing at a time: what a person has asked for goes before what the schedule has. */
async function isOneByHandQueued({ catalog, cloud }: AgentEnvironment): Promise<boolean> {
  const found = await catalog.db
    .selectFrom("job")
    .select("id")
    .where("kind", "=", "verify")
    .where("cloud", "=", cloud)
    .where("state", "=", "queued")
    .where(sql<boolean>`not input ? 'bytesPerSecond'`)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}

/** Keeps reading slow, so that backups and forks have the store. */
export class Pace {
  readonly #perSecond: number;
  readonly #isWaitedFor: () => Promise<boolean>;
  readonly #signal: AbortSignal;
  readonly #startedAtMs = performance.now();
  #lookedAtMs = this.#startedAtMs;
  #bytes = 0;

  /** @param options.perSecond bytes */
  constructor(options: {
    readonly perSecond: number;
    readonly isWaitedFor: () => Promise<boolean>;
    readonly signal: AbortSignal;
  }) {
    this.#perSecond = options.perSecond;
    this.#isWaitedFor = options.isWaitedFor;
    this.#signal = options.signal;
  }

  /**
   * Waits until so many bytes were due.
   * @throws {BtarError} POSTPONED when others have waited meanwhile; what is left is read when they are done
   */
  async took(bytes: number): Promise<void> {
    this.#bytes += bytes;
    const dueMs = this.#startedAtMs + (this.#bytes / this.#perSecond) * 1000;
    do {
      const nowMs = performance.now();
      if (nowMs - this.#lookedAtMs >= lookEveryMs) {
        this.#lookedAtMs = nowMs;
        if (await this.#isWaitedFor()) throw postponed();
      }
      const aheadMs = Math.min(dueMs - nowMs, lookEveryMs);
      if (aheadMs > 0) await systemClock.sleep(aheadMs, this.#signal);
    } while (performance.now() < dueMs);
  }
}

function postponed(): BtarError {
  return new BtarError("POSTPONED", {
    message: "it makes way for a verification that somebody has asked for",
    hint: "it goes on by itself where it was",
  });
}
