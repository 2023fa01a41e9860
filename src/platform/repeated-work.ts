import { describeError } from "../domain/errors.ts";
import { type Clock, systemClock } from "./clock.ts";
import { pause } from "./pause.ts";

interface RepeatedWorkOptions {
  /** Between the end of one round and the begin of the next. */
  readonly everyMs: number;
  /** Told when a round fails: of rounds that fail one after the other for the same reason, of the first one. */
  readonly onFailure: (reason: string) => void;
  /** The system's by default. */
  readonly clock?: Clock;
}

/** Work that is done again and again in the background; a round that fails is followed by the next one. */
export class RepeatedWork {
  readonly #round: (signal: AbortSignal) => Promise<unknown>;
  readonly #options: RepeatedWorkOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  /** @param round handed a signal that fires when it is to end */
  constructor(round: (signal: AbortSignal) => Promise<unknown>, options: RepeatedWorkOptions) {
    this.#round = round;
    this.#options = options;
  }

  /** Fires when the work is stopped. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Begins with a round. */
  start(): void {
    this.#loop = this.#run();
  }

  /** Waits for the round that is under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { everyMs, onFailure, clock = systemClock } = this.#options;
    const { signal } = this.#stop;
    let told = "";
    while (!signal.aborted) {
      try {
        await this.#round(signal);
        told = "";
      } catch (error) {
        const reason = describeError(error);
        if (reason !== told) onFailure(reason);
        told = reason;
      }
      await pause(everyMs, signal, clock);
    }
  }
}
