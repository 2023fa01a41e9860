import { BtarError } from "../domain/errors.ts";
import type { Job, JobAnswer } from "./api-answers.ts";
import { errorCode } from "./api-client.ts";
import { type CommandContext, segment } from "./command-context.ts";
import { formatBytes, oneLine } from "./format.ts";
import { waitFor } from "./waiting.ts";

const barWidth = 24;

/**
 * Follows a job to its end, showing how far it is. Ctrl-C ends the following, not the job.
 * @throws {BtarError} of the job's own failure; CANCELLED when it was cancelled or the following was interrupted
 */
export async function followJob({ api, output }: CommandContext, jobId: string): Promise<Job> {
  return await waitFor({
    output,
    what: `job ${jobId} has ended`,
    goesOn: () => goesOn(jobId),
    look: async () => {
      const { job } = await api.inProject<JobAnswer>("GET", `/jobs/${segment(jobId)}`);
      if (job.state === "complete") return job;
      if (job.state === "failed" || job.state === "cancelled") throw jobError(job);
      output.progress(`${job.kind}: ${describeJob(job)}`);
      return undefined;
    },
  });
}

/** What to say when nobody waits for a job any more. */
export function goesOn(jobId: string): { readonly message: string; readonly hint: string } {
  return {
    message: `job ${jobId} goes on`,
    hint: `watch it with \`btar jobs watch ${jobId}\`, end it with \`btar jobs cancel ${jobId}\``,
  };
}

/** One line: what it does, how far, and why it waits or failed. */
export function describeJob(job: Job): string {
  const { progress } = job;
  const parts: string[] = [];
  if (job.state === "running" && progress) {
    parts.push(progress.phase, ...howFar(progress));
    if (progress.detail !== undefined) parts.push(oneLine(progress.detail));
  } else {
    parts.push(job.state);
  }
  if (job.trouble !== null)
    parts.push(job.state === "failed" ? oneLine(job.trouble) : `waits: ${oneLine(job.trouble)}`);
  return parts.join("  ");
}

function howFar({ done, total, unit }: NonNullable<Job["progress"]>): readonly string[] {
  if (done === undefined || total === undefined || total <= 0) return [];
  const share = Math.min(1, Math.max(0, done / total));
  const filled = Math.round(share * barWidth);
  const bar = `${"█".repeat(filled)}${"░".repeat(barWidth - filled)} ${Math.floor(share * 100)} %`;
  if (unit === "bytes") return [bar, `${formatBytes(done)} of ${formatBytes(total)}`];
  return unit === "objects" ? [bar, `${done} of ${total} objects`] : [bar];
}

/** The failure of a job, as an error of its own kind. */
export function jobError(job: Job): BtarError {
  if (job.state === "cancelled") return new BtarError("CANCELLED", { message: `the ${job.kind} was cancelled` });
  return new BtarError(errorCode(job.error_code) ?? "INTERNAL", {
    message: `the ${job.kind} failed: ${oneLine(job.trouble ?? "no reason was recorded")}`,
  });
}
