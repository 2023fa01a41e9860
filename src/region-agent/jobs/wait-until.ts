import { setTimeout as sleep } from "node:timers/promises";
import { BtarError } from "../../domain/errors.ts";

/** Asks again and again until `condition` holds. @throws {BtarError} CANCELLED when the signal fires */
export async function waitUntil(
  options: { readonly signal: AbortSignal; readonly everyMs: number },
  condition: () => Promise<boolean>,
): Promise<void> {
  while (!(await condition())) {
    try {
      await sleep(options.everyMs, undefined, { signal: options.signal });
    } catch (cause) {
      throw new BtarError("CANCELLED", { message: "cancelled while waiting", cause });
    }
  }
}
