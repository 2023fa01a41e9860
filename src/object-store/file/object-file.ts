import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { throwIfCancelled } from "../../platform/clock.ts";
import { isErrno } from "../../platform/errno.ts";

/** Bytes that are written between two looks at the signal. */
const writtenAtATime = 16 * 1024 * 1024;

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

/** Writes a file that does not exist yet, for this user alone, and waits until the disk has it. */
export async function writeNewFile(
  file: string,
  buffers: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    for (const batch of batches(buffers)) {
      throwIfCancelled(signal);
      await writeAll(handle, batch);
    }
    throwIfCancelled(signal);
    await handle.datasync();
  } finally {
    await handle.close();
  }
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

function* batches(buffers: readonly Uint8Array[]): Generator<Uint8Array[]> {
  let batch: Uint8Array[] = [];
  let batchBytes = 0;
  for (const buffer of buffers) {
    if (buffer.byteLength === 0) continue;
    batch.push(buffer);
    batchBytes += buffer.byteLength;
    if (batchBytes < writtenAtATime) continue;
    yield batch;
    batch = [];
    batchBytes = 0;
  }
  if (batch.length > 0) yield batch;
}

/** One call of the system for all buffers, unless it writes only a part. */
async function writeAll(handle: FileHandle, buffers: readonly Uint8Array[]): Promise<void> {
  let rest = [...buffers];
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev(rest);
    rest = rest.flatMap((buffer) => {
      const written = Math.min(bytesWritten, buffer.byteLength);
      bytesWritten -= written;
      return written < buffer.byteLength ? [buffer.subarray(written)] : [];
    });
  }
}
