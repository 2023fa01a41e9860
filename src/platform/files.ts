import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import {
  chmod,
  chown,
  lchown,
  lstat,
  mkdir,
  open,
  opendir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  unlink,
} from "node:fs/promises";
import path from "node:path";
import { isErrno } from "./errno.ts";
import type { ProcessUser } from "./process.ts";

export interface Ownership {
  /** Permission bits, such as 0o600. */
  readonly mode: number;
  /** Left as it is (this process's) when undefined. */
  readonly owner?: ProcessUser | undefined;
}

/**
 * Writes a small file so that it holds the old content or the new one, whole, whatever happens in between; when this
 * returns, it holds the new one even after a power failure.
 */
export async function writeFileDurably(
  file: string,
  content: string | Uint8Array,
  ownership: Ownership,
): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const handle = await open(temporary, "wx", ownership.mode);
    try {
      await handle.chmod(ownership.mode); // the process's umask was taken off
      if (ownership.owner) await handle.chown(ownership.owner.uid, ownership.owner.gid);
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(path.dirname(file));
}

/** Makes names that were made, changed or removed in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a directory, with its parents, unless it is there; its mode and owner are set in any case. */
export async function ensureDirectory(directory: string, ownership: Ownership): Promise<void> {
  await mkdir(directory, { recursive: true });
  await chmod(directory, ownership.mode);
  if (ownership.owner) await chown(directory, ownership.owner.uid, ownership.owner.gid);
}

/** Gives a directory and all below it to a user; links are given, not followed. */
export async function giveTree(directory: string, owner: ProcessUser): Promise<void> {
  await lchown(directory, owner.uid, owner.gid);
  for await (const entry of await opendir(directory)) {
    const place = path.join(directory, entry.name);
    if (entry.isDirectory()) await giveTree(place, owner);
    else await lchown(place, owner.uid, owner.gid);
  }
}

/** Removes a file or a directory with all below it; links are removed, not followed. Absent is fine. */
export async function removeTree(target: string): Promise<void> {
  await rm(target, { recursive: true, force: true, maxRetries: 5 });
}

/** Bytes that this user may still write to the file system of a directory. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** The content of a text file; undefined when there is none. */
export async function readTextIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** What is at a path, following links; undefined when nothing is. */
export async function statIfThere(target: string): Promise<Stats | undefined> {
  try {
    return await stat(target);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** What is at a path, a link being itself; undefined when nothing is. */
export async function lstatIfThere(target: string): Promise<Stats | undefined> {
  try {
    return await lstat(target);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Removes a file or link; absent is fine. */
export async function unlinkIfThere(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
  }
}
