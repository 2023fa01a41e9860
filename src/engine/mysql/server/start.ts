import { BtarError, isBtarError } from "../../../domain/errors.ts";
import { systemClock, throwIfCancelled } from "../../../platform/clock.ts";
import type { Logger } from "../../../platform/logger.ts";
import type { ServerAddress } from "../../engine.ts";
import type { RunAs } from "../../run-as.ts";
import { logSize, readLogFrom } from "../../server-log-file.ts";
import { MysqlConnection } from "../connection.ts";
import { errnoOf, tooManyConnections } from "../server-error.ts";
import { adminInterfaceOptions, forgetAdminInterface } from "./admin-interface.ts";
import type { ServerDirectory } from "./directory.ts";
import type { MysqlInstallation } from "./installations.ts";
import { gistOfLog } from "./server-log.ts";
import { findServer, launchServer, type StartedServer, stopServer } from "./server-process.ts";

const pollMs = 50;

/**
 * A server answers only once it has recovered its data. Until then it is waited for, as long as it writes to its log,
 * which it does from time to time.
 */
const silenceLimitMs = 600_000;

export interface StartRequest {
  readonly directory: ServerDirectory;
  readonly installation: MysqlInstallation;
  readonly runAs: RunAs | undefined;
  /** Of an account that may log in while nobody else may. */
  readonly address: ServerAddress;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Options that go before those of my.cnf, for as long as it runs, such as `--skip-log-bin`. */
  readonly overrides?: readonly string[];
}

/**
 * Starts a server unless it runs, and waits until it answers. It lets nobody in but btar, see `admit`.
 * @throws {BtarError} SERVER_START_FAILED with what the log says, SERVER_REFUSED (the password), CANCELLED.
 *   A server that was started here and does not come up is stopped.
 */
export async function startServer(request: StartRequest): Promise<void> {
  const isRunning = (await findServer(request.directory)) !== undefined;
  // One that was about to end is started again.
  if (isRunning && (await answerOrEnd(request, undefined)) === undefined) return;
  // One that is started in another way is nobody's to log in to.
  if (request.overrides) await forgetAdminInterface(request.directory);
  const overrides = request.overrides ?? (await adminInterfaceOptions(request.directory));
  const started = await launchServer({ ...request, overrides });
  try {
    const ended = await answerOrEnd(request, started);
    if (ended !== undefined) throw await startFailed(request, started, `it ended with ${ended}`);
  } catch (error) {
    await stopServer(request.directory, request.logger, started);
    throw error;
  }
}

/** Waits until a server answers. @returns how it ended, if it does not; undefined when it answers */
async function answerOrEnd(request: StartRequest, started: StartedServer | undefined): Promise<string | undefined> {
  const life = { atMs: Date.now(), logBytes: -1 };
  for (;;) {
    throwIfCancelled(request.signal);
    if (await answers(request)) return undefined;
    const ended = started ? started.ended() : await endOfAdopted(request);
    if (ended !== undefined) return ended;
    const logBytes = await logSize(request.directory.logFile);
    if (logBytes !== life.logBytes) Object.assign(life, { atMs: Date.now(), logBytes });
    if (Date.now() - life.atMs > silenceLimitMs) {
      throw await startFailed(request, started, `it neither answered nor logged for ${silenceLimitMs / 1000} s`);
    }
    await systemClock.sleep(pollMs, request.signal);
  }
}

/** @throws {BtarError} when it answers, but does not let us in */
async function answers({ address, signal }: StartRequest): Promise<boolean> {
  try {
    await using connection = await MysqlConnection.open(address, { signal });
    await connection.query("DO 1");
    return true;
  } catch (error) {
    if (errnoOf(error) === tooManyConnections) return true;
    if (isBtarError(error, "SERVER_UNREACHABLE")) return false;
    throw error;
  }
}

async function endOfAdopted(request: StartRequest): Promise<string | undefined> {
  return (await findServer(request.directory)) === undefined ? "no word" : undefined;
}

async function startFailed(
  request: StartRequest,
  started: StartedServer | undefined,
  what: string,
): Promise<BtarError> {
  const lines = started ? await readLogFrom(request.directory.logFile, started.logOffset) : [];
  return new BtarError("SERVER_START_FAILED", {
    message: `MySQL in ${request.directory.root} did not start: ${what}: ${gistOfLog(lines)}`,
    hint: `its log is ${request.directory.logFile}`,
    details: { directory: request.directory.root },
  });
}
