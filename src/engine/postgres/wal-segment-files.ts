import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../domain/errors.ts";
import { type Lsn, type TimelineId, walSegmentName, walSegmentStart } from "../../domain/lsn.ts";

/**
 * WAL segments in a directory, as a server has them. They have their full size from the start; where no log was written
 * they hold zeros, which whoever reads them takes for the end of the log.
 */
export class WalSegmentFiles {
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #written = new Set<string>();

  constructor(directory: string, segmentBytes: number) {
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
  }

  /** Names of those that were written to. */
  get names(): readonly string[] {
    return [...this.#written].sort();
  }

  async write(timeline: TimelineId, from: Lsn, bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; ) {
      const position = from + BigInt(offset);
      const inSegment = Number(position - walSegmentStart(position, this.#segmentBytes));
      const part = bytes.subarray(offset, offset + this.#segmentBytes - inSegment);
      const name = walSegmentName(timeline, position, this.#segmentBytes);
      await this.#withSegment(name, (segment) => writeAll(segment, part, inSegment));
      offset += part.length;
    }
  }

  /** The first bytes of a segment. */
  async readHead(name: string, length: number): Promise<Buffer> {
    const head = Buffer.alloc(length);
    await this.#withSegment(name, (segment) => readAll(segment, head));
    return head;
  }

  forget(name: string): void {
    this.#written.delete(name);
  }

  async sync(): Promise<void> {
    for (const name of this.#written) await this.#withSegment(name, (segment) => segment.sync());
  }

  /** Opens a segment, made whole first if it is new. Making it twice at the same time does no harm. */
  async #withSegment(name: string, act: (segment: FileHandle) => Promise<void>): Promise<void> {
    this.#written.add(name);
    const segment = await open(path.join(this.#directory, name), constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const { size } = await segment.stat();
      if (size !== this.#segmentBytes) await segment.truncate(this.#segmentBytes);
      await act(segment);
    } finally {
      await segment.close();
    }
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function readAll(handle: FileHandle, buffer: Buffer): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, done);
    if (bytesRead === 0) throw new BtarError("INTERNAL", { message: "a WAL segment is shorter than it was made" });
    done += bytesRead;
  }
}
