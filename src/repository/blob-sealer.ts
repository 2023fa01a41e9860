import { sealedRoom } from "./blob.ts";
import { type BlobWorkers, sealBufferBytes, type SealedBlobs } from "./blob-workers.ts";
import type { PackPlace, PackWriter } from "./pack-writer.ts";

/** Room in the last buffer that is enough for one more write of an engine: an extent, and what a read brings. */
const writeRoomBytes = 1024 * 1024 + 256 * 1024;

/** Where a blob went. */
export interface SealedPlace extends PackPlace {
  readonly plainBytes: number;
  readonly sequence: number;
}

/** Fingerprints of an extent's pages: known already, or made by the thread that seals it. */
export type BlobFingerprints = BigUint64Array | "made-when-sealed";

interface WaitingBlob {
  readonly role: "extent" | "delta";
  readonly offset: number;
  readonly bytes: number;
  readonly fingerprints: BlobFingerprints | undefined;
  readonly onStored: (place: SealedPlace) => void;
}

/**
 * Brings plain bytes into packs: they are gathered in buffers that worker threads seal, and what becomes of them is
 * appended in order. Memory is bounded by the number of buffers and of packs on their way.
 */
export class BlobSealer {
  readonly #packs: PackWriter;
  readonly #workers: BlobWorkers;
  readonly #level: number;
  readonly #fingerprintSeed: bigint;
  readonly #maxBuffers: number;
  readonly #afterAppend: () => Promise<void>;

  readonly #freeBuffers: SharedArrayBuffer[] = [];
  #bufferCount = 0;
  #buffer: Buffer | undefined;
  #used = 0;
  #reserved = 0;
  #waiting: WaitingBlob[] = [];

  /** Appending to packs, one buffer after the other. */
  #appending: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  #room: PromiseWithResolvers<void> | undefined;

  /** @param options.afterAppend is awaited after the blobs of a buffer were appended */
  constructor(options: {
    readonly packs: PackWriter;
    readonly workers: BlobWorkers;
    readonly compressionLevel: number;
    readonly fingerprintSeed: bigint;
    readonly afterAppend: () => Promise<void>;
  }) {
    this.#packs = options.packs;
    this.#workers = options.workers;
    this.#level = options.compressionLevel;
    this.#fingerprintSeed = options.fingerprintSeed;
    this.#maxBuffers = options.workers.mostBuffers;
    this.#afterAppend = options.afterAppend;
  }

  /** Room for `bytes`, at most a MiB, to be filled and then kept, or given up by the next call. */
  reserve(bytes: number): Buffer {
    if (this.#buffer && this.#used + sealedRoom(bytes) > sealBufferBytes) this.#submit();
    this.#buffer ??= this.#takeBuffer();
    this.#reserved = bytes;
    return this.#buffer.subarray(this.#used, this.#used + bytes);
  }

  /** Makes a blob of what was reserved. `onStored` is called once it has its place in a pack. */
  keep(role: WaitingBlob["role"], onStored: WaitingBlob["onStored"], fingerprints?: BlobFingerprints): void {
    const bytes = this.#reserved;
    this.#reserved = 0;
    this.#waiting.push({ role, offset: this.#used, bytes, fingerprints, onStored });
    this.#used += sealedRoom(bytes);
  }

  /** A promise when no more may be reserved yet; it rejects when something could not be stored. */
  drained(): Promise<void> | undefined {
    if (this.#failure) return Promise.reject(this.#failure.error);
    if (this.#hasFreeBuffer()) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Everything that was kept has its place afterwards. */
  async finish(): Promise<void> {
    this.#submit();
    await this.#appending;
    if (this.#failure) throw this.#failure.error;
    for (const buffer of this.#freeBuffers.splice(0)) {
      this.#workers.giveBuffer(buffer);
      this.#bufferCount -= 1;
    }
  }

  #hasFreeBuffer(): boolean {
    if (this.#freeBuffers.length > 0 || this.#bufferCount < this.#maxBuffers) return true;
    return this.#buffer !== undefined && this.#used + this.#reserved + writeRoomBytes <= sealBufferBytes;
  }

  /** Goes one over the limit in the middle of a write, which cannot wait; `drained` then makes up for it. */
  #takeBuffer(): Buffer {
    this.#used = 0;
    const free = this.#freeBuffers.pop();
    if (free) return Buffer.from(free);
    this.#bufferCount += 1;
    return Buffer.from(this.#workers.takeBuffer());
  }

  #submit(): void {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    if (!buffer) return;
    const blobs = this.#waiting;
    this.#waiting = [];
    if (blobs.length === 0) {
      this.#freeBuffers.push(buffer.buffer as SharedArrayBuffer);
      return;
    }
    const shared = buffer.buffer as SharedArrayBuffer;
    const firstSequence = this.#packs.takeSequences(blobs.length);
    const sealing = this.#workers.seal({
      key: this.#packs.key,
      level: this.#level,
      buffer: shared,
      firstSequence,
      fingerprintSeed: this.#fingerprintSeed,
      blobs: blobs.map(({ role, offset, bytes, fingerprints }) => {
        return { role, offset, bytes, isFingerprinted: fingerprints === "made-when-sealed" };
      }),
    });
    this.#appending = this.#appending
      .then(() => sealing)
      .then((sealed) => this.#append(blobs, { firstSequence, sealed, buffer: shared }))
      .catch((error: unknown) => this.#fail(error));
    // A rejection that comes before its turn in the chain is not lost, only not reported twice.
    sealing.catch((error: unknown) => this.#fail(error));
  }

  async #append(
    blobs: readonly WaitingBlob[],
    sealed: {
      readonly firstSequence: number;
      readonly sealed: SealedBlobs;
      readonly buffer: SharedArrayBuffer;
    },
  ): Promise<void> {
    if (this.#failure) return;
    const { firstSequence, sealed: result, buffer } = sealed;
    await this.#packs.room();
    const all = Buffer.from(buffer);
    let at = 0;
    for (const [index, blob] of blobs.entries()) {
      const sealedBytes = result.sealedBytes[index] ?? 0;
      const fingerprints = blob.fingerprints === "made-when-sealed" ? result.fingerprints[index] : blob.fingerprints;
      const packed = { role: blob.role, plainBytes: blob.bytes, sequence: firstSequence + index };
      const place = this.#packs.append(packed, [all.subarray(at, at + sealedBytes)], fingerprints);
      at += sealedBytes;
      blob.onStored({ ...place, plainBytes: packed.plainBytes, sequence: packed.sequence });
    }
    await this.#afterAppend();
    if (this.#bufferCount > this.#maxBuffers) this.#bufferCount -= 1;
    else this.#freeBuffers.push(buffer);
    this.#wakeUp();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wakeUp();
  }

  #wakeUp(): void {
    const room = this.#room;
    this.#room = undefined;
    if (this.#failure) room?.reject(this.#failure.error);
    else room?.resolve();
  }
}
