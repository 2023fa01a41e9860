import { BtarError } from "../../domain/errors.ts";
import type { ChangedFileSink, FileEntry } from "../engine.ts";

const magic = 0xd3ae1f0d;
const headBytes = 12;
const blockBytes = 8192;
/** Blocks that are handed on at once. */
const blocksAtOnce = 64;
/** Of a relation's segment file: 1 GiB, unless PostgreSQL was built otherwise. */
const maxBlocks = (16 * 1024 * 1024 * 1024) / blockBytes;

/**
 * Reads one file of an incremental base backup: which blocks of a relation's segment changed, and these blocks. All
 * numbers are in the byte order of the server, which is little endian.
 *
 * ```
 * u32 0xd3ae1f0d, u32 N, u32 T, then N u32 block numbers, ascending
 * zeros up to a multiple of 8192, if N > 0; then the N blocks
 * ```
 * The file has as many blocks as T says, or as its highest block needs.
 * @see https://www.postgresql.org/docs/current/app-pgcombinebackup.html
 */
export class ChangedFileReader {
  readonly #sink: ChangedFileSink;
  readonly #entry: FileEntry;
  readonly #path: string;
  /** The part that is being read, as far as it has come. */
  #part = Buffer.allocUnsafe(headBytes);
  #gatheredBytes = 0;
  #wantedBytes = headBytes;
  #state: "head" | "numbers" | "padding" | "blocks" = "head";
  #blocks: readonly number[] = [];
  #blockCount = 0;
  #truncationBlocks = 0;
  #given = 0;
  #hasBegun = false;

  /** @param entry as it came: the name without `INCREMENTAL.`, the size that of the increment */
  constructor(entry: FileEntry, sink: ChangedFileSink) {
    this.#entry = entry;
    this.#path = entry.path;
    this.#sink = sink;
  }

  /** @throws {BtarError} SERVER_PROTOCOL, and what the sink throws */
  async read(bytes: Buffer): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      if (this.#wantedBytes === 0) throw this.#malformed("it is longer than it says");
      const taken = rest.subarray(0, this.#wantedBytes - this.#gatheredBytes);
      rest = rest.subarray(taken.length);
      this.#gatheredBytes += taken.copy(this.#part, this.#gatheredBytes);
      if (this.#gatheredBytes === this.#wantedBytes) await this.#take();
    }
  }

  async finish(): Promise<void> {
    if (!this.#hasBegun || this.#wantedBytes !== 0) throw this.#malformed("it is cut short");
    await this.#sink.endChangedFile();
  }

  async #take(): Promise<void> {
    const part = this.#part.subarray(0, this.#gatheredBytes);
    this.#gatheredBytes = 0;
    if (this.#state === "head") await this.#takeHead(part);
    else if (this.#state === "numbers") await this.#takeNumbers(part);
    else if (this.#state === "padding") this.#expectBlocks();
    else await this.#takeBlocks(part);
  }

  async #takeHead(head: Buffer): Promise<void> {
    if (head.readUInt32LE(0) !== magic) throw this.#malformed("it does not begin as one");
    this.#blockCount = head.readUInt32LE(4);
    this.#truncationBlocks = head.readUInt32LE(8);
    if (this.#blockCount > maxBlocks) throw this.#malformed(`it has ${this.#blockCount} blocks`);
    const numbersEnd = headBytes + 4 * this.#blockCount;
    const blocksStart = Math.ceil(numbersEnd / blockBytes) * blockBytes;
    const expected = this.#blockCount === 0 ? headBytes : blocksStart + this.#blockCount * blockBytes;
    if (expected !== this.#entry.sizeBytes) {
      throw this.#malformed(`it has ${this.#entry.sizeBytes} bytes, and should have ${expected}`);
    }
    if (this.#blockCount === 0) return await this.#begin();
    this.#state = "numbers";
    this.#want(4 * this.#blockCount);
  }

  async #takeNumbers(part: Buffer): Promise<void> {
    const blocks: number[] = [];
    for (let at = 0; at < part.length; at += 4) {
      const block = part.readUInt32LE(at);
      if (block <= (blocks.at(-1) ?? -1)) throw this.#malformed("its blocks are not in order");
      blocks.push(block);
    }
    this.#blocks = blocks;
    await this.#begin();
    const end = headBytes + part.length;
    this.#state = "padding";
    this.#want(Math.ceil(end / blockBytes) * blockBytes - end);
    if (this.#wantedBytes === 0) this.#expectBlocks();
  }

  async #begin(): Promise<void> {
    const blocks = Math.max(this.#truncationBlocks, (this.#blocks.at(-1) ?? -1) + 1);
    if (blocks > maxBlocks) throw this.#malformed(`it is for a file of ${blocks} blocks`);
    await this.#sink.beginChangedFile({ ...this.#entry, sizeBytes: blocks * blockBytes });
    this.#hasBegun = true;
    this.#wantedBytes = 0;
  }

  #expectBlocks(): void {
    this.#state = "blocks";
    this.#want(Math.min(blocksAtOnce, this.#blockCount - this.#given) * blockBytes);
  }

  #want(bytes: number): void {
    this.#wantedBytes = bytes;
    if (bytes > this.#part.length) this.#part = Buffer.allocUnsafe(bytes);
  }

  async #takeBlocks(part: Buffer): Promise<void> {
    const count = part.length / blockBytes;
    await this.#sink.changedPages(this.#blocks.slice(this.#given, this.#given + count), part);
    this.#given += count;
    this.#expectBlocks();
  }

  #malformed(what: string): BtarError {
    return new BtarError("SERVER_PROTOCOL", {
      message: `what the server sent of the changes in "${this.#path}" is malformed: ${what}`,
      hint: "take the base backup again",
    });
  }
}
