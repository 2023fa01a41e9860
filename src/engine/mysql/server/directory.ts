import path from "node:path";
import Type, { type Static } from "typebox";
import { Check } from "typebox/value";
import { BtarError } from "../../../domain/errors.ts";
import { ensureDirectory, readTextIfThere, statIfThere, writeFileDurably } from "../../../platform/files.ts";
import type { RunAs } from "../../run-as.ts";

/**
 * Where the parts of a server are. It writes to `data`, `external`, `temporary` and its keyring only, and its log to a file
 * that btar has opened for it.
 */
export interface ServerDirectory {
  readonly root: string;
  readonly data: string;
  /** In a fork, what its source had outside of its data directory. */
  readonly external: string;
  /** For what MySQL sorts on disk. */
  readonly temporary: string;
  /** Holds links to the programs, by which a server that has a keyring is started. */
  readonly programs: string;
  /** The file with the master keys of encrypted tables, in a directory of its own. No backup needs it. */
  readonly keyring: string;
  /** Its my.cnf. */
  readonly configuration: string;
  readonly certificate: string;
  readonly privateKey: string;
  /** In `data`, which nobody but the server and btar can enter: whoever answers there is the server. */
  readonly socket: string;
  readonly pidFile: string;
  /** Tells the port of the running server's interface for administrators. */
  readonly adminPortFile: string;
  readonly logFile: string;
}

const stateSchema = Type.Object({
  /** `recovering`: the files of a backup, on their way to become a server; it may not be started otherwise. */
  state: Type.Enum(["ready", "recovering"]),
  majorVersion: Type.String(),
  /**
   * Settings of my.cnf that were decided when the files were made: those without which a server does not understand
   * them (`lower_case_table_names`, `innodb_page_size`, …), and what a fork's source encrypts.
   */
  fileSettings: Type.Record(Type.String({ pattern: "^[a-z_]+$" }), Type.String()),
  /** How the recovery ended that made this server. */
  recovered: Type.Optional(
    Type.Object({
      stoppedAt: Type.String(),
      lastCommitAt: Type.Union([Type.String(), Type.Null()]),
      lastGtid: Type.Optional(Type.String()),
    }),
  ),
});

/** What btar knows of a server, kept beside its data. A directory without it holds no server of btar's. */
export type ServerState = Readonly<Static<typeof stateSchema>>;

const stateName = "server.json";

/** The data dictionary: the last file of a restore, and in every data directory of a server. */
const dictionaryName = "mysql.ibd";

export function serverDirectory(root: string): ServerDirectory {
  const data = path.join(root, "data");
  return {
    root,
    data,
    external: path.join(root, "external"),
    temporary: path.join(root, "tmp"),
    programs: path.join(root, "programs"),
    keyring: path.join(root, "keyring", "keys"),
    configuration: path.join(root, "my.cnf"),
    certificate: path.join(root, "tls", "server.crt"),
    privateKey: path.join(root, "tls", "server.key"),
    socket: path.join(data, "mysql.sock"),
    pidFile: path.join(data, "mysqld.pid"),
    adminPortFile: path.join(root, "admin-port"),
    logFile: path.join(root, "log", "mysql.log"),
  };
}

/**
 * Makes the directories around the data directory. They belong to this process's user, not to the server's: a server
 * that was broken into cannot put a link where btar, as root, writes.
 */
export async function layOut(directory: ServerDirectory, runAs: RunAs | undefined): Promise<void> {
  const parts = [path.dirname(directory.certificate), path.dirname(directory.logFile)];
  for (const part of [directory.root, ...parts]) await ensureDirectory(part, { mode: 0o711 });
  await ensureServerOwned(directory.temporary, runAs);
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
  if (text === undefined || !(await statIfThere(path.join(directory.data, dictionaryName)))) return undefined;
  try {
    const state: unknown = JSON.parse(text);
    if (Check(stateSchema, state)) return state;
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

function notUnderstood(file: string, cause?: unknown): BtarError {
  return new BtarError("WRONG_STATE", {
    message: `${file} does not hold what btar writes there`,
    hint: "a newer btar may have written it; otherwise restore the file, or fork the service from its backup",
    cause,
  });
}
