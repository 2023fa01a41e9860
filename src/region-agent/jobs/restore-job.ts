import type { RunningJob } from "../../catalog/job-queue.ts";
import { BtarError } from "../../domain/errors.ts";
import type { TablespaceChoice } from "../../engine/server.ts";
import type { Repository } from "../../repository/repository.ts";
import { type RestoreProgress, restoreFiles } from "../../repository/restore-files.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import { openRecoverySource, type RecoverySource, restoreLog, targetOf, withAlternatives } from "../recovery-source.ts";
import { repositoryForReading } from "../service-context.ts";
import { textInput } from "./job-input.ts";
import { RestoreDirectory, unfinishedMark } from "./restore-directory.ts";

/**
 * Restores only the files of a service on this agent's host, ready to start, for people who run their own server.
 * What a failed or cancelled restore has written is removed, but for a delta: that one leaves a directory that cannot
 * be started, and that the next one goes on with.
 */
export async function runRestoreJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const [fromCloud, backupId] = [textInput(job, "fromCloud"), textInput(job, "backupId")];
  const directory = await RestoreDirectory.find(env, textInput(job, "directory"));
  const isDelta = job.input["delta"] === true;
  if (!isDelta) await directory.removeAttempt(job.id);
  try {
    const { signal } = job;
    const store = patientStore(env, fromCloud, (reason) => job.waiting(reason));
    const repository = await repositoryForReading(env, job.serviceId, store, signal);
    const source = await openRecoverySource(env, {
      ...{ repository, fromCloud, backupId, target: targetOf(job.input), signal },
    });
    const result = await restoreInto(directory, { env, job, repository, source, isDelta });
    const { engine, identity } = source.manifest;
    return { directory: directory.path, backupId, engine, version: identity.version, ...result };
  } catch (error) {
    if (!isDelta) await directory.removeAttempt(job.id);
    const left = isDelta ? { left: "the directory cannot be started until a restore with --delta completes it" } : {};
    throw await withAlternatives(env, { error, sourceServiceId: job.serviceId, fromCloud, backupId, ...left });
  }
}

interface RestoreRun {
  readonly env: AgentEnvironment;
  readonly job: RunningJob;
  readonly repository: Repository;
  readonly source: RecoverySource;
  readonly isDelta: boolean;
}

async function restoreInto(directory: RestoreDirectory, run: RestoreRun): Promise<Record<string, unknown>> {
  const { env, job, repository, source } = run;
  const { signal } = job;
  const { facts, plan, manifest, server } = source;
  const tablespaces = tablespacesOf(job);
  const places = server.tablespacePlaces(directory.path, facts, tablespaces);
  // Into an empty directory, a delta is a restore like any other.
  const isOver = run.isDelta && !(await directory.isEmpty());
  if (isOver) {
    await server.checkRestoreOver(directory.path, facts, { isUnfinished: await directory.isUnfinished() });
  } else if (!(await directory.isEmpty())) {
    throw notEmpty(directory.path);
  }
  await directory.begin(job.id, places, { isOver: run.isDelta });
  const restored = await restoreFiles({
    repository,
    manifest,
    directory: directory.path,
    relocated: places,
    keptNames: [unfinishedMark],
    completedBy: server.completedBy,
    isDelta: run.isDelta,
    workers: env.workers,
    signal,
    isSynced: true,
    onProgress: (progress) => showProgress(job, progress),
  });
  const showLog = (done: number) =>
    job.progress({ phase: "restoring the log", done, total: source.logBytes, unit: "bytes" });
  showLog(0);
  const restorer = server.logRestorer(directory.path, facts, plan);
  await restoreLog({ repository, source, restorer, signal, onProgress: showLog });
  await server.prepareRecovery(directory.path, { facts, plan, tablespaces });
  await directory.complete();
  return { dataBytes: manifest.dataBytes, keptBytes: restored.keptBytes, removedCount: restored.removedCount };
}

function showProgress(job: RunningJob, { doneBytes, totalBytes, keptBytes }: RestoreProgress): void {
  const kept = keptBytes > 0 ? { detail: `${percent(keptBytes, doneBytes)} % of it was there already` } : {};
  job.progress({ phase: "restoring files", done: doneBytes, total: totalBytes, unit: "bytes", ...kept });
}

function percent(part: number, whole: number): number {
  return whole > 0 ? Math.floor((100 * part) / whole) : 0;
}

function notEmpty(directory: string): BtarError {
  return new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
    message: `${directory} is not empty`,
    hint: "restore into a directory that is empty or does not exist yet; --delta restores over an older one",
  });
}

function tablespacesOf(job: RunningJob): TablespaceChoice {
  const { tablespaceMapping: mapping, tablespaceDirectory: directory } = job.input;
  const entries = typeof mapping === "object" && mapping !== null ? Object.entries(mapping) : [];
  return {
    mapping: new Map(entries.flatMap(([from, to]) => (typeof to === "string" ? [[from, to]] : []))),
    directory: typeof directory === "string" ? directory : undefined,
  };
}
