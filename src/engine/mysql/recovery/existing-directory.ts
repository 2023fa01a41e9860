import { readdir, readlink, realpath } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { isErrno } from "../../../platform/errno.ts";
import { lstatIfThere } from "../../../platform/files.ts";
import type { BaseBackupFacts } from "../../engine.ts";

/** The data dictionary. Without it no server starts: a restore removes it first and writes it last. */
export const dictionaryFile = "mysql.ibd";

/**
 * Finds out whether a base backup may be restored over what is in a directory: the data directory of a server that does
 * not run. Which server's it was cannot be seen: a clone takes no identity with it.
 * @param options.isUnfinished what a restore has left that was broken off, in which anything may be missing
 * @throws {BtarError} TARGET_DIRECTORY_NOT_EMPTY, WRONG_STATE
 */
export async function checkRestoreOver(
  filesDirectory: string,
  _facts: BaseBackupFacts,
  options: { readonly isUnfinished: boolean },
): Promise<void> {
  const pid = await serverIn(filesDirectory);
  if (pid !== undefined) {
    throw new BtarError("WRONG_STATE", {
      message: `process ${pid} works in ${filesDirectory}, as a MySQL server does in its data directory`,
      hint: "stop the server first",
    });
  }
  const dictionary = await lstatIfThere(path.join(filesDirectory, dictionaryFile));
  if (dictionary?.isFile() || options.isUnfinished) return;
  throw new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
    message: `${filesDirectory} is neither empty nor the data directory of a MySQL server: it has no ${dictionaryFile}`,
    hint: "give the data directory that is to be made equal to the backup, or an empty one",
  });
}

/** A MySQL server changes into its data directory. @returns its process id */
async function serverIn(directory: string): Promise<number | undefined> {
  const place = await realpath(directory);
  let names: readonly string[];
  try {
    names = await readdir("/proc");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined; // no Linux: its own lock on the files has to do
    throw error;
  }
  for (const name of names) {
    if (/^\d+$/.test(name) && (await workingDirectory(name)) === place) return Number(name);
  }
  return undefined;
}

async function workingDirectory(pid: string): Promise<string | undefined> {
  try {
    return await readlink(`/proc/${pid}/cwd`);
  } catch (error) {
    if (isErrno(error, "ENOENT", "EACCES", "EPERM", "ESRCH")) return undefined;
    throw error;
  }
}
