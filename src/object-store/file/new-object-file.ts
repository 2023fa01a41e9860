import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { throwIfCancelled } from "../../platform/clock.ts";
import { isErrno } from "../../platform/errno.ts";

/** Bytes that are written between two looks at the signal. */
const writtenAtATime = 16 * 1024 * 1024;
/** Writes past the page cache begin and end at multiples of this. */
const directAlignmentBytes = 4096;
const leastDirectBytes = 1024 * 1024;
/** Not on every system. */
const directFlag: number | undefined = constants.O_DIRECT;

/**
 * Writes a file that does not exist yet, for this user alone, and waits until the disk has it. A large first buffer
 * that begins at a page boundary of memory (`pageAlignedBuffer`) goes past the page cache, which takes less CPU time and
 * leaves next to nothing to be synced; see docs/decisions/0009.
 */
export async function writeNewFile(
  file: string,
  buffers: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    const [first, ...others] = buffers;
    const directBytes = first ? await writeDirectly(file, first) : 0;
    let position = directBytes;
    for (const batch of batches(first ? [first.subarray(directBytes), ...others] : [])) {
      throwIfCancelled(signal);
      position += await writeAll(handle, batch, position);
    }
    throwIfCancelled(signal);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** @returns how many bytes of the buffer it wrote; 0 where memory, size or file system are not fit for it */
async function writeDirectly(file: string, buffer: Uint8Array): Promise<number> {
  const wanted = buffer.byteLength - (buffer.byteLength % directAlignmentBytes);
  if (directFlag === undefined || wanted < leastDirectBytes) return 0;
  let handle: FileHandle | undefined;
  let written = 0;
  try {
    handle = await open(file, constants.O_WRONLY | constants.O_NOFOLLOW | directFlag);
    while (written < wanted && written % directAlignmentBytes === 0) {
      written += (await handle.write(buffer, written, wanted - written, written)).bytesWritten;
    }
  } catch (error) {
    if (!isErrno(error, "EINVAL")) throw error;
  } finally {
    await handle?.close();
  }
  return written;
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

/**
 * One call of the system for all buffers, unless it writes only a part.
 * @returns how many bytes they have
 */
async function writeAll(handle: FileHandle, buffers: readonly Uint8Array[], position: number): Promise<number> {
  let rest = [...buffers];
  let written = 0;
  while (rest.length > 0) {
    let { bytesWritten } = await handle.writev(rest, position + written);
    written += bytesWritten;
    rest = rest.flatMap((buffer) => {
      const ofBuffer = Math.min(bytesWritten, buffer.byteLength);
      bytesWritten -= ofBuffer;
      return ofBuffer < buffer.byteLength ? [buffer.subarray(ofBuffer)] : [];
    });
  }
  return written;
}
