import { rm } from "node:fs/promises";
import { requestBaseBackup } from "../../catalog/backups.ts";
import { recordEvent } from "../../catalog/events.ts";
import type { RunningJob } from "../../catalog/job-queue.ts";
import type { ForkOrigin } from "../../catalog/schema.ts";
import { sealUserPassword } from "../../catalog/service-secrets.ts";
import { BtarError, describeError } from "../../domain/errors.ts";
import type { LogPlace } from "../../engine/log-reading.ts";
import type { RecoveryProgress, RecoveryResult, ServerDriver } from "../../engine/server.ts";
import type { Repository } from "../../repository/repository.ts";
import { restoreFiles } from "../../repository/restore-files.ts";
import type { ServiceDescription } from "../../repository/service-description.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import { claimPort } from "../claim-port.ts";
import { openRecoverySource, type RecoverySource, restoreLog, targetOf, withAlternatives } from "../recovery-source.ts";
import {
  addressOf,
  internalUser,
  loadService,
  makeServersDirectory,
  repositoryForReading,
  serverDirectory,
  serversDirectory,
  type ServiceContext,
  specOf,
} from "../service-context.ts";
import { checkRoom, whyForkFailed } from "./fork-room.ts";
import { textInput } from "./job-input.ts";

interface ForkRun {
  readonly env: AgentEnvironment;
  readonly job: RunningJob;
  readonly fork: ServiceContext;
  readonly sourceServiceId: string;
  readonly fromCloud: string;
  readonly backupId: string;
  readonly directory: string;
}

/**
 * Makes a new service from a backup: files, log, recovery, own identity, first own backup (F1-F7). It needs one store
 * only. An attempt that was cut off is begun anew; a failed or cancelled one leaves nothing behind. A deleted service is
 * restored in the same way: it is a fork of itself, and goes on with the backups that it has (D3).
 */
export async function runForkJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const fork = await loadService(env, job.serviceId);
  if (fork.row.state === "RUNNING") return { alreadyRunning: true };
  const run: ForkRun = {
    env,
    job,
    fork,
    sourceServiceId: sourceOf(job),
    fromCloud: textInput(job, "fromCloud"),
    backupId: textInput(job, "backupId"),
    directory: serverDirectory(env, job.serviceId),
  };
  try {
    await removeServer(run);
    await makeServersDirectory(env);
    const rebuilt = await rebuild(run);
    await recordRunning(run, rebuilt);
    const { stoppedAt, lastCommitAt, lastGtid } = rebuilt.recovery;
    return {
      stoppedAt,
      lastCommitAt: lastCommitAt?.toISOString() ?? null,
      ...(lastGtid !== undefined && { lastGtid }),
    };
  } catch (cause) {
    const error = await whyForkFailed(serversDirectory(env), cause);
    await giveUp(run, error);
    throw await withAlternatives(env, { error, ...run });
  }
}

interface Rebuilt {
  readonly fork: ServiceContext;
  readonly recovery: RecoveryResult;
  readonly stoppedIn: LogPlace;
  readonly description: ServiceDescription;
}

async function rebuild(run: ForkRun): Promise<Rebuilt> {
  const { env, job } = run;
  const { signal } = job;
  job.progress({ phase: "reading the backup" });
  const store = patientStore(env, run.fromCloud, (reason) => job.waiting(reason));
  const repository = await repositoryForReading(env, run.sourceServiceId, store, signal);
  const source = await openRecoverySource(env, {
    repository,
    fromCloud: run.fromCloud,
    backupId: run.backupId,
    target: targetOf(job.input),
    signal,
  });
  const description = await repository.description(source.manifest.descriptionVersion, { signal });
  await serverOf(run).checkRecoverable(source.facts, run.fork.row.version);
  await checkRoom(serversDirectory(env), source);
  await restoreBackup(run, repository, source);
  const { showFetched, showReplayed } = logProgress(job, source.logBytes);
  showFetched(0);
  const fork = await claimPort(env, run.fork);
  const recovery = await serverOf(run).recover(run.directory, specOf(env, fork), {
    facts: source.facts,
    plan: source.plan,
    feedLog: (restorer, signal) => restoreLog({ repository, source, restorer, signal, onProgress: showFetched }),
    signal,
    onProgress: showReplayed,
  });
  const stoppedIn = env.engines.of(fork.row.engine).logReading.placeOfStop({ ...source, ...recovery });
  return { fork, recovery, stoppedIn, description };
}

/** Log is fetched before it is replayed, or meanwhile: where the replay is tells more. */
function logProgress(job: RunningJob, totalBytes: number) {
  let isReplayed = false;
  return {
    showFetched: (done: number) => {
      if (!isReplayed) job.progress({ phase: "fetching the log", done, total: totalBytes, unit: "bytes" });
    },
    showReplayed: ({ fraction, position, end, transactions }: RecoveryProgress) => {
      isReplayed = true;
      const detail = [`${position} of ${end}`, ...(transactions === undefined ? [] : [transactions])].join(", ");
      job.progress({ phase: "replaying the log", done: fraction, total: 1, unit: "fraction", detail });
    },
  };
}

