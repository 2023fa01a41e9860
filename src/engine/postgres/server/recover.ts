import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { formatLsn } from "../../../domain/lsn.ts";
import { microsToDate, parseTargetTime } from "../../../domain/recovery-target-time.ts";
import { systemClock, throwIfCancelled } from "../../../platform/clock.ts";
import { giveTree, lstatIfThere, unlinkIfThere } from "../../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import type { FeedLog, RecoveryProgress, RecoveryResult, ServerSpec } from "../../server.ts";
import { readLogFrom } from "../../server-log-file.ts";
import { parseTimelineHistory } from "../timeline-history.ts";
import { putUser } from "./accounts.ts";
import { recoveryFacts } from "./backup-facts.ts";
import { type Configuration, reloadConfiguration, writeConfiguration } from "./configure.ts";
import { layOut, readServerState, type ServerDirectory, writeServerState } from "./directory.ts";
import type { Admission } from "./host-access.ts";
import { feedingRestoreCommand, removeFeed, WalFeed } from "./log-feed.ts";
import {
  findPostmaster,
  isLeftover,
  launchPostmaster,
  leftoversRemain,
  pastLeftovers,
  type StartedPostmaster,
  stopPostmaster,
} from "./postmaster.ts";
import { prepareRecovery } from "./prepare-recovery.ts";
import { recoveryProgress, replayedSegmentFile, reportingRestoreCommand } from "./recovery-progress.ts";
import { resetInternalAccount } from "./reset-accounts.ts";
import { checkTraversable } from "../../run-as.ts";
import { gistOfLog } from "./server-log.ts";
import { type StartRequest, startServer } from "./start.ts";

const pollMs = 50;

export interface Recovery extends StartRequest {
  readonly spec: ServerSpec;
  readonly facts: BaseBackupFacts;
  readonly plan: RecoveryPlan;
  readonly feedLog?: FeedLog | undefined;
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined;
}

/** As it is kept in a directory. */
interface StoredResult {
  readonly stoppedAt: string;
  readonly lastCommitAt: string | null;
}

/**
 * Makes a running managed server of restored files and log. Each step can be repeated; what was done before is seen
 * from the directory:
 *
 * 1. the files are prepared (`server.json` says `recovering`);
 * 2. the server replays the log, letting nobody in, and begins a timeline of its own (`recovery.signal` is gone);
 * 3. it is stopped, and btar's account is set up in single-user mode;
 * 4. it is started for btar alone, the administrator set up, and it is opened (`server.json` says `ready`).
 * @throws {BtarError} RECOVERY_FAILED with what the server's log says, CANCELLED, and those of starting a server; it is
 *   stopped then
 */
export async function recoverServer(recovery: Recovery): Promise<RecoveryResult> {
  const { directory, spec, logger } = recovery;
  checkRecoverable(recovery.facts, spec.majorVersion);
  const { walSegmentBytes } = recoveryFacts(recovery.facts);
  const description = { majorVersion: spec.majorVersion, walSegmentBytes };
  const state = await readServerState(directory);
  if (state?.state === "ready") {
    if (!state.recovered) throw serverExists(directory);
    await startServer(recovery);
    return resultOf(state.recovered);
  }
  const isResumed = state?.state === "recovering" && (await hasBegun(directory));
  try {
    if (!isResumed) {
      await prepare(recovery);
      await writeServerState(directory, { ...description, state: "recovering" });
    }
    await replayFed(recovery);
    await stopPostmaster(directory, logger);
    const recovered = await readResult(recovery, { isResumed });
    await openUp(recovery, walSegmentBytes);
    await writeServerState(directory, { ...description, state: "ready", recovered });
    return resultOf(recovered);
  } catch (error) {
    await stopPostmaster(directory, logger);
    throw error;
  }
}

/** Whether the server has gone to work on the files: it renames the label when it has read it. */
async function hasBegun(directory: ServerDirectory): Promise<boolean> {
  if (await findPostmaster(directory)) return true;
  return !(await lstatIfThere(path.join(directory.data, "backup_label")));
}

