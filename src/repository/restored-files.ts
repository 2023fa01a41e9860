import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { isErrno } from "../platform/errno.ts";
import type { RestoredFile } from "./restore-plan.ts";

const maxOpenFiles = 32;
/** Writes past the page cache begin and end at multiples of this. */
const directAlignmentBytes = 4096;
const leastDirectBytes = 128 * 1024;
/** Not on every system. */
const directFlag: number | undefined = constants.O_DIRECT;

interface OpenFile {
  readonly handle: number;
  /** Undefined until it is needed; `unsupported` where the file system does not know of it. */
  direct: number | "unsupported" | undefined;
}

/**
 * Files that a worker thread makes, writes and reads. Large parts are written past the page cache: that takes half of
 * the CPU time, leaves next to nothing to be synced, and does not drive out what servers on this host work with.
 */
export class RestoredFiles {
  /** Least recently used first. */
  readonly #open = new Map<string, OpenFile>();

  /** Makes a file if it is not there, and gives it its length, mode and owner; its content is left as it is. */
  make(file: RestoredFile): void {
    this.#openFile(file);
  }

  /** @param bytes lies at a page boundary of memory where possible (`pageAlignedBuffer`) */
  write(file: RestoredFile, position: number, bytes: Buffer): void {
    const open = this.#openFile(file);
    if (bytes.length >= leastDirectBytes && bytes.length % directAlignmentBytes === 0) {
      const direct = openDirect(file, open);
      if (direct !== undefined && writeDirectly(direct, bytes, position)) return;
      open.direct = "unsupported";
    }
    writeFully(open.handle, bytes, position);
  }

  /** Fills `buffer` from a file that is at least that long. */
  read(file: RestoredFile, position: number, buffer: Buffer): void {
    const { handle } = this.#openFile(file);
    for (let done = 0; done < buffer.length; ) {
      const count = readSync(handle, buffer, done, buffer.length - done, position + done);
      if (count === 0) throw Object.assign(new Error(`${file.path} became shorter`), { syscall: "read" });
      done += count;
    }
  }

  close(): void {
    for (const open of this.#open.values()) closeFile(open);
    this.#open.clear();
  }

  #openFile(file: RestoredFile): OpenFile {
    const known = this.#open.get(file.path);
    if (known) {
      this.#open.delete(file.path);
      this.#open.set(file.path, known);
      return known;
    }
    for (const [path, oldest] of this.#open) {
      if (this.#open.size < maxOpenFiles) break;
      closeFile(oldest);
      this.#open.delete(path);
    }
    const open: OpenFile = { handle: openAsItShallBe(file), direct: undefined };
    this.#open.set(file.path, open);
    return open;
  }
}

function openAsItShallBe({ path, mode, sizeBytes, owner }: RestoredFile): number {
  const permissions = mode & 0o777;
  const handle = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, permissions);
  try {
    const stats = fstatSync(handle);
    if (stats.size !== sizeBytes) ftruncateSync(handle, sizeBytes);
    if ((stats.mode & 0o7777) !== permissions) fchmodSync(handle, permissions);
    if (owner && (stats.uid !== owner.uid || stats.gid !== owner.gid)) fchownSync(handle, owner.uid, owner.gid);
  } catch (error) {
    closeSync(handle);
    throw error;
  }
  return handle;
}

function openDirect(file: RestoredFile, open: OpenFile): number | undefined {
  if (open.direct === undefined && directFlag !== undefined) {
    try {
      open.direct = openSync(file.path, constants.O_WRONLY | constants.O_NOFOLLOW | directFlag);
    } catch (error) {
      if (!isErrno(error, "EINVAL")) throw error;
    }
  }
  return typeof open.direct === "number" ? open.direct : undefined;
}

/** @returns whether the file system can do so */
function writeDirectly(handle: number, bytes: Buffer, position: number): boolean {
  try {
    writeFully(handle, bytes, position);
    return true;
  } catch (error) {
    if (!isErrno(error, "EINVAL")) throw error;
    closeSync(handle);
    return false;
  }
}

function writeFully(handle: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(handle, bytes, done, bytes.length - done, position + done);
  }
}

function closeFile({ handle, direct }: OpenFile): void {
  closeSync(handle);
  if (typeof direct === "number") closeSync(direct);
}
