import { open } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { isErrno } from "../../../platform/errno.ts";
import { lstatIfThere, readTextIfThere } from "../../../platform/files.ts";
import { isProcessAlive } from "../../../platform/process.ts";
import type { BaseBackupFacts } from "../../engine.ts";

/** Without it no server starts: a restore removes it first and writes it last. */
export const controlFile = "global/pg_control";

/**
 * Finds out whether a base backup may be restored over what is in a directory: the data directory of a server that
 * does not run, and of the same database system.
 * @param options.isUnfinished what a restore has left that was broken off, in which anything may be missing
 * @throws {BtarError} TARGET_DIRECTORY_NOT_EMPTY, WRONG_STATE
 */
export async function checkRestoreOver(
  filesDirectory: string,
  facts: BaseBackupFacts,
  options: { readonly isUnfinished: boolean },
): Promise<void> {
  await refuseRunning(filesDirectory);
  const version = await lstatIfThere(path.join(filesDirectory, "PG_VERSION"));
  if (!version?.isFile() && !options.isUnfinished) {
    throw new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
      message: `${filesDirectory} is neither empty nor the data directory of a PostgreSQL server: it has no PG_VERSION`,
      hint: "give the data directory that is to be made equal to the backup, or an empty one",
    });
  }
  const systemId = await systemIdOf(path.join(filesDirectory, controlFile));
  if (systemId !== undefined && systemId !== facts.identity.systemId) {
    throw new BtarError("WRONG_STATE", {
      message: `${filesDirectory} holds the database system ${systemId}, the base backup is of ${facts.identity.systemId}`,
      hint: "restore into an empty directory, or into that of the same server",
    });
  }
}

async function refuseRunning(filesDirectory: string): Promise<void> {
  const file = path.join(filesDirectory, "postmaster.pid");
  const pid = Number((await readTextIfThere(file))?.split("\n")[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0 || !isProcessAlive(pid)) return;
  throw new BtarError("WRONG_STATE", {
    message: `a server seems to run in ${filesDirectory}: its postmaster.pid names process ${pid}, which exists`,
    hint: "stop the server first; if that process is another program, remove postmaster.pid",
  });
}

/** The system identifier is what pg_control begins with. @see src/include/catalog/pg_control.h, "ControlFileData" */
async function systemIdOf(file: string): Promise<string | undefined> {
  try {
    const handle = await open(file, "r");
    try {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(8), 0, 8, 0);
      return bytesRead === 8 ? String(buffer.readBigUInt64LE()) : undefined;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EISDIR", "ELOOP")) return undefined;
    throw error;
  }
}
