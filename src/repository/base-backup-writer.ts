import { xxh64 } from "@node-rs/xxhash";
import { BtarError } from "../domain/errors.ts";
import { sealBlob } from "./blob.ts";
import type { BlobWorkers, SealedExtents } from "./blob-workers.ts";
import {
  type Extent,
  encodeFileMapGroup,
  extentBytes,
  type FileMap,
  fileRecordBytes,
  pageBytes,
  partsOf,
} from "./file-map.ts";
import type { PackWriter, StoredPack } from "./pack-writer.ts";
import {
  checkRelativePath,
  type NeededPack,
  type StoredDirectory,
  type StoredFile,
  type StoredFiles,
  type StoredGroup,
} from "./stored-file.ts";

/** Buffers of this size travel to the workers: fewer, larger messages are faster. */
const bufferBytes = 4 * 1024 * 1024;
/** A group of file maps is closed once it is this large. */
const groupTargetBytes = 1024 * 1024;
/** Room in the last buffer that is enough for one more write of an engine. */
const writeRoomBytes = extentBytes + 256 * 1024;
const alignment = 8;

export interface FileContentEntry {
  readonly path: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly modifiedAt: Date;
}

interface WaitingExtent {
  readonly file: OpenFile;
  readonly index: number;
  readonly offset: number;
  readonly bytes: number;
}

/** A file whose extents are not all stored yet. */
interface OpenFile {
  readonly entry: FileContentEntry;
  readonly extents: (Extent | undefined)[];
  readonly fingerprints: BigUint64Array;
  missing: number;
}

/**
 * Takes the files of a base backup and stores their content in packs. Bytes are copied once, into buffers that move
 * to worker threads; fingerprints are made here, while the page is still in the cache. Memory is bounded by the
 * number of buffers and of packs on their way, whatever the size of the database.
 *
 * It fits the engines' sink for files: the calls are synchronous, and `drained` gives back-pressure.
 */
export class BaseBackupWriter {
  readonly #packs: PackWriter;
  readonly #workers: BlobWorkers;
  readonly #level: number;
  readonly #seed: bigint;
  readonly #maxBuffers: number;

  readonly #freeBuffers: ArrayBuffer[] = [];
  #bufferCount = 0;
  #buffer: Buffer | undefined;
  #used = 0;
  #waiting: WaitingExtent[] = [];
  #extentStart = 0;
  #extentUsed = 0;
  #extentSize = 0;

  #file: OpenFile | undefined;
  #fileWritten = 0;
  readonly #groups: GroupBuilder;
  readonly #files: StoredFile[] = [];
  readonly #directories: StoredDirectory[] = [];
  #dataBytes = 0;

