import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "./errno.ts";

/** `stat` counts in these, whatever the file system's blocks. */
const blockBytes = 512;

/** What a directory and all below it take on the disk, bytes; links are not followed. Files may come and go meanwhile. */
export async function diskBytesOf(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await entriesOf(directory)) {
    const path = join(directory, entry.name);
    bytes += entry.isDirectory() ? await diskBytesOf(path) : await allocatedBytes(path);
  }
  return bytes;
}

async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

async function allocatedBytes(file: string): Promise<number> {
  try {
    return (await lstat(file)).blocks * blockBytes;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return 0;
    throw error;
  }
}
