import { performance } from "node:perf_hooks";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { describeError } from "../../domain/errors.ts";
import type { AgentEnvironment } from "../environment.ts";
import { type ServiceContext, serverDirectory, specOf } from "../service-context.ts";
import { waitUntil } from "./wait-until.ts";

const longestMs = 30_000;
/** Far longer than an archiver needs to begin after its server has. */
const longestBeginMs = 10_000;

/**
 * Stops a managed server once its archiver reads its log, and waits until all that it sent is stored: its last commits
 * are restored with the rest, if somebody restores or forks the service. A store that is down is not waited for. One
 * that an attempt before, cut off since, had stopped already is started for it once more.
 */
export async function stopWithLastLog(env: AgentEnvironment, job: RunningJob, service: ServiceContext): Promise<void> {
  const { serviceId, signal } = job;
  const directory = serverDirectory(env, serviceId);
  const { server } = env.engines.of(service.row.engine);
  const waitForArchiver = async (isRunning: boolean, patienceMs: number) => {
    const untilMs = performance.now() + patienceMs;
    await waitUntil({ signal, everyMs: 200 }, async () => {
      return performance.now() > untilMs || env.archivers.isRunning(serviceId) === isRunning;
    });
  };
  if (job.attempt > 1 && service.row.state !== "POWEROFF") await startAgain(env, job, service);
  if ((await server.status(directory)).state === "running") await waitForArchiver(true, longestBeginMs);
  await server.stop(directory);
  await waitForArchiver(false, longestMs);
}

/** What cannot start has no log to give: that must not keep it from being powered off, or deleted. */
async function startAgain(env: AgentEnvironment, job: RunningJob, service: ServiceContext): Promise<void> {
  const directory = serverDirectory(env, service.row.id);
  const { server } = env.engines.of(service.row.engine);
  if ((await server.status(directory)).state !== "stopped") return;
  try {
    await server.start(directory, specOf(env, service), { signal: job.signal });
  } catch (error) {
    job.signal.throwIfAborted();
    const about = { service: service.row.name, reason: describeError(error) };
    env.logger.warn(about, "the server does not start: what it committed last, and was not stored yet, is not stored");
  }
}
