import { realpath } from "node:fs/promises";
import { BtarError, isBtarError } from "../../../domain/errors.ts";
import { systemClock, throwIfCancelled } from "../../../platform/clock.ts";
import type { Logger } from "../../../platform/logger.ts";
import type { ServerAddress } from "../../engine.ts";
import type { ServerInstallation } from "../../server.ts";
import { readLogFrom } from "../../server-log-file.ts";
import { sqlStateOf } from "../server-error.ts";
import { SqlSession } from "../session.ts";
import type { ServerDirectory } from "./directory.ts";
import {
  findPostmaster,
  isLeftover,
  launchPostmaster,
  leftoversRemain,
  pastLeftovers,
  type StartedPostmaster,
  stopPostmaster,
} from "./postmaster.ts";
import type { RunAs } from "../../run-as.ts";
import { gistOfLog } from "./server-log.ts";

const pollMs = 50;

/** A server that says that it is starting is waited for without limit: it replays log. One that is silent is not. */
const silenceLimitMs = 60_000;

const startingUp = "57P03"; // cannot_connect_now
const tooManyConnections = "53300";

export interface StartRequest {
  readonly directory: ServerDirectory;
  readonly installation: ServerInstallation;
  readonly runAs: RunAs | undefined;
  /** Of the internal account. */
  readonly address: ServerAddress;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Starts a server unless it runs, and waits until it answers.
 * @throws {BtarError} SERVER_START_FAILED with what the log says, SERVER_REFUSED (the internal password), CANCELLED.
 *   A server that was started here and does not come up is stopped.
 */
export async function startServer(request: StartRequest): Promise<void> {
  const isRunning = (await findPostmaster(request.directory)) !== undefined;
  // One that was about to end is started again.
  if (isRunning && (await answerOrEnd(request, undefined)) === undefined) return;
  await pastLeftovers(request.signal, async () => {
    const started = await launchPostmaster(request);
    try {
      const ended = await answerOrEnd(request, started);
      if (ended !== undefined) throw await startFailed(request, started, `it ended with ${ended}`);
    } catch (error) {
      await stopPostmaster(request.directory, request.logger, started);
      throw error;
    }
  });
}

/** Waits until a server answers. @returns how it ended, if it does not; undefined when it answers */
async function answerOrEnd(request: StartRequest, started: StartedPostmaster | undefined): Promise<string | undefined> {
  let lastSignOfLifeMs = Date.now();
  for (;;) {
    throwIfCancelled(request.signal);
    const answer = await ask(request, () => started?.ended() !== undefined);
    if (answer === "ready") return undefined;
    if (answer === "starting") lastSignOfLifeMs = Date.now();
    const ended = started ? started.ended() : await endOfAdopted(request);
    if (ended !== undefined) return ended;
    if (Date.now() - lastSignOfLifeMs > silenceLimitMs) {
      throw await startFailed(request, started, `it did not answer within ${silenceLimitMs / 1000} s`);
    }
    await systemClock.sleep(pollMs, request.signal);
  }
}

/**
 * @param hasEnded whether the server is gone: then whoever has its port need not be waited for
 * @throws {BtarError} when it answers, but not as this server should
 */
async function ask(request: StartRequest, hasEnded: () => boolean): Promise<"ready" | "starting" | "silent"> {
  const attempt = new AbortController();
  const watch = setInterval(() => hasEnded() && attempt.abort(), pollMs);
  try {
    const signal = AbortSignal.any([request.signal, attempt.signal]);
    await using session = await SqlSession.open(request.address, { signal });
    await checkIdentity(session, request);
    return "ready";
  } catch (error) {
    const state = sqlStateOf(error);
    if (state === startingUp) return "starting";
    if (state === tooManyConnections) return "ready";
    if (isBtarError(error, "SERVER_UNREACHABLE") || attempt.signal.aborted) return "silent";
    throw error;
  } finally {
    clearInterval(watch);
  }
}

/** The port may be in use by another server, which this one does not take as fatal if it has another address too. */
async function checkIdentity(session: SqlSession, request: StartRequest): Promise<void> {
  const [row] = await session.query("select current_setting('data_directory') as directory");
  const expected = await realpath(request.directory.data);
  if (row?.directory != null && (await realpath(row.directory).catch(() => undefined)) === expected) return;
  const { host, port } = request.address;
  throw new BtarError("SERVER_START_FAILED", {
    message: `port ${port} of ${host} is in use by the PostgreSQL in ${row?.directory}`,
    hint: "stop that server, or give this service another port",
  });
}

async function endOfAdopted(request: StartRequest): Promise<string | undefined> {
  return (await findPostmaster(request.directory)) ? undefined : "no word";
}

async function startFailed(
  request: StartRequest,
  started: StartedPostmaster | undefined,
  what: string,
): Promise<BtarError> {
  const lines = started ? await readLogFrom(request.directory.logFile, started.logOffset) : [];
  if (lines.some(isLeftover)) return leftoversRemain(request.directory);
  return new BtarError("SERVER_START_FAILED", {
    message: `PostgreSQL in ${request.directory.root} did not start: ${what}: ${gistOfLog(lines)}`,
    hint: `its log is ${request.directory.logFile}`,
    details: { directory: request.directory.root },
  });
}
