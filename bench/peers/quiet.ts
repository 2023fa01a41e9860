import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { cpuSecondsOfTree } from "../process-figures.ts";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";

const run = promisify(execFile);
const deadlineMs = 120_000;
const lookMs = 500;
/** Of one core, by all that was started. */
const idleShare = 0.06;

/**
 * Waits until nothing is left of what happened before, so that it does not count in what comes next: the server has
 * written its pages, its log is archived, the disk has all, and neither server nor btar uses the processor.
 */
export async function waitUntilQuiet(cluster: Cluster, signal: AbortSignal): Promise<void> {
  await cluster.sql("checkpoint");
  for (const deadline = Date.now() + deadlineMs; !(await cluster.hasArchivedAll()); await sleep(100)) {
    signal.throwIfAborted();
    if (Date.now() > deadline) throw new Error("the server's WAL is not archived after 2 minutes");
  }
  await run("sync", { signal });
  for (const deadline = Date.now() + deadlineMs; Date.now() < deadline; ) {
    const before = cpuSecondsOfTree(process.pid);
    await sleep(lookMs, undefined, { signal });
    if (cpuSecondsOfTree(process.pid) - before < (idleShare * lookMs) / 1000) return;
  }
  throw new Error("btar or the server uses the processor still, 2 minutes after the last work");
}
