import type { ScatteredFileSink } from "../../engine.ts";
import {
  type CloneState,
  cloneStates,
  type DataDescriptor,
  type FileDescriptor,
  type Malformed,
  type RestartPoint,
  type StateDescriptor,
} from "./descriptor.ts";
import { damagedKey, type DonorFile, DonorFiles, type FinishedFiles } from "./donor-files.ts";
import { ExtentGatherer } from "./extent-gatherer.ts";
import {
  checkEncryptionBlock,
  encryptionBlockBytes,
  redoEncryptionOffset,
  spaceIds,
  versionFields,
} from "./page-layout.ts";
import { ReceivedChunks, type StreamKey } from "./received-chunks.ts";

/** A block that arrives. */
export interface ArrivingBlock {
  /**
   * Takes the next bytes; they may be reused once it is done.
   * @returns a promise only when there is something to wait for: back-pressure
   */
  write(bytes: Buffer): Promise<void> | undefined;
  /** All of it was written. */
  end(): void;
}

/** What is looked at of a file's beginning. */
interface FirstBytes {
  readonly buffer: Buffer;
  readonly look: (bytes: Buffer) => void;
}

/**
 * All that has come of one clone, whichever connections brought it; it outlives them. Bytes go to the sink's files,
 * by extents.
 */
export class ReceivedClone {
  readonly #sink: ScatteredFileSink;
  readonly #malformed: Malformed;
  readonly #files: DonorFiles;
  readonly #chunks = new ReceivedChunks();
  readonly #extents = new ExtentGatherer();
  #state: CloneState = "init";
  #expectedFiles = Number.POSITIVE_INFINITY;
  /** Bytes 8 to 15 of the data dictionary's first page. */
  #versions: Buffer | undefined;
  #isRedoEncrypted = false;
  #receivedBytes = 0;
  /** What the states up to now were announced to have. */
  #announcedBytes = 0;

  constructor(sink: ScatteredFileSink, options: { readonly malformed: Malformed; readonly versionNumber: number }) {
    this.#sink = sink;
    this.#malformed = options.malformed;
    this.#files = new DonorFiles(sink, options);
  }

