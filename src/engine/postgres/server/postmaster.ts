import path from "node:path";
import { BtarError, isBtarError } from "../../../domain/errors.ts";
import { systemClock } from "../../../platform/clock.ts";
import { readTextIfThere, unlinkIfThere } from "../../../platform/files.ts";
import type { Logger } from "../../../platform/logger.ts";
import {
  type DetachedProcess,
  isProcessAlive,
  processArguments,
  sendSignal,
  startDetached,
} from "../../../platform/process.ts";
import type { ServerInstallation } from "../../server.ts";
import { boundLog, logSize, openLog } from "../../server-log-file.ts";
import type { ServerDirectory } from "./directory.ts";
import type { RunAs } from "../../run-as.ts";

/** A fast shutdown writes a checkpoint, and waits until the log stream has all of the log. */
const fastShutdownLimitMs = 120_000;
const immediateShutdownLimitMs = 30_000;
const pollMs = 25;

/** A server's main process, as its postmaster.pid tells. */
export interface Postmaster {
  readonly pid: number;
  /** It accepts sessions: neither recovering nor starting or stopping. */
  readonly isReady: boolean;
}

/** A server that was just started. */
export interface StartedPostmaster extends DetachedProcess {
  /** Where in the log it began. */
  readonly logOffset: number;
}

/** Processes of a server whose main process was killed go away by themselves, but not at once. */
const leftoversLimitMs = 15_000;
const leftoversReason = "leftovers";

/** The running server of a directory; undefined when none runs. */
export async function findPostmaster(directory: ServerDirectory): Promise<Postmaster | undefined> {
  const text = await readTextIfThere(pidFile(directory));
  if (text === undefined) return undefined;
  // Line 1 is the process id, 2 the data directory, 8 the state. See miscadmin.h, "LOCK_FILE_LINE".
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  const isOurs = Number.isSafeInteger(pid) && pid > 0 && (await isServerOf(pid, [directory.data, lines[1] ?? ""]));
  return isOurs ? { pid, isReady: lines[7]?.trim() === "ready" } : undefined;
}

/** Starts a server's main process; nothing is known yet about whether it comes up. */
export async function launchPostmaster(request: {
  readonly directory: ServerDirectory;
  readonly installation: ServerInstallation;
  readonly runAs: RunAs | undefined;
  /** Settings that go before those of the configuration files, for as long as it runs. */
  readonly overrides?: Readonly<Record<string, string>>;
}): Promise<StartedPostmaster> {
  const { directory, installation, runAs, overrides = {} } = request;
  await removeForeignPidFile(directory);
  await boundLog(directory.logFile);
  const log = await openLog(directory.logFile);
  try {
    const logOffset = await logSize(directory.logFile);
    const settings = Object.entries(overrides).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const program = path.join(installation.basedir, "bin", "postgres");
    const started = await startDetached(program, ["-D", directory.data, ...settings], {
      outputFd: log.fd,
      user: runAs,
    });
    return { pid: started.pid, ended: () => started.ended(), logOffset };
  } finally {
    await log.close();
  }
}

/**
 * Stops a server: fast, then, when that takes too long, at once, which the next start makes up for by replaying log.
 * @param started one that was just started, which may not have said yet in its directory who it is
 * @throws {BtarError} TIMED_OUT
 */
export async function stopPostmaster(
  directory: ServerDirectory,
  logger: Logger,
  started?: StartedPostmaster,
): Promise<void> {
  const isStarting = started !== undefined && started.ended() === undefined;
  const postmaster = isStarting ? started : await findPostmaster(directory);
  if (!postmaster) return;
  const { pid } = postmaster;
  sendSignal(pid, "SIGINT");
  if (await endsWithin(pid, fastShutdownLimitMs)) return;
  logger.warn({ directory: directory.root, pid }, "PostgreSQL did not shut down in time: stopping it at once");
  sendSignal(pid, "SIGQUIT");
  if (await endsWithin(pid, immediateShutdownLimitMs)) return;
  throw new BtarError("TIMED_OUT", {
    message: `PostgreSQL in ${directory.root} (process ${pid}) does not stop`,
    hint: "its disk may hang; look at its log, and end the process by hand",
  });
}

/** Whether what a server said when it did not start is that processes of an earlier one are still there. */
export function isLeftover(text: string): boolean {
  return text.includes("pre-existing shared memory block");
}

export function leftoversRemain(directory: ServerDirectory, cause?: unknown): BtarError {
  return new BtarError("SERVER_START_FAILED", {
    message: `processes of an earlier server in ${directory.root} are still running`,
    hint: "wait until they have ended; if they do not, end them by hand",
    details: { reason: leftoversReason },
    cause,
  });
}

/** Does something again for as long as processes of a killed server stand in its way, within a limit. */
export async function pastLeftovers<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + leftoversLimitMs;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      const mayPass = isBtarError(error, "SERVER_START_FAILED") && error.details.reason === leftoversReason;
      if (!mayPass || Date.now() > deadline) throw error;
      await systemClock.sleep(pollMs, signal);
    }
  }
}

async function endsWithin(pid: number, limitMs: number): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (isProcessAlive(pid)) {
    if (Date.now() > deadline) return false;
    await systemClock.sleep(pollMs);
  }
  return true;
}

/** Another process may have got the id of a server that is gone, after a restart of the host for one. */
async function isServerOf(pid: number, dataDirectories: readonly string[]): Promise<boolean> {
  if (!isProcessAlive(pid)) return false;
  const args = await processArguments(pid);
  if (!args) return true; // this system does not tell
  return dataDirectories.some((directory) => args[args.indexOf("-D") + 1] === directory);
}

/**
 * PostgreSQL refuses to start while the process that its postmaster.pid names exists, whatever that process is. It
 * makes sure by other means that no process of the old server still uses its memory.
 */
export async function removeForeignPidFile(directory: ServerDirectory): Promise<void> {
  if (!(await findPostmaster(directory))) await unlinkIfThere(pidFile(directory));
}

function pidFile(directory: ServerDirectory): string {
  return path.join(directory.data, "postmaster.pid");
}
