import { BtarError } from "../domain/errors.ts";
import { mergeExtent } from "./changed-extent.ts";
import type { PriorExtent } from "./changed-pages.ts";
import type { ExtentStore } from "./extent-store.ts";
import { type Extent, extentBytes, pageBytes, partsOf } from "./file-map.ts";
import { checkRelativePath } from "./stored-file.ts";

/** Bytes of an extent, from `offset` in it on. */
export interface ExtentPart {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** What a file has become, once its name and size are known. */
export interface FinishedFile {
  readonly entry: {
    readonly path: string;
    readonly sizeBytes: number;
    readonly mode: number;
    readonly modifiedAt: Date;
  };
  readonly extents: readonly Extent[];
}

/** An extent that is stored, but whose place in a pack is not known yet. */
interface Unplaced {
  readonly kind: "unplaced";
  readonly plainBytes: number;
}

/**
 * A file of a base backup whose parts come in any order, and again: later ones lie over earlier ones. Whole extents
 * are stored at once. Pages that come afterwards become a delta over what was stored, which is still of one depth:
 * pages of a delta that was there before are read back and stored again with it.
 *
 * Until the file is finished, lengths are in whole pages, so that a delta never ends in the middle of one.
 */
export class ScatteredFileWriter {
  readonly #store: ExtentStore;
  readonly #priorAt: (index: number) => Promise<PriorExtent | undefined>;
  readonly #onWritten: (bytes: number) => void;
  readonly #onFinished: (file: FinishedFile) => Promise<void>;
  readonly #extents: (Extent | Unplaced | undefined)[] = [];
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: {
    readonly store: ExtentStore;
    /** What the previous backup has there. */
    readonly priorAt: (index: number) => Promise<PriorExtent | undefined>;
    readonly onWritten: (bytes: number) => void;
    readonly onFinished: (file: FinishedFile) => Promise<void>;
  }) {
    this.#store = options.store;
    this.#priorAt = options.priorAt;
    this.#onWritten = options.onWritten;
    this.#onFinished = options.onFinished;
  }

  /**
   * Writes parts of one extent; what is never written is zeros. The bytes may be reused once it is done.
   * @param index of the extent in the file
   */
  write(index: number, parts: readonly ExtentPart[]): Promise<void> {
    return this.#inTurn(() => this.#write(index, parts));
  }

