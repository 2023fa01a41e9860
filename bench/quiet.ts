import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { cpuSecondsOfTree } from "./process-figures.ts";

const run = promisify(execFile);
const deadlineMs = 120_000;
const lookMs = 500;
/** Of one core, by all that was started. */
const idleShare = 0.06;

/** Waits until the disk has everything, and neither server nor btar uses the processor. */
export async function waitUntilIdle(signal: AbortSignal): Promise<void> {
  await run("sync", { signal });
  for (const deadline = Date.now() + deadlineMs; Date.now() < deadline; ) {
    const before = cpuSecondsOfTree(process.pid);
    await sleep(lookMs, undefined, { signal });
    if (cpuSecondsOfTree(process.pid) - before < (idleShare * lookMs) / 1000) return;
  }
  throw new Error("btar or the server uses the processor still, 2 minutes after the last work");
}

/** Looks again and again; `what` tells what did not come about. */
export async function waitFor(
  what: string,
  isSo: () => Promise<boolean>,
  options: { readonly signal: AbortSignal; readonly everyMs?: number },
): Promise<void> {
  for (const deadline = Date.now() + deadlineMs; !(await isSo()); await sleep(options.everyMs ?? 100)) {
    options.signal.throwIfAborted();
    if (Date.now() > deadline) throw new Error(`${what}: not within 2 minutes`);
  }
}
