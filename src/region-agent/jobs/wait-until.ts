import { setTimeout as sleep } from "node:timers/promises";
import { BtarError } from "../../domain/errors.ts";

const firstWaitMs = 10;

/**
 * Asks again and again until `condition` holds: soon at first, then less often, up to every `everyMs`.
 * @throws {BtarError} CANCELLED when the signal fires
 */
export async function waitUntil(
  options: { readonly signal: AbortSignal; readonly everyMs: number },
  condition: () => Promise<boolean>,
): Promise<void> {
  for (let waitMs = firstWaitMs; !(await condition()); waitMs = Math.min(2 * waitMs, options.everyMs)) {
    try {
      await sleep(waitMs, undefined, { signal: options.signal });
    } catch (cause) {
      throw new BtarError("CANCELLED", { message: "cancelled while waiting", cause });
    }
  }
}
