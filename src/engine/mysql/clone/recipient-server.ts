import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { isErrno } from "../../../platform/errno.ts";
import { readTextIfThere, removeTree, writeFileDurably } from "../../../platform/files.ts";
import type { Logger } from "../../../platform/logger.ts";
import { isProcessAlive, processArguments, runProgram, sendSignal } from "../../../platform/process.ts";
import { systemClock } from "../../../platform/clock.ts";
import type { ServerAddress } from "../../engine.ts";
import { checkTraversable, type RunAs } from "../../run-as.ts";
import { ensureServerOwned, layOut, type ServerDirectory, serverDirectory } from "../server/directory.ts";
import { type MysqlInstallation, programArguments } from "../server/installations.ts";
import { internalAccountStatements, withInitFile } from "../server/internal-account.ts";
import { findServer } from "../server/server-process.ts";
import { startServer } from "../server/start.ts";
import { MasterKeys } from "./unwrap-keys.ts";
import { type RecipientSettings, recipientCnf } from "./recipient-cnf.ts";

const initializeLimitMs = 300_000;
const killLimitMs = 30_000;
const pollMs = 25;
const accountName = "btar_recipient";
/** What clones are received into, in the server's directory. */
const receivedName = "received";

export interface RecipientRequest {
  readonly installation: MysqlInstallation;
  readonly runAs: RunAs | undefined;
  readonly settings: RecipientSettings;
  /** PEM of who vouches for what it clones. */
  readonly authority: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * A MySQL server that only lives as long as it receives a clone. It can be reached by a socket file in a directory that
 * nobody else can enter, with a password that nobody else knows, and keeps no statements. Disposing of it leaves nothing.
 */
export class RecipientServer implements AsyncDisposable {
  readonly address: ServerAddress;
  /** Where it may make directories for clones. */
  readonly received: string;
  readonly #directory: ServerDirectory;

  /** @param workDirectory for servers of this kind; each has a directory of its own in it */
  constructor(workDirectory: string) {
    this.#directory = serverDirectory(path.join(workDirectory, randomBytes(4).toString("hex")));
    this.received = path.join(this.#directory.root, receivedName);
    this.address = {
      host: this.#directory.socket,
      port: 0,
      user: accountName,
      password: `Aa1.${randomBytes(24).toString("base64url")}`,
      database: "",
      tls: { mode: "disable" },
    };
  }

  /** @throws {BtarError} COMMAND_FAILED, SERVER_START_FAILED, INVALID_CONFIGURATION, CANCELLED */
  async start(request: RecipientRequest): Promise<void> {
    const directory = this.#directory;
    const { runAs } = request;
    await layOut(directory, runAs);
    await checkTraversable(directory.root, runAs);
    for (const each of [directory.data, this.received]) await ensureServerOwned(each, runAs);
    await writeFileDurably(directory.certificate, request.authority, { mode: 0o644 });
    const text = recipientCnf(directory, request.settings);
    await writeFileDurably(directory.configuration, text, { mode: 0o644 });
    await this.#initialize(request);
    // As they are in its file: it gets no port for administrators either.
    await startServer({ ...request, directory, address: this.address, overrides: [] });
  }

  /** What it has received stays, until it is disposed of. */
  async end(): Promise<void> {
    await endProcesses(this.#directory);
  }

  /** How often the connections to the donor broke and the clone went on, which only its log tells. */
  async restartCount(): Promise<number> {
    const log = await readTextIfThere(this.#directory.logFile);
    return log?.match(/'Client: Command COM_REINIT\.'/g)?.length ?? 0;
  }

  /** Those that wrap the keys of what it has received. */
  async masterKeys(): Promise<MasterKeys> {
    return await MasterKeys.read(this.#directory.keyring);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeServer(this.#directory);
  }

  async #initialize({ installation, runAs, signal }: RecipientRequest): Promise<void> {
    const directory = this.#directory;
    const { user: name, password = "" } = this.address;
    const statements = [...internalAccountStatements({ name, password }), "DROP USER root@localhost"];
    await withInitFile({ directory, runAs }, statements, async (initFile) => {
      const parts = [`--defaults-file=${directory.configuration}`, ...programArguments(installation)];
      const args = [...parts, "--initialize-insecure", initFile];
      await runProgram(installation.program, args, { timeoutMs: initializeLimitMs, signal, user: runAs });
    });
  }
}

/** Ends and removes what recipients of a process that was killed have left. */
export async function removeRecipients(workDirectory: string): Promise<void> {
  for (const name of await namesIn(workDirectory)) {
    await removeServer(serverDirectory(path.join(workDirectory, name)));
  }
}

async function removeServer(directory: ServerDirectory): Promise<void> {
  await endProcesses(directory);
  await removeTree(directory.root);
}

/** Nothing of the server's own is needed any more, so that it need not end in order. */
async function endProcesses(directory: ServerDirectory): Promise<void> {
  for (const pid of await processesOf(directory)) {
    sendSignal(pid, "SIGKILL");
    const deadline = Date.now() + killLimitMs;
    while (isProcessAlive(pid)) {
      if (Date.now() > deadline) throw doesNotStop(directory, pid);
      await systemClock.sleep(pollMs);
    }
  }
}

/** Also one that makes the data directory, which has not written down who it is. */
async function processesOf(directory: ServerDirectory): Promise<readonly number[]> {
  const found = new Set<number>();
  const started = await findServer(directory);
  if (started !== undefined) found.add(started);
  const option = `--defaults-file=${directory.configuration}`;
  for (const name of await namesIn("/proc")) {
    const pid = Number(name);
    if (Number.isSafeInteger(pid) && (await processArguments(pid))?.includes(option)) found.add(pid);
  }
  return [...found];
}

function doesNotStop(directory: ServerDirectory, pid: number): BtarError {
  return new BtarError("TIMED_OUT", {
    message: `MySQL in ${directory.root} (process ${pid}) does not stop`,
    hint: "its disk may hang; end the process by hand, and remove the directory",
  });
}

/** None where there is no such directory. */
async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
