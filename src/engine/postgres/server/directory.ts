import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { ensureDirectory, readTextIfThere, statIfThere, writeFileDurably } from "../../../platform/files.ts";
import type { RunAs } from "../../run-as.ts";

/** Where the parts of a server are. It writes to `data` only, and its log to a file that btar has opened for it. */
export interface ServerDirectory {
  readonly root: string;
  /** PGDATA. */
  readonly data: string;
  readonly certificate: string;
  readonly privateKey: string;
  readonly logFile: string;
}

/** What btar knows of a server, kept beside its data. A directory without it holds no server of btar's. */
export interface ServerState {
  /** `recovering`: the files of a backup, on their way to become a server; it may not be started otherwise. */
  readonly state: "ready" | "recovering";
  readonly majorVersion: string;
  readonly walSegmentBytes: number;
  /** How the recovery ended that made this server. */
  readonly recovered?: { readonly stoppedAt: string; readonly lastCommitAt: string | null } | undefined;
}

const stateName = "server.json";

export function serverDirectory(root: string): ServerDirectory {
  return {
    root,
    data: path.join(root, "data"),
    certificate: path.join(root, "tls", "server.crt"),
    privateKey: path.join(root, "tls", "server.key"),
    logFile: path.join(root, "log", "postgresql.log"),
  };
}

/**
 * Makes the directories around the data directory. They belong to this process's user, not to the server's: a server
 * that was broken into cannot put a link where btar, as root, writes.
 */
export async function layOut(directory: ServerDirectory): Promise<void> {
  const parts = [path.dirname(directory.certificate), path.dirname(directory.logFile)];
  for (const part of [directory.root, ...parts]) await ensureDirectory(part, { mode: 0o711 });
}

/** Gives a directory to the user that servers run as. */
export async function ensureServerOwned(directory: string, runAs: RunAs | undefined): Promise<void> {
  await ensureDirectory(directory, { mode: 0o700, owner: runAs });
}

/** @throws {BtarError} WRONG_STATE when what is written there cannot be understood */
export async function readServerState(directory: ServerDirectory): Promise<ServerState | undefined> {
  const file = path.join(directory.root, stateName);
  const text = await readTextIfThere(file);
  // It is written before the data directory gets its name.
  if (text === undefined || !(await statIfThere(path.join(directory.data, "PG_VERSION")))) return undefined;
  try {
    const state: unknown = JSON.parse(text);
    if (isServerState(state)) return state;
  } catch (cause) {
    throw notUnderstood(file, cause);
  }
  throw notUnderstood(file);
}

export async function writeServerState(directory: ServerDirectory, state: ServerState): Promise<void> {
  await writeFileDurably(path.join(directory.root, stateName), `${JSON.stringify(state, undefined, 2)}\n`, {
    mode: 0o644,
  });
}

function isServerState(value: unknown): value is ServerState {
  return (
    typeof value === "object" &&
    value !== null &&
    "state" in value &&
    (value.state === "ready" || value.state === "recovering") &&
    "majorVersion" in value &&
    typeof value.majorVersion === "string" &&
    "walSegmentBytes" in value &&
    typeof value.walSegmentBytes === "number"
  );
}

function notUnderstood(file: string, cause?: unknown): BtarError {
  return new BtarError("WRONG_STATE", {
    message: `${file} does not hold what btar writes there`,
    hint: "a newer btar may have written it; otherwise restore the file, or fork the service from its backup",
    cause,
  });
}
