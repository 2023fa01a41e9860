import { type Clock, systemClock, throwIfCancelled } from "../platform/clock.ts";

const sliceSeconds = 0.25;
const [smallestSlice, largestSlice] = [16 * 1024, 4 * 1024 * 1024];

/** What a copy asks before it reads the next bytes. */
export interface Pace {
  /** So many bytes are read at once at most. */
  readonly sliceBytes: number;
  /** Returns when that many bytes may be read. @throws {BtarError} CANCELLED when the signal fires */
  take(sizeBytes: number, signal: AbortSignal): Promise<void>;
}

interface Taker {
  readonly sizeBytes: number;
  readonly mayGo: () => void;
}

/**
 * How fast all copies from one cloud to another go together (C7). Those that are urgent, of log, go before all others,
 * so that the copy stays close to the primary however much there is to copy. Nothing is saved up for later.
 */
export class BandwidthLimit {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  readonly #takers: Readonly<Record<"urgent" | "other", Taker[]>> = { urgent: [], other: [] };
  #agents = 1;
  #isServing = false;

  constructor(bytesPerSecond: number, clock: Clock = systemClock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  /** Several processes have the limit together, each an equal share of it. */
  shareAmong(agents: number): void {
    this.#agents = Math.max(1, agents);
  }

  pace(options: { readonly isUrgent: boolean }): Pace {
    const queue = this.#takers[options.isUrgent ? "urgent" : "other"];
    const slice = Math.floor(this.#rate * sliceSeconds);
    return {
      sliceBytes: Math.min(largestSlice, Math.max(smallestSlice, slice)),
      take: async (sizeBytes, signal) => {
        throwIfCancelled(signal);
        const { promise, resolve } = Promise.withResolvers<void>();
        const taker = { sizeBytes, mayGo: resolve };
        const leave = () => {
          const at = queue.indexOf(taker);
          if (at >= 0) queue.splice(at, 1);
          resolve();
        };
        queue.push(taker);
        signal.addEventListener("abort", leave, { once: true });
        void this.#serve();
        await promise;
        signal.removeEventListener("abort", leave);
        throwIfCancelled(signal);
      },
    };
  }

  get #rate(): number {
    return this.#bytesPerSecond / this.#agents;
  }

  /** One after the other, each followed by a pause as long as its bytes take. */
  async #serve(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    const { urgent, other } = this.#takers;
    for (let next = urgent.shift() ?? other.shift(); next; next = urgent.shift() ?? other.shift()) {
      next.mayGo();
      await this.#clock.sleep((1000 * next.sizeBytes) / this.#rate);
    }
    this.#isServing = false;
  }
}
