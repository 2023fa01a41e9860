import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { isErrno } from "../../platform/errno.ts";

/** An object's file, open for reading. */
export interface ObjectFile extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

/**
 * Opens an object's file. A link is not followed.
 * @returns undefined when there is no file of that name
 */
export async function openObjectFile(file: string): Promise<ObjectFile | undefined> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK, a pipe that somebody put there would hold us up for ever.
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ENXIO")) return undefined;
    throw error;
  }
  try {
    const stats = await handle.stat();
    if (stats.isFile()) return { handle, sizeBytes: stats.size, [Symbol.asyncDispose]: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

/** Fills a buffer from an offset of a file. When the file ends earlier, what there was is returned. */
export async function readExactly(
  handle: FileHandle,
  { offset, buffer }: { readonly offset: number; readonly buffer: Buffer },
): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

/** Has a file that was written by other means closed to others and on the disk. */
export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.chmod(0o600);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
