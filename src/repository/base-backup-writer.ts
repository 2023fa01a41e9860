import { BtarError, isBtarError } from "../domain/errors.ts";
import { BlobSealer } from "./blob-sealer.ts";
import type { BlobWorkers } from "./blob-workers.ts";
import { type ChangedPages, mergeExtent } from "./changed-extent.ts";
import { PageFingerprints, type PriorExtent } from "./changed-pages.ts";
import { ExtentStore } from "./extent-store.ts";
import { type Extent, extentBytes, type MappedPack, pageBytes, partsOf } from "./file-map.ts";
import { FileMapGroups } from "./file-map-groups.ts";
import type { PackWriter } from "./pack-writer.ts";
import type { PreviousBackup, PreviousFile } from "./previous-backup.ts";
import { ScatteredFileWriter } from "./scattered-file-writer.ts";
import { checkRelativePath, type StoredDirectory, type StoredFiles } from "./stored-file.ts";
import { StoredFileList } from "./stored-file-list.ts";

/** What the previous backup holds is looked up for this many extents at a time. */
const lookupExtents = 32;
const pagesPerExtent = extentBytes / pageBytes;

export interface FileContentEntry {
  readonly path: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly modifiedAt: Date;
}

/** A file whose extents are not all stored yet. */
interface OpenFile {
  readonly entry: FileContentEntry;
  readonly extents: (Extent | undefined)[];
  missing: number;
  previous: PreviousFile | undefined;
  isLookedUp: boolean;
  /** By number of the extent, up to `lookedUpThrough`, and none for those that were written. */
  readonly prior: Map<number, PriorExtent>;
  lookedUpThrough: number;
}

export interface WrittenFiles {
  readonly stored: StoredFiles;
  /** Of all files, bytes. */
  readonly dataBytes: number;
  /** What was added to the store, bytes. */
  readonly storedBytes: number;
  /** Why parts of the previous backup could not be built on; what they held was stored anew. */
  readonly damage: readonly BtarError[];
}

/**
 * Takes the files of a base backup and stores what differs from the previous one. Bytes are copied once, into buffers
 * that move to worker threads; fingerprints are made here, while the page is still in the cache. Memory is bounded by
 * the number of buffers and of packs on their way, whatever the size of the database.
 *
 * It fits the engines' sinks. For files that come whole, the calls are synchronous, and `drained` gives back-pressure
 * and looks up the previous backup; for files of which only changed pages come, or parts in any order, they are awaited.
 */
export class BaseBackupWriter {
  readonly #packs: PackWriter;
  readonly #previous: PreviousBackup | undefined;
  readonly #store: ExtentStore;
  readonly #groups: FileMapGroups;
  readonly #files: StoredFileList;
  readonly #directories: StoredDirectory[] = [];
  readonly #damage: BtarError[] = [];

  #file: OpenFile | undefined;
  #fileWritten = 0;
  #extent: Buffer | undefined;
  #extentUsed = 0;
  /** Of a file of which only changed pages come: the first extent that is not dealt with. */
  #nextExtent = 0;
  /** Pages of the extent that is dealt with now; they lie in `#changedContent`, one after the other. */
  #changed: { readonly index: number; readonly pages: number[] } | undefined;
  readonly #changedContent = Buffer.allocUnsafeSlow(extentBytes);
  #dataBytes = 0;

