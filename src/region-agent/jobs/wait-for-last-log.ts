import { performance } from "node:perf_hooks";
import type { RunningJob } from "../../catalog/job-queue.ts";
import type { AgentEnvironment } from "../environment.ts";
import { waitUntil } from "./wait-until.ts";

const longestMs = 30_000;

/**
 * Waits until what a managed server has sent before it was stopped is stored: its last commits are restored with the
 * rest, if somebody restores or forks the service. A store that is down is not waited for.
 */
export async function waitForLastLog(env: AgentEnvironment, { serviceId, signal }: RunningJob): Promise<void> {
  const untilMs = performance.now() + longestMs;
  await waitUntil({ signal, everyMs: 200 }, async () => {
    return performance.now() > untilMs || !env.archivers.isRunning(serviceId);
  });
}
