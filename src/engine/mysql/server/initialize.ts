import { randomBytes } from "node:crypto";
import { readdir, rename } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { lstatIfThere, removeTree, syncDirectory } from "../../../platform/files.ts";
import { runProgram } from "../../../platform/process.ts";
import { checkTraversable, type RunAs } from "../../run-as.ts";
import type { ServerSpec } from "../../server.ts";
import { writeConfiguration } from "./configure.ts";
import { ensureServerOwned, layOut, type ServerDirectory, type ServerState, writeServerState } from "./directory.ts";
import { type MysqlInstallation, programArguments } from "./installations.ts";
import { internalAccountStatements, internalHosts, withInitFile } from "./internal-account.ts";
import { userSettings } from "./user-settings.ts";

const initializeLimitMs = 300_000;

export interface Initialization {
  readonly directory: ServerDirectory;
  readonly spec: ServerSpec;
  readonly installation: MysqlInstallation;
  readonly runAs: RunAs | undefined;
  readonly signal: AbortSignal;
}

/**
 * Creates a server. It is made under another name and moved to its place when complete: what an interrupted attempt
 * left is removed by the next one.
 * @throws {BtarError} ALREADY_EXISTS, INVALID_USER_CONFIG, INVALID_CONFIGURATION, COMMAND_FAILED, CANCELLED
 */
export async function initializeServer(request: Initialization): Promise<void> {
  const { directory, spec, runAs } = request;
  if (await lstatIfThere(directory.data)) {
    throw new BtarError("ALREADY_EXISTS", {
      message: `${directory.data} exists: a server was made or restored there before`,
      hint: "remove the directory if nothing in it is needed, or choose another",
    });
  }
  await layOut(directory, runAs);
  await checkTraversable(directory.root, runAs);
  await removeUnfinished(directory);
  const unfinished = `${directory.data}.${randomBytes(6).toString("hex")}.unfinished`;
  const fileSettings = { lower_case_table_names: String(userSettings(spec.userConfig).get(nameCase) ?? 0) };
  try {
    await ensureServerOwned(unfinished, runAs);
    await writeConfiguration({ ...request, dataDirectory: unfinished, fileSettings });
    await makeDataDirectory(request, unfinished);
    const state: ServerState = { state: "ready", majorVersion: spec.majorVersion, fileSettings };
    await writeServerState(directory, state);
    await rename(unfinished, directory.data);
    await syncDirectory(directory.root);
  } catch (error) {
    await removeTree(unfinished);
    throw error;
  }
}

const nameCase = "lower_case_table_names";

/** The internal account is the only one besides MySQL's own, which nobody can log in with. */
async function makeDataDirectory(request: Initialization, dataDirectory: string): Promise<void> {
  const { directory, spec, installation, runAs, signal } = request;
  const ofInternal = internalAccountStatements(spec.accounts.internal, internalHosts);
  const statements = [...ofInternal, "DROP USER root@localhost"];
  await withInitFile(request, statements, async (initFile) => {
    const args = [
      `--defaults-file=${directory.configuration}`,
      ...programArguments(installation),
      `--datadir=${dataDirectory}`,
      "--initialize-insecure", // `root`, which has no password then, is dropped before anybody can log in
      initFile,
    ];
    await runProgram(installation.program, args, { timeoutMs: initializeLimitMs, signal, user: runAs });
  });
}

async function removeUnfinished(directory: ServerDirectory): Promise<void> {
  for (const name of await readdir(directory.root)) {
    if (/\.(unfinished|unchecked|tmp)$/.test(name)) await removeTree(path.join(directory.root, name));
  }
}
