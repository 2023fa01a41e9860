import { lstat, readdir, realpath, rm } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { BtarError } from "../../domain/errors.ts";
import { restoreFiles } from "../../repository/restore-files.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import { openRecoverySource, restoreLog, targetOf, withAlternatives } from "../recovery-source.ts";
import { repositoryForReading } from "../service-context.ts";
import { textInput } from "./job-input.ts";

/**
 * Restores only the files of a service on this agent's host, ready to start, for people who run their own server.
 * What a failed or cancelled restore has written is removed.
 */
export async function runRestoreJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const fromCloud = textInput(job, "fromCloud");
  const backupId = textInput(job, "backupId");
  const directory = await checkedDirectory(env, textInput(job, "directory"), job.attempt);
  const { signal } = job;
  try {
    const store = patientStore(env, fromCloud, (reason) => job.waiting(reason));
    const repository = await repositoryForReading(env, job.serviceId, store, signal);
    const source = await openRecoverySource(env, { repository, backupId, target: targetOf(job.input), signal });
    await restoreFiles({
      repository,
      manifest: source.manifest,
      directory,
      workers: env.workers,
      signal,
      isSynced: true,
      onProgress: ({ doneBytes, totalBytes }) =>
        job.progress({ phase: "restoring files", done: doneBytes, total: totalBytes, unit: "bytes" }),
    });
    job.progress({ phase: "restoring the log", done: source.logBytes, total: source.logBytes, unit: "bytes" });
    const restorer = env.serverDriver.logRestorer(directory, source.facts, source.plan);
    await restoreLog({ repository, source, restorer, signal });
    await env.serverDriver.prepareRecovery(directory, {
      facts: source.facts,
      plan: source.plan,
      tablespaceMapping: mappingOf(job),
    });
    return { directory, backupId, version: source.manifest.identity.version };
  } catch (error) {
    await emptyDirectory(directory);
    throw await withAlternatives(env, { error, sourceServiceId: job.serviceId, fromCloud, backupId });
  }
}

/** The directory is absolute, its parent exists, it is empty or absent, and allowed by `restore_roots`. */
async function checkedDirectory(env: AgentEnvironment, wanted: string, attempt: number): Promise<string> {
  const refuse = (what: string, hint: string) => new BtarError("INVALID_INPUT", { message: `${wanted} ${what}`, hint });
  if (!isAbsolute(wanted)) throw refuse("is no absolute path", "give the directory's full path on the agent's host");
  const parent = await realpath(dirname(wanted)).catch((cause: unknown) => {
    throw new BtarError("INVALID_INPUT", {
      message: `${dirname(wanted)} does not exist on the host of the agent of ${env.cloud}`,
      hint: "make it first",
      cause,
    });
  });
  const directory = join(parent, basename(wanted));
  const roots = env.configuration.restoreRoots;
  if (roots && !roots.some((root) => isInside(root, directory))) {
    throw refuse("is not below any of restore_roots", `allowed: ${roots.join(", ")}`);
  }
  const found = await lstat(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!found) return directory;
  if (!found.isDirectory()) throw refuse("is no directory", "give a directory that is empty or does not exist yet");
  // What an attempt that was cut off has written is ours: the first attempt found the directory empty.
  if (attempt > 1) await emptyDirectory(directory);
  if ((await readdir(directory)).length > 0) {
    throw new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
      message: `${directory} is not empty`,
      hint: "restore into a directory that is empty or does not exist yet",
    });
  }
  return directory;
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== "" && !way.startsWith("..") && !isAbsolute(way);
}

async function emptyDirectory(directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  for (const name of names) await rm(join(directory, name), { recursive: true, force: true });
}

function mappingOf(job: RunningJob): ReadonlyMap<string, string> {
  const mapping = job.input["tablespaceMapping"];
  if (typeof mapping !== "object" || mapping === null) return new Map();
  return new Map(Object.entries(mapping).flatMap(([from, to]) => (typeof to === "string" ? [[from, to]] : [])));
}
