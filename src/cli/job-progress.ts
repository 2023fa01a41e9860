import { setTimeout as sleep } from "node:timers/promises";
import { BtarError, type ErrorCode, errorRules } from "../domain/errors.ts";
import type { JobAnswer } from "./api-answers.ts";
import type { ApiClient } from "./api-client.ts";
import { formatBytes } from "./format.ts";
import type { Output } from "./output.ts";

const pollMs = 500;
const barWidth = 24;

/**
 * Follows a job to its end, showing how far it is. Ctrl-C ends the following, not the job.
 * @throws {BtarError} of the job's own failure; CANCELLED when it was cancelled or the following was interrupted
 */
export async function followJob(api: ApiClient, output: Output, jobId: string): Promise<JobAnswer> {
  const interrupted = new AbortController();
  const onSignal = () => interrupted.abort();
  process.once("SIGINT", onSignal);
  try {
    for (;;) {
      const { job } = await api.inProject<{ job: JobAnswer }>("GET", `/jobs/${jobId}`);
      output.progress(describeJob(job));
      if (job.state === "complete") return job;
      if (job.state === "failed") throw jobError(job);
      if (job.state === "cancelled") throw new BtarError("CANCELLED", { message: `the ${job.kind} was cancelled` });
      await sleep(pollMs, undefined, { signal: interrupted.signal }).catch(() => undefined);
      if (interrupted.signal.aborted) {
        throw new BtarError("CANCELLED", {
          message: `the ${job.kind} goes on`,
          hint: `watch it with \`btar jobs watch ${jobId}\`, end it with \`btar jobs cancel ${jobId}\``,
          details: { isInterrupted: true },
        });
      }
    }
  } finally {
    output.progressEnd();
    process.removeListener("SIGINT", onSignal);
  }
}

/** One line: what it does, how far, and why it waits. */
export function describeJob(job: JobAnswer): string {
  const { progress } = job;
  const parts = [progress && job.state === "running" ? progress.phase : job.state];
  if (progress?.done !== undefined && progress.total !== undefined && progress.total > 0) {
    const share = Math.min(1, progress.done / progress.total);
    const filled = Math.round(share * barWidth);
    parts.push(`${"█".repeat(filled)}${"░".repeat(barWidth - filled)} ${Math.floor(share * 100)} %`);
    if (progress.unit === "bytes") parts.push(`${formatBytes(progress.done)} of ${formatBytes(progress.total)}`);
  }
  if (progress?.detail !== undefined && job.state === "running") parts.push(progress.detail);
  if (job.trouble !== null) parts.push(`waits: ${job.trouble}`);
  return parts.join("  ");
}

function jobError(job: JobAnswer): BtarError {
  const code = (job.error_code ?? "").toUpperCase();
  return new BtarError(code in errorRules ? (code as ErrorCode) : "INTERNAL", {
    message: `the ${job.kind} failed: ${job.trouble ?? "no reason was recorded"}`,
  });
}
