import { readTextIfThere, unlinkIfThere } from "../../../platform/files.ts";
import type { Logger } from "../../../platform/logger.ts";
import {
  type DetachedProcess,
  isProcessAlive,
  processArguments,
  sendSignal,
  startDetached,
} from "../../../platform/process.ts";
import { systemClock } from "../../../platform/clock.ts";
import { BtarError } from "../../../domain/errors.ts";
import type { RunAs } from "../../run-as.ts";
import { boundLog, logSize, openLog } from "../../server-log-file.ts";
import type { ServerDirectory } from "./directory.ts";
import { type MysqlInstallation, programArguments } from "./installations.ts";
import { withKeyring } from "./keyring.ts";

/** A clean shutdown rolls back what is unfinished, and writes what is only in memory. */
const shutdownLimitMs = 600_000;
const killLimitMs = 30_000;
const pollMs = 25;

/** A server that was just started. */
export interface StartedServer extends DetachedProcess {
  /** Where in the log it began. */
  readonly logOffset: number;
}

/**
 * The server writes its process id when it has recovered its data, which can take long. Here it is written before
 * the server is more than a name, so that whoever comes after a killed btar finds it from its first moment.
 */
const launchScript = `umask 077; echo "$$" >"$1" && shift && exec "$@"`;

/** Process id of the running server of a directory; undefined when none runs. */
export async function findServer(directory: ServerDirectory): Promise<number | undefined> {
  const pid = Number((await readTextIfThere(directory.pidFile))?.trim());
  if (!Number.isSafeInteger(pid) || pid <= 0 || !isProcessAlive(pid)) return undefined;
  const args = await processArguments(pid);
  // Another process may have got the id of a server that is gone. Some systems do not tell.
  return args === undefined || args.includes(defaultsFile(directory)) ? pid : undefined;
}

/** Starts a server; nothing is known yet about whether it comes up. It outlives this process. */
export async function launchServer(request: {
  readonly directory: ServerDirectory;
  readonly installation: MysqlInstallation;
  readonly runAs: RunAs | undefined;
  /** Options that go before those of my.cnf, for as long as it runs, such as `--skip-log-bin`. */
  readonly overrides?: readonly string[];
}): Promise<StartedServer> {
  const { directory, runAs, overrides = [] } = request;
  const installation = await withKeyring(directory, request.installation, runAs);
  await removeLeftovers(directory);
  await boundLog(directory.logFile);
  const log = await openLog(directory.logFile);
  try {
    const logOffset = await logSize(directory.logFile);
    const command = [installation.program, defaultsFile(directory), ...programArguments(installation), ...overrides];
    const args = ["-c", launchScript, "sh", directory.pidFile, ...command];
    const started = await startDetached("/bin/sh", args, { outputFd: log.fd, user: runAs });
    return { pid: started.pid, ended: () => started.ended(), logOffset };
  } finally {
    await log.close();
  }
}

/**
 * Stops a server: in order, then, when that takes too long, by killing it, which the next start makes up for.
 * @param started one that was just started, which may not have written who it is yet
 * @throws {BtarError} TIMED_OUT
 */
export async function stopServer(directory: ServerDirectory, logger: Logger, started?: StartedServer): Promise<void> {
  const isStarting = started !== undefined && started.ended() === undefined;
  const pid = isStarting ? started.pid : await findServer(directory);
  if (pid === undefined) return;
  sendSignal(pid, "SIGTERM");
  if (await endsWithin(pid, shutdownLimitMs)) return;
  logger.warn({ directory: directory.root, pid }, "MySQL did not shut down in time: killing it");
  sendSignal(pid, "SIGKILL");
  if (await endsWithin(pid, killLimitMs)) return;
  throw new BtarError("TIMED_OUT", {
    message: `MySQL in ${directory.root} (process ${pid}) does not stop`,
    hint: "its disk may hang; look at its log, and end the process by hand",
  });
}

/**
 * A killed server leaves the lock of its socket, and MySQL refuses to start while the process that it names exists,
 * whatever that process is. That no other server has the same data, it makes sure by locks on the files.
 */
async function removeLeftovers(directory: ServerDirectory): Promise<void> {
  if ((await findServer(directory)) !== undefined) return;
  for (const file of [directory.pidFile, directory.socket, `${directory.socket}.lock`]) await unlinkIfThere(file);
}

function defaultsFile(directory: ServerDirectory): string {
  return `--defaults-file=${directory.configuration}`;
}

async function endsWithin(pid: number, limitMs: number): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (isProcessAlive(pid)) {
    if (Date.now() > deadline) return false;
    await systemClock.sleep(pollMs);
  }
  return true;
}
