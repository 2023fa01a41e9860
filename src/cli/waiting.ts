import { setTimeout as sleep } from "node:timers/promises";
import { BtarError } from "../domain/errors.ts";
import type { Output } from "./output.ts";

const pollMs = 500;

export interface WaitOptions<T> {
  readonly output: Output;
  readonly timeoutSeconds?: number | undefined;
  /** @returns what was waited for; undefined: not yet, and then how far it is has been shown */
  readonly look: () => Promise<T | undefined>;
  /** For the messages: `shop runs`. */
  readonly what: string;
  /** What goes on when nobody waits any more, and how to come back to it. */
  readonly goesOn: () => { readonly message: string; readonly hint: string };
}

/**
 * Looks again and again. Ctrl-C ends the waiting, not what is waited for.
 * @throws {BtarError} TIMED_OUT; CANCELLED with `isInterrupted` in its details; whatever `look` throws
 */
export async function waitFor<T>(options: WaitOptions<T>): Promise<T> {
  const { output, timeoutSeconds, look, what, goesOn } = options;
  const interrupted = new AbortController();
  // It stays: one Ctrl-C may arrive twice, from the terminal and from npm, and the second must not end us silently.
  process.on("SIGINT", () => interrupted.abort());
  const deadline = timeoutSeconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutSeconds * 1000;
  const { promise: interruption, reject } = Promise.withResolvers<never>();
  interrupted.signal.addEventListener("abort", () =>
    reject(new BtarError("CANCELLED", { ...goesOn(), details: { isInterrupted: true } })),
  );
  const wait = async (): Promise<T> => {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) {
        const { message, hint } = goesOn();
        throw new BtarError("TIMED_OUT", { message: `not after ${timeoutSeconds} s: ${what}; ${message}`, hint });
      }
      await sleep(pollMs, undefined, { signal: interrupted.signal });
    }
  };
  try {
    return await Promise.race([wait(), interruption]);
  } finally {
    output.progressEnd();
  }
}
