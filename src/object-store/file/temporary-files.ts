import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { isErrno } from "../../platform/errno.ts";
import { lstatIfThere, unlinkIfThere } from "../../platform/files.ts";
import { isProcessAlive } from "../../platform/process.ts";

const staleAfterMs = 60 * 60 * 1000;
const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, "-");
/** Tells this process from an earlier one with the same id. */
const instance = randomBytes(6).toString("hex");
let counter = 0;

/** A name that no other file of any process has: `HOST.PID.INSTANCE-NUMBER`. */
export function temporaryName(): string {
  counter += 1;
  return `${host}.${process.pid}.${instance}-${counter}`;
}

/** Whether nobody goes on writing a temporary file: its process was on this host and ended, or it is an hour old. */
export function isLeftover(file: { readonly name: string; readonly modifiedAt: Date }, now: Date): boolean {
  if (now.getTime() - file.modifiedAt.getTime() > staleAfterMs) return true;
  const [, ofHost, pid] = /^([A-Za-z0-9-]*)\.(\d+)\.[0-9a-f]+-\d+$/.exec(file.name) ?? [];
  return ofHost === host && pid !== undefined && !isProcessAlive(Number(pid));
}

/** Removes what puts that were cut off have left in a directory of temporary files. */
export async function removeLeftovers(directory: string): Promise<void> {
  const now = new Date();
  try {
    for (const name of await readdir(directory)) {
      const file = path.join(directory, name);
      const stats = await lstatIfThere(file);
      if (stats?.isFile() && isLeftover({ name, modifiedAt: stats.mtime }, now)) await unlinkIfThere(file);
    }
  } catch (error) {
    // Who may only read the store, to restore from it, cannot tidy it and need not.
    if (!isErrno(error, "EACCES", "EPERM", "EROFS")) throw error;
  }
}
