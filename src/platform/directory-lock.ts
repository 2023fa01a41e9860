import { open, readdir } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../domain/errors.ts";
import { isErrno } from "./errno.ts";
import { unlinkIfThere } from "./files.ts";
import { isProcessAlive, processStartedAt } from "./process.ts";

/** A held lock. */
export interface DirectoryLock {
  release(): Promise<void>;
}

const claimName = /^lock\.(\d+)(?:\.([0-9a-f-]+\.\d+))?$/;

/**
 * Takes a directory for this process alone, until it releases it or ends, however it ends.
 *
 * Each process puts up a claim, a file named for its id and start, and then looks for claims of others. Two that come
 * at the same moment both see the other and both give up; none can miss the other. Claims of processes that are gone
 * count for nothing and are removed: nobody can come back under the same id and start.
 * @param directory must exist
 * @throws {BtarError} DATA_DIRECTORY_IN_USE naming the holder's process id
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const startedAt = await processStartedAt(process.pid);
  const claim = startedAt ? `lock.${process.pid}.${startedAt}` : `lock.${process.pid}`;
  await putClaim(directory, claim);
  const release = () => unlinkIfThere(path.join(directory, claim));
  try {
    for (const name of await readdir(directory)) {
      if (name !== claim) await refuseIfHeld(directory, name);
    }
    return { release };
  } catch (error) {
    await release();
    throw error;
  }
}

async function putClaim(directory: string, claim: string): Promise<void> {
  try {
    const handle = await open(path.join(directory, claim), "wx", 0o600);
    await handle.close();
  } catch (error) {
    if (isErrno(error, "EEXIST")) throw inUse(directory, process.pid);
    throw error;
  }
}

async function refuseIfHeld(directory: string, name: string): Promise<void> {
  const match = claimName.exec(name);
  if (!match) return;
  const pid = Number(match[1]);
  const isHeld = isProcessAlive(pid) && (await processStartedAt(pid)) === match[2];
  if (isHeld) throw inUse(directory, pid);
  await unlinkIfThere(path.join(directory, name));
}

function inUse(directory: string, pid: number): BtarError {
  return new BtarError("DATA_DIRECTORY_IN_USE", {
    message: `${directory} is in use by process ${pid}`,
    hint: `stop that process first (kill ${pid}), or choose another data_dir`,
    details: { directory, pid },
  });
}
