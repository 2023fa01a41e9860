import { cancelled, type Clock } from "../../src/platform/clock.ts";

interface Sleeper {
  readonly wakeAtMs: number;
  readonly wake: () => void;
}

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #nowMs: number;
  #sleepers: Sleeper[] = [];

  constructor(start: Date = new Date("2026-03-01T10:00:00Z")) {
    this.#nowMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  /** How many are asleep: a test waits for this before it moves the clock. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(cancelled(signal.reason));
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#sleepers = this.#sleepers.filter((each) => each !== sleeper);
        reject(cancelled(signal?.reason));
      };
      const sleeper: Sleeper = {
        wakeAtMs: this.#nowMs + ms,
        wake: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /** Moves the clock on and wakes those whose time has come, the earliest first. */
  async advance(ms: number): Promise<void> {
    const targetMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#sleepers.filter((each) => each.wakeAtMs <= targetMs).sort((a, b) => a.wakeAtMs - b.wakeAtMs)[0];
      if (!due) break;
      this.#sleepers = this.#sleepers.filter((each) => each !== due);
      this.#nowMs = Math.max(this.#nowMs, due.wakeAtMs);
      due.wake();
      // What was woken may sleep again before the target: let it run first.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.#nowMs = targetMs;
  }
}
