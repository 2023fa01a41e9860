import { type Clock, systemClock } from "./clock.ts";

/** Waits; no longer than until `signal` fires, which is no error: whoever goes round and round looks at it next. */
export async function pause(ms: number, signal: AbortSignal, clock: Clock = systemClock): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