  /**
   * The file is complete: what was written after its end is dropped, what is missing before it is zeros.
   * @throws {BtarError} UNSAFE_PATH
   */
  finish(entry: FinishedFile["entry"]): Promise<void> {
    checkRelativePath(entry.path);
    return this.#inTurn(async () => {
      const count = partsOf(entry.sizeBytes, extentBytes);
      for (let index = 0; index < Math.min(count, this.#extents.length); index += 1) {
        await this.#lengthen(index, Math.min(extentBytes, entry.sizeBytes - index * extentBytes));
      }
      const extents: Extent[] = [];
      for (let index = 0; index < count; index += 1) {
        const plainBytes = Math.min(extentBytes, entry.sizeBytes - index * extentBytes);
        extents.push(withLength(await this.#placed(index), plainBytes));
      }
      await this.#onFinished({ entry, extents });
    });
  }

  /** One after the other: an extent is read back before more is laid over it. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work);
    // Whoever asked for it gets the failure; what comes after it is not to be stopped by it.
    this.#writing = done.catch(() => undefined);
    return done;
  }

  async #write(index: number, parts: readonly ExtentPart[]): Promise<void> {
    const end = parts.reduce((furthest, { offset, bytes }) => Math.max(furthest, offset + bytes.length), 0);
    if (end > extentBytes) throw new BtarError("INTERNAL", { message: `${end} bytes were written to one extent` });
    const plainBytes = wholePages(end);
    await this.#store.drained();
    const known = this.#extents[index];
    const [first] = parts;
    const isAll = parts.length === 1 && first?.offset === 0 && plainBytes >= (known?.plainBytes ?? 0);
    if (isAll || known === undefined || known.kind === "hole") {
      const content = asContent(parts, Math.max(plainBytes, known?.plainBytes ?? 0));
      const prior = await this.#priorAt(index);
      this.#keep(index, content.length, (onPlaced) => this.#store.keepCopy(content, prior, onPlaced));
    } else {
      await this.#writeOver(index, parts, plainBytes);
    }
    this.#onWritten(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
  }

  async #writeOver(index: number, parts: readonly ExtentPart[], end: number): Promise<void> {
    const extent = await this.#placed(index);
    const { reader, fingerprints } = this.#store;
    const plainBytes = Math.max(extent.plainBytes, end);
    const changed = await this.#changedPages(extent, parts);
    const prior = await this.#store.priorOf(extent);
    const merged = await mergeExtent({ ...changed, reader, extent, prior, plainBytes, fingerprints });
    this.#keep(index, plainBytes, (onPlaced) => this.#store.keepMerged(merged, plainBytes, onPlaced));
  }

  /** The pages that the parts touch; where they touch only some of one, the rest is read back. */
  async #changedPages(
    extent: Extent,
    parts: readonly ExtentPart[],
  ): Promise<{ readonly pages: readonly number[]; readonly content: Buffer }> {
    const isInPages = parts.every(({ offset, bytes }) => offset % pageBytes === 0 && bytes.length % pageBytes === 0);
    const laid = Buffer.alloc(extentBytes);
    if (!isInPages) (await this.#store.reader.content(extent)).copy(laid);
    const pages = new Set<number>();
    for (const { offset, bytes } of parts) {
      bytes.copy(laid, offset);
      for (let at = offset - (offset % pageBytes); at < offset + bytes.length; at += pageBytes)
        pages.add(at / pageBytes);
    }
    const sorted = [...pages].sort((a, b) => a - b);
    return {
      pages: sorted,
      content: Buffer.concat(sorted.map((page) => laid.subarray(page * pageBytes, (page + 1) * pageBytes))),
    };
  }

  /** Makes an extent as long as it is to be, so that what its base holds there does not show. */
  async #lengthen(index: number, length: number): Promise<void> {
    const known = this.#extents[index];
    if (known === undefined || known.kind === "hole") return;
    const extent = await this.#placed(index);
    if (extent.plainBytes < length) await this.#writeOver(index, [], wholePages(length));
  }

  #keep(index: number, plainBytes: number, keep: (onPlaced: (extent: Extent) => void) => void): void {
    const unplaced: Unplaced = { kind: "unplaced", plainBytes };
    this.#extents[index] = unplaced;
    keep((extent) => {
      if (this.#extents[index] === unplaced) this.#extents[index] = extent;
    });
  }

  async #placed(index: number): Promise<Extent> {
    if (this.#extents[index]?.kind === "unplaced") await this.#store.settle();
    const extent = this.#extents[index];
    if (extent?.kind === "unplaced") throw new BtarError("INTERNAL", { message: "an extent has no place in a pack" });
    return extent ?? { kind: "hole", plainBytes: 0 };
  }
}

function wholePages(bytes: number): number {
  return Math.ceil(bytes / pageBytes) * pageBytes;
}

function asContent(parts: readonly ExtentPart[], plainBytes: number): Buffer {
  const [first] = parts;
  if (first?.offset === 0 && first.bytes.length === plainBytes) return first.bytes;
  const content = Buffer.alloc(plainBytes);
  for (const { offset, bytes } of parts) bytes.copy(content, offset);
  return content;
}

/** The extent, no longer than the file is there; what of it lies after the end is given up. */
function withLength(extent: Extent, plainBytes: number): Extent {
  if (extent.kind !== "delta" || extent.plainBytes === plainBytes) return { ...extent, plainBytes };
  const count = extent.pages.filter((page) => page < partsOf(plainBytes, pageBytes)).length;
  if (count === 0) return { kind: "whole", plainBytes, blob: extent.base };
  return {
    ...extent,
    plainBytes,
    pages: extent.pages.slice(0, count),
    fingerprints: extent.fingerprints.slice(0, count),
  };
}
