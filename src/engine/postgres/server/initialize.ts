import { randomBytes } from "node:crypto";
import { readdir, rename } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { lstatIfThere, removeTree, syncDirectory, unlinkIfThere, writeFileDurably } from "../../../platform/files.ts";
import { runProgram } from "../../../platform/process.ts";
import type { ServerInstallation, ServerSpec } from "../../server.ts";
import { writeConfiguration } from "./configure.ts";
import { ensureServerOwned, layOut, type ServerDirectory, writeServerState } from "./directory.ts";
import { checkTraversable, type RunAs } from "../../run-as.ts";
import { scramVerifier } from "./scram.ts";

const initdbLimitMs = 300_000;
const defaultWalSegmentBytes = 16 * 1024 * 1024;

export interface Initialization {
  readonly directory: ServerDirectory;
  readonly spec: ServerSpec;
  readonly installation: ServerInstallation;
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
  await layOut(directory);
  await checkTraversable(directory.root, runAs);
  await removeUnfinished(directory);
  const unfinished = `${directory.data}.${randomBytes(6).toString("hex")}.unfinished`;
  try {
    await ensureServerOwned(unfinished, runAs);
    await runInitdb(request, unfinished);
    await writeConfiguration({
      ...request,
      dataDirectory: unfinished,
      walSegmentBytes: defaultWalSegmentBytes,
      admission: "everyone",
    });
    const { majorVersion } = spec;
    await writeServerState(directory, { state: "ready", majorVersion, walSegmentBytes: defaultWalSegmentBytes });
    await rename(unfinished, directory.data);
    await syncDirectory(directory.root);
  } catch (error) {
    await removeTree(unfinished);
    throw error;
  }
}

async function runInitdb(request: Initialization, dataDirectory: string): Promise<void> {
  const { directory, spec, installation, runAs, signal } = request;
  const { name, password } = spec.accounts.internal;
  const passwordFile = path.join(directory.root, `password.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await writeFileDurably(passwordFile, scramVerifier(password), { mode: 0o600, owner: runAs });
    const args = [
      `--pgdata=${dataDirectory}`,
      `--username=${name}`,
      "--auth=scram-sha-256",
      `--pwfile=${passwordFile}`,
      "--encoding=UTF8",
      "--data-checksums",
      "--lc-messages=C",
      ...localeArguments(spec.majorVersion),
    ];
    const program = path.join(installation.basedir, "bin", "initdb");
    await runProgram(program, args, { timeoutMs: initdbLimitMs, signal, user: runAs });
  } finally {
    await unlinkIfThere(passwordFile);
  }
}

/**
 * Sorting by code point: the order does not depend on the host's C library, so that the indexes of a fork on another
 * host are right. Version 17 brought it built in; before, Linux has it as C.UTF-8, other systems only without case
 * mapping beyond ASCII.
 */
function localeArguments(majorVersion: string): string[] {
  if (Number(majorVersion) >= 17) return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"];
  return [process.platform === "linux" ? "--locale=C.UTF-8" : "--locale=C"];
}

async function removeUnfinished(directory: ServerDirectory): Promise<void> {
  for (const name of await readdir(directory.root)) {
    if (name.endsWith(".unfinished") || name.endsWith(".tmp")) await removeTree(path.join(directory.root, name));
  }
}
