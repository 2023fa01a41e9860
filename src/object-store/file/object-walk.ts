import { type Dir, type Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import path from "node:path";
import { throwIfCancelled } from "../../platform/clock.ts";
import { isErrno } from "../../platform/errno.ts";
import { lstatIfThere } from "../../platform/files.ts";
import { compareKeys, isKey } from "../key.ts";
import type { StoredObject } from "../object-store.ts";

/** What is asked of a walk through the files below a directory. */
export interface Walk {
  readonly directory: string;
  readonly prefix: string;
  /** Objects up to this key are left out; empty: none. */
  readonly after: string;
  /** Names of a folder that are held in memory at a time: a larger one is read several times. */
  readonly namesAtATime: number;
  readonly signal?: AbortSignal | undefined;
  /** Called when a folder is not there: throws if that is because the whole store is gone. */
  readonly onMissing: () => Promise<void>;
}

/** All objects that a walk asks for, in order of their keys. */
export function walkObjects(walk: Walk): AsyncGenerator<StoredObject> {
  return walkFolder(walk, walk.prefix.slice(0, walk.prefix.lastIndexOf("/") + 1));
}

/**
 * Whether the walk has to look at a file or into a folder.
 * @param key the file's; the folder's with a slash at the end, with which all keys in it start. The order of such
 *   texts is the order of the keys below them: `a.b` comes before `a/`, though the name `a` comes before `a.b`.
 */
export function isWanted(key: string, walk: Pick<Walk, "prefix" | "after">): boolean {
  if (!key.endsWith("/")) return key.startsWith(walk.prefix) && key > walk.after;
  const mayMatch = key.startsWith(walk.prefix) || walk.prefix.startsWith(key);
  return mayMatch && (key > walk.after || walk.after.startsWith(key));
}

/** Names of the folders directly in a folder (empty, or with a slash at the end) that hold any object. */
export async function foldersWithObjects(walk: Omit<Walk, "after" | "prefix">, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const name of readFolder(walk, folder)) {
    throwIfCancelled(walk.signal);
    if (name.endsWith("/") && (await holdsObject(walk, folder + name))) names.push(name.slice(0, -1));
  }
  return names.sort(compareKeys);
}

async function* walkFolder(walk: Walk, folder: string): AsyncGenerator<StoredObject> {
  let from = "";
  for (;;) {
    const { names, isLast } = await nextNames(walk, folder, from);
    for (const name of names) {
      throwIfCancelled(walk.signal);
      const key = folder + name;
      if (name.endsWith("/")) {
        yield* walkFolder(walk, key);
        continue;
      }
      const stats = await lstatIfThere(path.join(walk.directory, key));
      if (stats?.isFile()) yield { key, sizeBytes: stats.size, storedAt: stats.mtime };
      else await walk.onMissing(); // deleted meanwhile, or all is
    }
    if (isLast) return;
    from = names.at(-1) ?? from;
  }
}

/** The next names of a folder that are wanted, in order, after the name `from`. */
async function nextNames(
  walk: Walk,
  folder: string,
  from: string,
): Promise<{ readonly names: readonly string[]; readonly isLast: boolean }> {
  const most = walk.namesAtATime;
  const names: string[] = [];
  let isLast = true;
  const keepFirst = () => {
    names.sort(compareKeys);
    if (names.length <= most) return;
    names.length = most;
    isLast = false;
  };
  for await (const name of readFolder(walk, folder)) {
    if (name <= from || !isWanted(folder + name, walk)) continue;
    names.push(name);
    if (names.length >= 2 * most) keepFirst();
  }
  keepFirst();
  throwIfCancelled(walk.signal);
  return { names, isLast };
}

async function holdsObject(walk: Pick<Walk, "directory" | "onMissing">, folder: string): Promise<boolean> {
  for await (const name of readFolder(walk, folder)) {
    if (!name.endsWith("/") || (await holdsObject(walk, folder + name))) return true;
  }
  return false;
}

/** Names of a folder, in no order, those of folders with a slash at the end. What cannot be an object is left out. */
async function* readFolder(walk: Pick<Walk, "directory" | "onMissing">, folder: string): AsyncGenerator<string> {
  let entries: Dir;
  try {
    entries = await opendir(path.join(walk.directory, folder), { bufferSize: 256 });
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    await walk.onMissing();
    return;
  }
  for await (const entry of entries) {
    const name = nameOf(entry);
    if (name !== undefined) yield name;
  }
}

/** Links are nothing of ours, wherever they lead. */
function nameOf(entry: Dirent): string | undefined {
  if (!isKey(entry.name)) return undefined;
  if (entry.isDirectory()) return `${entry.name}/`;
  return entry.isFile() ? entry.name : undefined;
}