  /** The state that began last. */
  get state(): CloneState {
    return this.#state;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** The donor's estimate of what there is, as far as it has told. */
  get totalBytes(): number {
    return Math.max(this.#announcedBytes, this.#receivedBytes);
  }

  /** Whether the donor has named all files that it began with: data may be of any of them from then on. */
  get hasAllFiles(): boolean {
    return this.#state !== "init" && this.#files.count >= this.#expectedFiles;
  }

  get isRedoEncrypted(): boolean {
    return this.#isRedoEncrypted;
  }

  /** The master's start of a state. It comes again after a break. */
  begin(said: StateDescriptor): void {
    if (said.state === this.#state) return;
    if (!isNext(this.#state, said.state)) throw this.#malformed(`${said.state} after ${this.#state}`);
    if (said.state === "page-copy" && !this.hasAllFiles) {
      throw this.#malformed(`${this.#files.count} files, ${this.#expectedFiles} were announced`);
    }
    this.#state = said.state;
    this.#chunks.begin(said.state, said.chunkCount);
    this.#announcedBytes = this.#receivedBytes + said.bytesToSend;
    if (said.state === "file-copy") this.#expectedFiles = said.fileCount;
  }

  /** A message of a file. With the next state in it, it tells what DDL did until the end of this one. */
  file(said: FileDescriptor): void {
    if (said.state !== this.#state) {
      if (!isNext(this.#state, said.state)) throw this.#malformed(`a file of ${said.state} in ${this.#state}`);
      this.#files.change(said, this.#versions);
      return;
    }
    switch (said.state) {
      case "file-copy":
        this.#files.announce(said);
        if (said.isDeleted) this.#dropChunksOf(said);
        return;
      case "page-copy":
        if (!said.isDeleted) throw this.#malformed(`file ${said.index} among changed pages`);
        this.#files.remove(said);
        // Of other chunks it will say so again: they may hold pages of other files, too.
        this.#chunks.dropped(said.firstChunk, said.firstChunk);
        return;
      case "redo-copy":
        this.#files.announceRedo(said);
        return;
      case "init":
      case "done":
        throw this.#malformed(`a file in state ${said.state}`);
    }
  }

  /** A block is announced, by one of the connections. */
  block(said: DataDescriptor, stream: StreamKey): ArrivingBlock {
    if (said.state !== this.#state || !this.#chunks.has(said.chunk)) {
      throw this.#malformed(`block ${said.block} of chunk ${said.chunk} of ${said.state} in ${this.#state}`);
    }
    const file = this.#files.of(said);
    if (said.state === "page-copy" && said.offset === 0) file.sizeBytes = Math.max(file.sizeBytes, said.fileSizeBytes);
    file.sizeBytes = Math.max(file.sizeBytes, said.offset + said.lengthBytes);
    const first = said.offset === 0 ? this.#firstBytes(file, said) : undefined;
    let written = 0;
    return {
      write: (bytes) => {
        bytes.copy(first?.buffer ?? nothing, Math.min(written, first?.buffer.length ?? 0));
        const at = said.offset + written;
        written += bytes.length;
        this.#receivedBytes += bytes.length;
        return file.isDeleted ? undefined : this.#write(file, at, bytes);
      },
      end: () => {
        first?.look(first.buffer.subarray(0, written));
        this.#chunks.received(stream, said.chunk, said.block);
      },
    };
  }

  /** Everything that came of the state is stored afterwards. */
  async settle(): Promise<void> {
    await this.#extents.flush();
    await this.#sink.settle();
  }

  /** All connections are gone. @returns what a donor must know to go on */
  interrupted(): RestartPoint {
    this.#chunks.interrupted();
    return this.#chunks.restartPoint(this.hasAllFiles);
  }

  /** The donor is done: all files get their names and sizes. */
  async finish(modifiedAt: Date): Promise<FinishedFiles> {
    for (const file of this.#files.withInitialPage()) await this.#writeInitialPage(file);
    await this.#extents.flush();
    return await this.#files.finish(modifiedAt);
  }

  /** Nothing more is taken: whoever waits with bytes gets `reason`. */
  abandon(reason: unknown): void {
    this.#extents.abandon(reason);
  }

  #dropChunksOf(said: FileDescriptor): void {
    const chunks = this.#files.remove(said)?.chunks;
    if (chunks) this.#chunks.dropped(chunks.first, chunks.last);
  }

  #write(file: DonorFile, at: number, bytes: Buffer): Promise<void> | undefined {
    const under = file.initialPage && this.#writeInitialPage(file);
    if (!under) return this.#extents.write(file.content, at, bytes);
    return under.then(() => this.#extents.write(file.content, at, bytes));
  }

  async #writeInitialPage(file: DonorFile): Promise<void> {
    const page = file.initialPage;
    file.initialPage = undefined;
    if (page) await this.#extents.write(file.content, 0, page);
  }

  #firstBytes(file: DonorFile, { state }: DataDescriptor): FirstBytes | undefined {
    const { layout, place } = file;
    if (state === "file-copy" && file.spaceId === spaceIds.dataDictionary) {
      const look = (bytes: Buffer) => {
        this.#versions = Buffer.from(bytes.subarray(versionFields.start, versionFields.end));
      };
      return { buffer: Buffer.alloc(versionFields.end), look };
    }
    if (state === "page-copy" && layout) {
      return keyCheck(layout.encryptionOffset, (key) => {
        if (key === "damaged") throw damagedKey(place.path);
        file.hasKey = key === "sound";
      });
    }
    if (state !== "redo-copy") return undefined;
    return keyCheck(redoEncryptionOffset, (key) => {
      if (key === "damaged") throw damagedKey(place.path);
      this.#isRedoEncrypted ||= key === "sound";
    });
  }
}

const nothing = Buffer.alloc(0);

function keyCheck(offset: number, onKey: (key: ReturnType<typeof checkEncryptionBlock>) => void): FirstBytes {
  const look = (bytes: Buffer) => onKey(checkEncryptionBlock(bytes.subarray(offset)));
  return { buffer: Buffer.alloc(offset + encryptionBlockBytes), look };
}

function isNext(state: CloneState, next: CloneState): boolean {
  return cloneStates.indexOf(next) === cloneStates.indexOf(state) + 1;
}
