import { performance } from "node:perf_hooks";
import type { RunningJob } from "../../catalog/job-queue.ts";
import type { ServerDriver } from "../../engine/server.ts";
import type { AgentEnvironment } from "../environment.ts";
import { waitUntil } from "./wait-until.ts";

const longestMs = 30_000;
/** Far longer than an archiver needs to begin after its server has. */
const longestBeginMs = 10_000;

/**
 * Stops a managed server once its archiver reads its log, and waits until all that it sent is stored: its last commits
 * are restored with the rest, if somebody restores or forks the service. A store that is down is not waited for.
 */
export async function stopWithLastLog(
  env: AgentEnvironment,
  { serviceId, signal }: RunningJob,
  { server, directory }: { readonly server: ServerDriver; readonly directory: string },
): Promise<void> {
  const waitForArchiver = async (isRunning: boolean, patienceMs: number) => {
    const untilMs = performance.now() + patienceMs;
    await waitUntil({ signal, everyMs: 200 }, async () => {
      return performance.now() > untilMs || env.archivers.isRunning(serviceId) === isRunning;
    });
  };
  if ((await server.status(directory)).state === "running") await waitForArchiver(true, longestBeginMs);
  await server.stop(directory);
  await waitForArchiver(false, longestMs);
}