async function restoreBackup(run: ForkRun, repository: Repository, source: RecoverySource): Promise<void> {
  const { env, job, directory } = run;
  await restoreFiles({
    repository,
    manifest: source.manifest,
    directory: serverOf(run).filesDirectory(directory),
    workers: env.workers,
    signal: job.signal,
    owner: env.serverOwner,
    isSynced: !serverOf(run).syncsRestoredFiles,
    onProgress: ({ doneBytes, totalBytes }) =>
      job.progress({ phase: "restoring files", done: doneBytes, total: totalBytes, unit: "bytes" }),
  });
}

function isOfItself({ fork, sourceServiceId }: ForkRun): boolean {
  return fork.row.id === sourceServiceId;
}

function serverOf({ env, fork }: ForkRun): ServerDriver {
  return env.engines.of(fork.row.engine).server;
}

function sourceOf(job: RunningJob): string {
  const source = job.input["source"];
  if (typeof source === "object" && source !== null && "serviceId" in source && typeof source.serviceId === "string") {
    return source.serviceId;
  }
  throw new BtarError("INTERNAL", { message: "a fork came without its source" });
}

async function removeServer(run: ForkRun): Promise<void> {
  const { directory } = run;
  await serverOf(run).stop(directory);
  await rm(directory, { recursive: true, force: true });
}

/** Leaves nothing of it on this host; a fork that will not be tried again leaves nothing in the catalog either (F7). */
async function giveUp(run: ForkRun, error: unknown): Promise<void> {
  const { env, job, fork } = run;
  const { row } = fork;
  await removeServer(run);
  const trouble = describeError(error);
  const isFinal = (error instanceof BtarError && !error.isRetryable && !job.signal.aborted) || (await isCancelled(run));
  await env.catalog.db.transaction().execute(async (trx) => {
    await trx
      .updateTable("service")
      .set({ trouble, ...(isFinal ? { deleted_at: new Date() } : {}) })
      .where("id", "=", row.id)
      .execute();
    if (!isFinal) return;
    await recordEvent(trx, {
      project: row.project,
      service: row,
      kind: isOfItself(run) ? "undelete_failed" : "fork_failed",
      severity: "error",
      message: `${row.name} could not be ${isOfItself(run) ? "restored" : "forked"} from ${run.backupId} in ${run.fromCloud}: ${trouble}`,
    });
  });
}

async function isCancelled({ env, job }: ForkRun): Promise<boolean> {
  const row = await env.catalog.db
    .selectFrom("job")
    .select("is_cancel_requested")
    .where("id", "=", job.id)
    .executeTakeFirst();
  return row?.is_cancel_requested ?? false;
}

async function recordRunning(run: ForkRun, rebuilt: Rebuilt): Promise<void> {
  const { env, fromCloud } = run;
  const { fork, recovery, stoppedIn, description } = rebuilt;
  const { row, secrets } = fork;
  const { server } = env.engines.of(row.engine);
  const accounts = await server.listAccounts(addressOf(env, fork));
  const known = new Map(description.users.map((user) => [user.name, user]));
  const others = accounts.users.filter((name) => name !== secrets.adminUser && name !== internalUser);
  await env.catalog.db.transaction().execute(async (trx) => {
    const origin: ForkOrigin | null = row.forked_from && {
      ...row.forked_from,
      stoppedAt: recovery.stoppedAt,
      stoppedIn,
      lastCommitAt: recovery.lastCommitAt?.toISOString(),
      lastGtid: recovery.lastGtid,
    };
    await trx
      .updateTable("service")
      .set({
        state: "RUNNING",
        trouble: null,
        agent_id: env.agentId,
        ...(origin && !isOfItself(run) && { forked_from: JSON.stringify(origin) }),
        applied_generation: row.generation,
        updated_at: new Date(),
      })
      .where("id", "=", row.id)
      .execute();
    for (const name of others) {
      const password = known.get(name)?.password;
      if (password === undefined) continue; // made by SQL: it works, btar does not know its password
      const sealed = sealUserPassword(env.masterKey, { serviceId: row.id, name }, password);
      await trx
        .insertInto("service_user")
        .values({ service_id: row.id, name, sealed_password: sealed, created_at: new Date() })
        .onConflict((conflict) => conflict.columns(["service_id", "name"]).doNothing())
        .execute();
    }
    for (const name of accounts.databases) {
      await trx
        .insertInto("service_database")
        .values({ service_id: row.id, name, created_at: new Date() })
        .onConflict((conflict) => conflict.columns(["service_id", "name"]).doNothing())
        .execute();
    }
    const what = isOfItself(run) ? "was restored" : `was forked from ${description.name} in ${fromCloud}`;
    await recordEvent(trx, {
      project: row.project,
      service: row,
      kind: isOfItself(run) ? "undelete_complete" : "fork_complete",
      severity: "info",
      message: `${row.name} ${what}; it holds all up to ${recovery.stoppedAt}`,
    });
    await requestBaseBackup(trx, env.jobs, row, "first");
  });
}