  /** Appending to packs, one buffer after the other. */
  #appending: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: {
    readonly packs: PackWriter;
    readonly workers: BlobWorkers;
    readonly compressionLevel: number;
    readonly fingerprintSeed: bigint;
  }) {
    this.#packs = options.packs;
    this.#workers = options.workers;
    this.#level = options.compressionLevel;
    this.#seed = options.fingerprintSeed;
    this.#maxBuffers = options.workers.width * 2 + 2;
    this.#groups = new GroupBuilder(options.packs, options.compressionLevel);
  }

  /** Bytes of files taken so far. */
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
      fingerprints: new BigUint64Array(partsOf(entry.sizeBytes, pageBytes)),
      missing: count,
    };
    this.#fileWritten = 0;
    this.#extentSize = 0;
  }

  write(bytes: Uint8Array): void {
    const file = this.#currentFile();
    for (let at = 0; at < bytes.length; ) {
      if (this.#extentSize === 0) this.#beginExtent(file);
      const count = Math.min(bytes.length - at, this.#extentSize - this.#extentUsed);
      this.#buffer?.set(bytes.subarray(at, at + count), this.#extentStart + this.#extentUsed);
      this.#extentUsed += count;
      this.#fileWritten += count;
      at += count;
      if (this.#extentUsed === this.#extentSize) this.#endExtent(file);
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
    if (file.missing === 0) this.#completeFile(file);
  }

  drained(): Promise<void> | undefined {
    if (this.#failure) return Promise.reject(this.#failure.error);
    if (this.#hasFreeBuffer()) return undefined;
    return new Promise((resolve, reject) => {
      this.#wake = () => {
        if (this.#failure) reject(this.#failure.error);
        else resolve();
      };
    });
  }

  /** Stores what is left, and tells what the manifest must name. Every pack is durable then. */
  async finish(): Promise<{ readonly stored: StoredFiles; readonly dataBytes: number; readonly storedBytes: number }> {
    this.#submit();
    await this.#appending;
    if (this.#failure) throw this.#failure.error;
    await this.#packs.flush();
    const groups = await this.#groups.finish();
    const packs = await this.#packs.flush();
    const storedBytes = packs.reduce((sum, pack) => sum + pack.sizeBytes, 0);
    const stored = { directories: this.#directories, files: this.#files, groups, packs: packs.map(neededPack) };
    return { stored, dataBytes: this.#dataBytes, storedBytes };
  }

  #currentFile(): OpenFile {
    if (!this.#file) throw new BtarError("INTERNAL", { message: "bytes of a base backup came outside of a file" });
    return this.#file;
  }

  #beginExtent(file: OpenFile): void {
    const left = file.entry.sizeBytes - this.#fileWritten;
    if (left <= 0) {
      throw new BtarError("SERVER_PROTOCOL", { message: `${file.entry.path} is longer than was announced` });
    }
    const size = Math.min(extentBytes, left);
    if (this.#buffer && this.#used + size > bufferBytes) this.#submit();
    this.#buffer ??= this.#takeBuffer();
    this.#extentStart = this.#used;
    this.#extentUsed = 0;
    this.#extentSize = size;
  }

  #endExtent(file: OpenFile): void {
    const bytes = this.#extentSize;
    this.#extentSize = 0;
    const buffer = this.#buffer;
    if (!buffer) return;
    const extent = buffer.subarray(this.#extentStart, this.#extentStart + bytes);
    const index = partsOf(this.#fileWritten, extentBytes) - 1;
    let page = (index * extentBytes) / pageBytes;
    for (let at = 0; at < bytes; at += pageBytes, page += 1) {
      file.fingerprints[page] = xxh64(extent.subarray(at, Math.min(at + pageBytes, bytes)), this.#seed);
    }
    if (isZero(extent)) {
      this.#locate(file, index, { kind: "hole", plainBytes: bytes });
      return; // its room in the buffer is used again
    }
    this.#waiting.push({ file, index, offset: this.#extentStart, bytes });
    this.#used += Math.ceil(bytes / alignment) * alignment;
  }

  #hasFreeBuffer(): boolean {
    if (this.#freeBuffers.length > 0 || this.#bufferCount < this.#maxBuffers) return true;
    return this.#buffer !== undefined && this.#extentStart + this.#extentUsed + writeRoomBytes <= bufferBytes;
  }

  /** Goes one over the limit in the middle of a write, which cannot wait; `drained` then makes up for it. */
  #takeBuffer(): Buffer {
    this.#used = 0;
    const free = this.#freeBuffers.pop();
    if (free) return Buffer.from(free);
    this.#bufferCount += 1;
    return Buffer.from(new ArrayBuffer(bufferBytes));
  }

  #submit(): void {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    if (!buffer) return;
    const extents = this.#waiting;
    this.#waiting = [];
    if (extents.length === 0) {
      this.#freeBuffers.push(buffer.buffer as ArrayBuffer);
      return;
    }
    const firstSequence = this.#packs.takeSequences(extents.length);
    const sealing = this.#workers.seal({
      key: this.#packs.key,
      level: this.#level,
      buffer: buffer.buffer as ArrayBuffer,
      firstSequence,
      extents: extents.map(({ offset, bytes }) => ({ offset, bytes })),
    });
    this.#appending = this.#appending
      .then(() => sealing)
      .then((sealed) => this.#append(extents, firstSequence, sealed))
      .catch((error: unknown) => this.#fail(error));
    // A rejection that comes before its turn in the chain is not lost, only not reported twice.
    sealing.catch((error: unknown) => this.#fail(error));
  }

  async #append(extents: readonly WaitingExtent[], firstSequence: number, result: SealedExtents): Promise<void> {
    if (this.#failure) return;
    await this.#packs.room();
    let at = 0;
    for (const [index, extent] of extents.entries()) {
      const bytes = result.sealedBytes[index] ?? 0;
      const blob = { role: "extent", plainBytes: extent.bytes, sequence: firstSequence + index } as const;
      const place = this.#packs.append(blob, [result.sealed.subarray(at, at + bytes)]);
      at += bytes;
      this.#locate(extent.file, extent.index, {
        kind: "whole",
        plainBytes: extent.bytes,
        blob: { ...place, plainBytes: extent.bytes, sequence: blob.sequence },
      });
    }
    await this.#groups.storeReady();
    if (this.#bufferCount > this.#maxBuffers) this.#bufferCount -= 1;
    else this.#freeBuffers.push(result.buffer);
    this.#wakeUp();
  }

  #locate(file: OpenFile, index: number, extent: Extent): void {
    file.extents[index] = extent;
    file.missing -= 1;
    if (file.missing === 0 && file !== this.#file) this.#completeFile(file);
  }

  #completeFile(file: OpenFile): void {
    const { entry } = file;
    const map: FileMap = {
      sizeBytes: entry.sizeBytes,
      extents: file.extents.filter((extent) => extent !== undefined),
      fingerprints: new Uint8Array(file.fingerprints.buffer),
    };
    const place = this.#groups.add(map);
    this.#files.push({
      path: entry.path,
      mode: entry.mode,
      modifiedAtMs: entry.modifiedAt.getTime(),
      sizeBytes: entry.sizeBytes,
      ...place,
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** Gathers file maps to groups, and stores each once the packs that it refers to have their names. */
class GroupBuilder {
  readonly #packs: PackWriter;
  readonly #level: number;
  #open: FileMap[] = [];
  #openBytes = 0;
  #closedCount = 0;
  readonly #closed: { readonly number: number; readonly maps: readonly FileMap[]; readonly newestPack: number }[] = [];
  readonly #stored: StoredGroup[] = [];

  constructor(packs: PackWriter, level: number) {
    this.#packs = packs;
    this.#level = level;
  }

  add(map: FileMap): { readonly group: number; readonly indexInGroup: number } {
    const place = { group: this.#closedCount, indexInGroup: this.#open.length };
    this.#open.push(map);
    this.#openBytes += fileRecordBytes(map);
    if (this.#openBytes >= groupTargetBytes) this.#close();
    return place;
  }

  /** Stores the groups whose packs are all closed. */
  async storeReady(): Promise<void> {
    for (let first = this.#closed[0]; first && first.newestPack < this.#packs.closedCount; first = this.#closed[0]) {
      this.#closed.shift();
      await this.#store(first.number, first.maps);
    }
  }

  async finish(): Promise<readonly StoredGroup[]> {
    if (this.#open.length > 0) this.#close();
    await this.storeReady();
    return this.#stored;
  }

  #close(): void {
    const maps = this.#open;
    const newestPack = Math.max(
      -1,
      ...maps.map((map) => map.extents.reduce((most, e) => Math.max(most, packOf(e)), -1)),
    );
    this.#closed.push({ number: this.#closedCount, maps, newestPack });
    this.#closedCount += 1;
    this.#open = [];
    this.#openBytes = 0;
  }

  async #store(number: number, maps: readonly FileMap[]): Promise<void> {
    const numbers = [...new Set(maps.flatMap((map) => map.extents.map(packOf)))].filter((pack) => pack >= 0);
    const packs: StoredPack[] = [];
    for (const pack of numbers) packs.push(await this.#packs.stored(pack));
    const position = new Map(numbers.map((pack, index) => [pack, index]));
    const plain = encodeFileMapGroup({
      packs,
      files: maps.map((map) => ({ ...map, extents: map.extents.map((extent) => renumber(extent, position)) })),
    });
    const sequence = this.#packs.takeSequences(1);
    await this.#packs.room();
    const parts = sealBlob(this.#packs.key, { role: "file-map", sequence, plain, level: this.#level });
    const place = this.#packs.append({ role: "file-map", plainBytes: plain.length, sequence }, parts);
    this.#stored[number] = { ...place, plainBytes: plain.length, sequence };
  }
}

function packOf(extent: Extent): number {
  return extent.kind === "whole" ? extent.blob.pack : -1;
}

function renumber(extent: Extent, position: ReadonlyMap<number, number>): Extent {
  if (extent.kind !== "whole") return extent;
  return { ...extent, blob: { ...extent.blob, pack: position.get(extent.blob.pack) ?? -1 } };
}

function neededPack(pack: StoredPack): NeededPack {
  return { sha256: pack.sha256, session: pack.session, keyId: pack.keyId, sizeBytes: pack.sizeBytes };
}

const zeros = Buffer.alloc(extentBytes);

function isZero(extent: Buffer): boolean {
  return extent[0] === 0 && extent.equals(zeros.subarray(0, extent.length));
}