  constructor(options: {
    readonly packs: PackWriter;
    readonly workers: BlobWorkers;
    readonly compressionLevel: number;
    readonly fingerprintSeed: bigint;
    readonly previous: PreviousBackup | undefined;
  }) {
    const { packs, previous } = options;
    this.#packs = packs;
    this.#previous = previous;
    this.#groups = new FileMapGroups({
      ...options,
      earlierPackCount: previous?.manifest.packs.length ?? 0,
      earlierPack: (number) => mappedPackOf(previous, number),
    });
    this.#files = new StoredFileList(this.#groups, previous);
    const sealer = new BlobSealer({ ...options, afterAppend: () => this.#groups.storeReady() });
    const fingerprints = new PageFingerprints(options.fingerprintSeed);
    this.#store = new ExtentStore({ packs, previous, sealer, fingerprints });
  }

  /** Bytes of files taken so far, those of the previous backup that are still as they were included. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  directory(path: string, mode: number): void {
    checkRelativePath(path);
    this.#directories.push({ path, mode });
  }

  beginFile(entry: FileContentEntry): void {
    checkRelativePath(entry.path);
    const count = partsOf(entry.sizeBytes, extentBytes);
    this.#file = {
      entry,
      extents: new Array<Extent | undefined>(count).fill(undefined),
      missing: count,
      previous: undefined,
      isLookedUp: !this.#previous?.has(entry.path),
      prior: new Map(),
      lookedUpThrough: 0,
    };
    this.#fileWritten = 0;
    this.#extent = undefined;
  }

  write(bytes: Uint8Array): void {
    const file = this.#currentFile();
    for (let at = 0; at < bytes.length; ) {
      const extent = this.#extent ?? this.#beginExtent(file);
      const count = Math.min(bytes.length - at, extent.length - this.#extentUsed);
      // Into memory that threads share, `fill` is several times as fast as `set` and `copy`.
      extent.fill(bytes.subarray(at, at + count), this.#extentUsed, this.#extentUsed + count);
      this.#extentUsed += count;
      this.#fileWritten += count;
      at += count;
      if (this.#extentUsed === extent.length) this.#endExtent(file);
    }
    this.#dataBytes += bytes.length;
  }

  endFile(): void {
    const file = this.#currentFile();
    if (this.#fileWritten !== file.entry.sizeBytes) {
      throw new BtarError("SERVER_PROTOCOL", {
        message: `${file.entry.path} has ${this.#fileWritten} bytes, ${file.entry.sizeBytes} were announced`,
      });
    }
    this.#file = undefined;
    if (file.missing === 0) this.#files.add(file);
  }

  /** A promise when no more may be written yet; it rejects when something could not be stored. */
  drained(): Promise<void> | undefined {
    const sealing = this.#store.drained();
    const file = this.#file;
    if (!file || !this.#needsLookup(file)) return sealing;
    return Promise.all([sealing, this.#lookUp(file)]).then(() => undefined);
  }

  /**
   * Begins a file of which only the pages come that may have changed since the previous backup.
   * @throws {BtarError} SERVER_PROTOCOL when the previous backup has no such file; OBJECT_MISSING, OBJECT_DAMAGED
   */
  async beginChangedFile(entry: FileContentEntry): Promise<void> {
    this.beginFile(entry);
    const file = this.#currentFile();
    file.previous = await this.#previous?.file(entry.path);
    file.isLookedUp = true;
    this.#nextExtent = 0;
    if (file.previous) return;
    throw new BtarError("SERVER_PROTOCOL", {
      message: `the server sent changes of ${entry.path}, which the previous backup does not have`,
      hint: "take the base backup again",
    });
  }

  /**
   * Takes changed pages.
   * @param pages their numbers in the file, ascending, and greater than those of earlier calls
   * @param content the pages, one after the other; it may be used again after the call
   */
  async changedPages(pages: readonly number[], content: Buffer): Promise<void> {
    for (const [at, page] of pages.entries()) {
      const index = Math.floor(page / pagesPerExtent);
      if (this.#changed && this.#changed.index !== index) await this.#endChangedExtent();
      this.#changed ??= { index, pages: [] };
      const { pages: gathered } = this.#changed;
      content.copy(this.#changedContent, gathered.length * pageBytes, at * pageBytes, (at + 1) * pageBytes);
      gathered.push(page % pagesPerExtent);
    }
  }

  async endChangedFile(): Promise<void> {
    const file = this.#currentFile();
    await this.#endChangedExtent();
    await this.#keepExtents(file, file.extents.length);
    this.#file = undefined;
    this.#dataBytes += file.entry.sizeBytes;
    if (file.missing === 0) this.#files.add(file);
  }

  /**
   * Opens a file whose parts come in any order. Several may be open at a time, but no file that comes whole meanwhile.
   * @param path what it is called for now: the extents of the previous backup's file of that name are built on
   */
  openFile(path: string): ScatteredFileWriter {
    let isBuiltOn = this.#previous?.has(path) ?? false;
    return new ScatteredFileWriter({
      store: this.#store,
      priorAt: async (index) => {
        const prior = isBuiltOn ? await this.#undamaged(() => this.#priorAt(path, index)) : undefined;
        isBuiltOn &&= prior !== "damaged";
        return prior === "damaged" ? undefined : prior;
      },
      onWritten: (bytes) => {
        this.#dataBytes += bytes;
      },
      onFinished: async (file) => {
        const previous = await this.#undamaged(async () => await this.#previous?.file(file.entry.path));
        this.#files.add({ ...file, previous: previous === "damaged" ? undefined : previous });
      },
    });
  }

  /** Everything that was written to scattered files until now is in the store afterwards. */
  async settle(): Promise<void> {
    await this.#store.settle();
  }

  /** Stores what is left, and tells what the manifest must name. Every pack is durable then. */
  async finish(): Promise<WrittenFiles> {
    await this.#store.settle();
    const groups = await this.#groups.finish();
    const packs = await this.#packs.flush();
    const stored = { directories: this.#directories, ...this.#files.finish(groups, packs) };
    const storedBytes = packs.reduce((sum, pack) => sum + pack.sizeBytes, 0);
    return { stored, dataBytes: this.#dataBytes, storedBytes, damage: this.#damage };
  }

  #currentFile(): OpenFile {
    if (!this.#file) throw new BtarError("INTERNAL", { message: "bytes of a base backup came outside of a file" });
    return this.#file;
  }

  #beginExtent(file: OpenFile): Buffer {
    const left = file.entry.sizeBytes - this.#fileWritten;
    if (left <= 0) {
      throw new BtarError("SERVER_PROTOCOL", { message: `${file.entry.path} is longer than was announced` });
    }
    this.#extentUsed = 0;
    this.#extent = this.#store.reserve(Math.min(extentBytes, left));
    return this.#extent;
  }

  #endExtent(file: OpenFile): void {
    this.#extent = undefined;
    const index = partsOf(this.#fileWritten, extentBytes) - 1;
    const prior = file.prior.get(index);
    file.prior.delete(index);
    this.#store.keepReserved(prior, (extent) => this.#locate(file, index, extent));
  }

  async #endChangedExtent(): Promise<void> {
    const changed = this.#changed;
    this.#changed = undefined;
    if (!changed) return;
    const { index, pages } = changed;
    const file = this.#currentFile();
    await this.#keepExtents(file, index);
    await this.#mergeExtent(file, index, { pages, content: this.#changedContent });
    this.#nextExtent = index + 1;
  }

  /** Takes the extents before `end` of which no page came over from the previous backup. */
  async #keepExtents(file: OpenFile, end: number): Promise<void> {
    for (; this.#nextExtent < end; this.#nextExtent += 1) await this.#keepExtent(file, this.#nextExtent);
  }

  async #keepExtent(file: OpenFile, index: number): Promise<void> {
    const extent = file.previous?.map.extents[index];
    const plainBytes = extentLength(file, index);
    if (extent?.plainBytes === plainBytes && this.#previous?.mayReuseExtent(extent)) {
      this.#locate(file, index, extent);
      return;
    }
    await this.#mergeExtent(file, index, { pages: [], content: Buffer.alloc(0) });
  }

  async #mergeExtent(file: OpenFile, index: number, changed: ChangedPages): Promise<void> {
    await this.#store.drained();
    const extent = file.previous?.map.extents[index];
    const plainBytes = extentLength(file, index);
    if (changed.pages.some((page) => page >= partsOf(plainBytes, pageBytes))) {
      throw new BtarError("SERVER_PROTOCOL", { message: `${file.entry.path} has pages after its announced end` });
    }
    const merged = await mergeExtent({
      ...changed,
      reader: this.#store.reader,
      extent,
      prior: extent && (await this.#store.priorOf(extent)),
      plainBytes,
      fingerprints: this.#store.fingerprints,
    });
    this.#store.keepMerged(merged, plainBytes, (place) => this.#locate(file, index, place));
  }

  #needsLookup(file: OpenFile): boolean {
    if (!file.isLookedUp) return true;
    const count = Math.min(file.previous?.map.extents.length ?? 0, file.extents.length);
    // A write may end this extent and begin the next one.
    const next = Math.floor(this.#fileWritten / extentBytes) + 2;
    return file.lookedUpThrough < Math.min(next, count);
  }

  async #lookUp(file: OpenFile): Promise<void> {
    const found = await this.#undamaged(async () => {
      if (!file.isLookedUp) file.previous = await this.#previous?.file(file.entry.path);
      const from = file.lookedUpThrough;
      file.lookedUpThrough = from + lookupExtents;
      for (const [offset, extent] of (file.previous?.map.extents ?? []).slice(from, from + lookupExtents).entries()) {
        const prior = await this.#store.priorOf(extent);
        if (prior) file.prior.set(from + offset, prior);
      }
    });
    if (found === "damaged") file.previous = undefined;
    file.isLookedUp = true;
  }

  async #priorAt(path: string, index: number): Promise<PriorExtent | undefined> {
    const extent = (await this.#previous?.file(path))?.map.extents[index];
    return extent && (await this.#store.priorOf(extent));
  }

  /** What cannot be read of the previous backup is not built on: its extents are stored whole. */
  async #undamaged<T>(read: () => Promise<T>): Promise<T | "damaged"> {
    try {
      return await read();
    } catch (error) {
      if (!isBtarError(error, "OBJECT_DAMAGED") && !isBtarError(error, "OBJECT_MISSING")) throw error;
      this.#damage.push(error);
      return "damaged";
    }
  }

  #locate(file: OpenFile, index: number, extent: Extent): void {
    file.extents[index] = extent;
    file.missing -= 1;
    if (file.missing === 0 && file !== this.#file) this.#files.add(file);
  }
}

function extentLength(file: OpenFile, index: number): number {
  return Math.min(extentBytes, file.entry.sizeBytes - index * extentBytes);
}

function mappedPackOf(previous: PreviousBackup | undefined, number: number): MappedPack {
  if (!previous) throw new BtarError("INTERNAL", { message: "there is no previous backup to build on" });
  return previous.mappedPack(number);
}