function serverExists(directory: ServerDirectory): BtarError {
  return new BtarError("ALREADY_EXISTS", {
    message: `${directory.root} holds a server that was not recovered there`,
    hint: "recover into another directory",
  });
}

/** @throws {BtarError} INVALID_INPUT when servers of a version cannot open the files of a base backup */
export function checkRecoverable(facts: Pick<BaseBackupFacts, "identity">, asked: string): void {
  const { majorVersion, version } = facts.identity;
  if (majorVersion === asked) return;
  throw new BtarError("INVALID_INPUT", {
    message: `a backup of PostgreSQL ${version} cannot be recovered as version ${asked}`,
    hint: `recover it as version ${majorVersion}`,
  });
}

async function prepare(recovery: Recovery): Promise<void> {
  const { directory, facts, plan, runAs } = recovery;
  if (!(await lstatIfThere(directory.data))) {
    throw new BtarError("WRONG_STATE", {
      message: `${directory.data} does not exist: no files were restored there`,
      hint: "restore a base backup first",
    });
  }
  await layOut(directory);
  await checkTraversable(directory.root, runAs);
  await prepareRecovery(directory.data, { facts, plan, tablespaces: { mapping: new Map() } });
  if (runAs) await giveTree(directory.data, runAs);
}

/** Replays log that is in `pg_wal`, or that is fetched meanwhile. */
async function replayFed(recovery: Recovery): Promise<void> {
  const { feedLog, directory, logger } = recovery;
  if (!feedLog) return await pastLeftovers(recovery.signal, () => replay(recovery));
  // One that an earlier attempt started waits for a feed that is gone.
  await stopPostmaster(directory, logger);
  const ending = new AbortController();
  const signal = AbortSignal.any([recovery.signal, ending.signal]);
  const feed = await WalFeed.open({ ...recovery, signal });
  let failure: { readonly error: unknown } | undefined;
  const feeding = feedLog(feed, signal).catch((error: unknown) => {
    failure = { error };
    ending.abort();
  });
  try {
    await Promise.race([feed.begun, feeding]);
    await pastLeftovers(signal, () => replay({ ...recovery, signal }));
  } catch (error) {
    throw failure ? failure.error : error;
  } finally {
    ending.abort(); // a server that has reached its target needs no more
    await feeding;
    await feed.close();
  }
}

/** Has the server replay the log and begin its own timeline, unless it has done so before. */
async function replay(recovery: Recovery): Promise<void> {
  const { directory } = recovery;
  if (await isPromoted(directory)) return;
  // One that still runs was started by an attempt that was broken off.
  const started = (await findPostmaster(directory)) ? undefined : await startReplay(recovery);
  for (;;) {
    throwIfCancelled(recovery.signal);
    const running = await findPostmaster(directory);
    if (running?.isReady && (await isPromoted(directory))) return;
    const ended = started ? started.ended() : running ? undefined : "no word";
    if (ended !== undefined) throw await recoveryFailed(directory, started, ended);
    const progress = await recoveryProgress(directory.data, recovery.facts, recovery.plan);
    if (progress) recovery.onProgress?.(progress);
    await systemClock.sleep(pollMs, recovery.signal);
  }
}

async function startReplay(recovery: Recovery): Promise<StartedPostmaster> {
  const { directory } = recovery;
  const { walSegmentBytes } = recoveryFacts(recovery.facts);
  // The service's configuration says how much memory there is; the recovery settings stay before it.
  const recoverySettings = await readFile(path.join(directory.data, "postgresql.auto.conf"), "utf8");
  await writeConfiguration({ ...configurationOf(recovery, walSegmentBytes, "nobody"), recoverySettings });
  const overrides = {
    listen_addresses: "127.0.0.1",
    restore_command: recovery.feedLog ? feedingRestoreCommand(replayedSegmentFile) : reportingRestoreCommand,
    timezone: "UTC", // of the times in the log that `readResult` reads
    max_logical_replication_workers: "0", // subscriptions would go to work as soon as recovery ends
    // Where it finds a fault in the log, the summarizer sleeps for ten seconds, and the shutdown waits for it.
    ...(Number(recovery.spec.majorVersion) >= 17 && { summarize_wal: "off" }),
  };
  return await launchPostmaster({ ...recovery, overrides });
}

