import path from "node:path";
import { recordEvent } from "../../catalog/events.ts";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { BtarError, isBtarError } from "../../domain/errors.ts";
import { serverOf } from "../../domain/recovery-window.ts";
import type { BaseBackupFacts } from "../../engine/engine.ts";
import type { LogPlace } from "../../engine/log-reading.ts";
import { unlinkIfThere } from "../../platform/files.ts";
import type { Repository } from "../../repository/repository.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import { readLostLog, whyNotAsked } from "../lost-range/read-lost-log.ts";
import { type LostRangeSummary, summarize } from "../lost-range/summary.ts";
import { writeSummary } from "../lost-range/summary-files.ts";
import { TransactionList } from "../lost-range/transaction-list.ts";
import { readLogFrom } from "../../repository/read-log.ts";
import { addressOf, loadService, repositoryForReading, type ServiceContext } from "../service-context.ts";
import { RestoreDirectory } from "./restore-directory.ts";

/** Transactions wait here until all are known; it is removed at the end. */
const listFile = "transactions.unfinished";
const tablesInResult = 50;
const tablesInFiles = 20_000;

/**
 * Finds out what the source of a fork holds that the fork does not, in the store of this cloud and on the source's
 * server, and writes it to a directory when one is asked for: the log itself, and a summary. Nothing is changed at the
 * source.
 */
export async function runLostRangeJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const fork = await loadService(env, job.serviceId);
  const { stop, source } = await sourceOf(env, fork);
  const wanted = job.input["directory"];
  const directory = typeof wanted === "string" ? await RestoreDirectory.find(env, wanted) : undefined;
  await directory?.removeAttempt(job.id);
  try {
    if (directory) await begin(directory, job);
    const summary = await examine({ env, job, fork, source, stop, directory: directory?.path });
    await directory?.complete();
    await tell(env, fork, summary);
    return { ...summary, files: summary.files.length, directory: directory?.path ?? null };
  } catch (error) {
    await directory?.removeAttempt(job.id);
    throw error;
  }
}

async function begin(directory: RestoreDirectory, job: RunningJob): Promise<void> {
  if (!(await directory.isEmpty())) {
    throw new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
      message: `${directory.path} is not empty`,
      hint: "extract into a directory that is empty or does not exist yet",
    });
  }
  await directory.begin(job.id, new Map(), { isOver: false });
}

async function sourceOf(
  env: AgentEnvironment,
  fork: ServiceContext,
): Promise<{ readonly stop: LogPlace; readonly source: ServiceContext }> {
  const origin = fork.row.forked_from;
  const stop = origin?.stoppedIn;
  if (!origin || !stop) {
    throw new BtarError("WRONG_STATE", { message: `where in its source's log ${fork.row.name} ends is not known` });
  }
  return { stop, source: await loadService(env, origin.serviceId) };
}

interface Examination {
  readonly env: AgentEnvironment;
  readonly job: RunningJob;
  readonly fork: ServiceContext;
  readonly source: ServiceContext;
  readonly stop: LogPlace;
  readonly directory: string | undefined;
}

async function examine(examination: Examination): Promise<LostRangeSummary> {
  const { env, job, fork, source, stop, directory } = examination;
  const { signal } = job;
  job.progress({ phase: "reading the log" });
  const store = patientStore(env, env.cloud, (reason) => job.waiting(reason));
  const repository = await repositoryForReading(env, source.row.id, store, signal);
  const facts = await factsOf(repository, fork, stop, signal);
  const driver = env.engines.of(source.row.engine).logReading;
  await using names = driver.tableNames(whyNotAsked(env, source) === undefined ? addressOf(env, source) : undefined, {
    signal,
  });
  const file = directory === undefined ? undefined : path.join(directory, listFile);
  await using list = await TransactionList.open({ driver, names, forkedAt: fork.row.created_at, file });
  await using reader = driver.reader({
    ...{ facts, directory },
    onTransaction: (transaction) => list.add(transaction),
    readAt: async (place) => await readLogFrom(repository, place, { signal }),
  });
  const log = await readLostLog({
    ...{ env, source, repository, driver, facts, stop, reader, signal },
    onRead: async (readBytes) => {
      await list.settle();
      job.progress({ phase: "reading the log", detail: `${Math.floor(readBytes / 2 ** 20)} MiB` });
    },
  });
  const summaryOf = (mostTables: number) =>
    summarize({
      ...{ driver, stop, log, totals: list.totals, namesTrouble: names.trouble, mostTables },
      ...{ fork: fork.row.name, source: source.row.name, cloud: env.cloud },
      forkLastCommitAt: fork.row.forked_from?.lastCommitAt,
    });
  if (directory !== undefined && file !== undefined) {
    job.progress({ phase: "writing the summary" });
    await writeSummary(directory, summaryOf(tablesInFiles), file);
    await unlinkIfThere(file);
  }
  return summaryOf(tablesInResult);
}

/** How the source's log is to be read is told by any base backup of it. */
async function factsOf(
  repository: Repository,
  { row }: ServiceContext,
  stop: LogPlace,
  signal: AbortSignal,
): Promise<BaseBackupFacts> {
  const own = row.forked_from?.backupId ?? "";
  const others = (await repository.backupIds({ signal })).filter((id) => id !== own).reverse();
  for (const id of [own, ...others]) {
    try {
      const manifest = await repository.manifest(id, { signal });
      if (serverOf(manifest.log.stream) === serverOf(stop.stream)) return manifest;
    } catch (error) {
      if (!isBtarError(error) || error.kind !== "damaged") throw error; // another one tells the same
    }
  }
  throw new BtarError("NO_BACKUP", {
    message: `${repository.store.url} holds no sound base backup of what ${row.name} was forked from`,
    hint: "without one its log cannot be read; look for it in another location",
  });
}

async function tell(env: AgentEnvironment, { row }: ServiceContext, summary: LostRangeSummary): Promise<void> {
  const { fork, source, transactions, firstCommitAt, lastCommitAt, gaps } = summary;
  const span = firstCommitAt === null ? "" : `, committed from ${firstCommitAt} to ${lastCommitAt}`;
  const missing = gaps.length > 0 ? "; there may be more, since log is missing" : "";
  const kind = "lost_range";
  const message =
    summary.state === "none"
      ? `${fork} holds all that ${source} has committed`
      : `${transactions === 1 ? "1 transaction" : `${transactions} transactions`} of ${source} not in ${fork}${span}${missing}`;
  const { db } = env.catalog;
  const known = await db
    .selectFrom("event")
    .select("message")
    .where("service_id", "=", row.id)
    .where("kind", "=", kind)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  // Whoever looks again alarms nobody again.
  if (known?.message === message) return;
  const severity = summary.state === "none" ? "info" : "warning";
  await recordEvent(db, { project: row.project, service: row, kind, severity, message });
}
