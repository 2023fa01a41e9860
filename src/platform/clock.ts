import { setTimeout as delay } from "node:timers/promises";
import { BtarError } from "../domain/errors.ts";

/** The time and the passing of it, so that tests need not wait. */
export interface Clock {
  now(): Date;
  /** @throws {BtarError} CANCELLED as soon as `signal` fires */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, signal ? { signal } : {});
    } catch (cause) {
      throw cancelled(cause);
    }
  },
};

/** The error of whatever was given up because its signal fired. */
export function cancelled(cause?: unknown): BtarError {
  return new BtarError("CANCELLED", { message: "cancelled", cause });
}

/** @throws {BtarError} CANCELLED when `signal` has fired */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal.reason);
}