/** The server removes the file once it has its own timeline. */
async function isPromoted(directory: ServerDirectory): Promise<boolean> {
  return !(await lstatIfThere(path.join(directory.data, "recovery.signal")));
}

async function openUp(recovery: Recovery, walSegmentBytes: number): Promise<void> {
  const { directory, spec, address } = recovery;
  await removeFeed(directory);
  for (const name of [replayedSegmentFile, "backup_label.old"]) await unlinkIfThere(path.join(directory.data, name));
  await writeConfiguration(configurationOf(recovery, walSegmentBytes, "internal"));
  await pastLeftovers(recovery.signal, () =>
    resetInternalAccount({ ...recovery, maintenanceDatabase: address.database }),
  );
  await startServer(recovery);
  await putUser(address, { ...spec.accounts.admin, isAdmin: true });
  await writeConfiguration(configurationOf(recovery, walSegmentBytes, "everyone"));
  await reloadConfiguration(address);
}

function configurationOf(recovery: Recovery, walSegmentBytes: number, admission: Admission): Configuration {
  return { ...recovery, dataDirectory: recovery.directory.data, walSegmentBytes, admission };
}

/**
 * What the server itself says about the end of its recovery: where its timeline began, and when the last transaction
 * ended.
 * @param options.isResumed the server may not know: it tells of what it replayed since it was last started
 */
async function readResult(recovery: Recovery, options: { readonly isResumed: boolean }): Promise<StoredResult> {
  const { directory, plan } = recovery;
  const wal = path.join(directory.data, "pg_wal");
  const histories = (await readdir(wal)).filter((name) => /^[0-9A-F]{8}\.history$/.test(name)).sort();
  const newest = histories.at(-1);
  if (newest === undefined) {
    throw new BtarError("RECOVERY_FAILED", {
      message: `the server in ${directory.root} ended its recovery without a timeline of its own`,
      hint: `its log is ${directory.logFile}`,
    });
  }
  const content = await readFile(path.join(wal, newest), "utf8");
  const began = parseTimelineHistory(Number.parseInt(newest, 16), content).at(-1)?.end ?? 0n;
  const said = (await readLogFrom(directory.logFile, 0)).flatMap((line) => lastTransactionAt(line) ?? []).at(-1);
  const planned = options.isResumed && plan.lastCommitMicros !== undefined ? microsToDate(plan.lastCommitMicros) : null;
  return { stoppedAt: formatLsn(began), lastCommitAt: (said ?? planned)?.toISOString() ?? null };
}

function lastTransactionAt(line: string): Date | undefined {
  const [, time] = /last completed transaction was at log time (\S+ \S+)/.exec(line) ?? [];
  return time === undefined ? undefined : microsToDate(parseTargetTime(time));
}

function resultOf(stored: StoredResult): RecoveryResult {
  const { stoppedAt, lastCommitAt } = stored;
  return { stoppedAt, lastCommitAt: lastCommitAt === null ? undefined : new Date(lastCommitAt) };
}

async function recoveryFailed(
  directory: ServerDirectory,
  started: StartedPostmaster | undefined,
  ended: string,
): Promise<BtarError> {
  const lines = started ? await readLogFrom(directory.logFile, started.logOffset) : [];
  if (lines.some(isLeftover)) return leftoversRemain(directory);
  return new BtarError("RECOVERY_FAILED", {
    message: `PostgreSQL in ${directory.root} ended its recovery with ${ended}: ${gistOfLog(lines)}`,
    hint: `its log is ${directory.logFile}; try another target, base backup or location`,
    details: { directory: directory.root },
  });
}
