import { randomBytes } from "node:crypto";
import { BtarError } from "../domain/errors.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { pageAlignedBuffer } from "../platform/page-aligned-buffer.ts";
import { releaseMemory } from "../platform/release-memory.ts";
import { type BlobRef, type BlobRole, openBlob, packKey } from "./blob.ts";
import type { DataKey } from "./data-keys.ts";
import type { MappedPack } from "./file-map.ts";
import { objectNames } from "./object-names.ts";
import { type FinishedPack, OpenPack } from "./open-pack.ts";
import type { PackEntry } from "./pack-layout.ts";
import { missingObject } from "./repository.ts";

/** A pack is closed once it holds this much. */
const packTargetBytes = 16 * 1024 * 1024;
/** Room for a pack of whole extents and what it says of them. */
const packRoomBytes = packTargetBytes + 2 * 1024 * 1024;
/** Packs on their way to the store; more would only take memory. */
const maxPacksInFlight = 2;

/** A pack that is in the store. */
export interface StoredPack extends MappedPack {
  readonly sizeBytes: number;
}

/** A blob that goes into a pack. */
type PackedBlob = Pick<PackEntry, "role" | "plainBytes" | "sequence">;

export interface PackPlace {
  /** Number of the pack. */
  readonly pack: number;
  readonly offset: number;
  readonly sealedBytes: number;
  /** Fingerprints of the pack that come before those of this blob. */
  readonly firstFingerprint: number;
}

/**
 * Gathers sealed blobs to packs and stores them, named by the SHA-256 of their bytes. Packs are numbered from 0 in
 * the order they are begun; `stored(n)` tells what became of pack n. Layout in docs/repository-format.md, "Packs".
 */
export class PackWriter {
  readonly #store: ObjectStore;
  readonly #serviceId: string;
  readonly #dataKey: DataKey;
  readonly #signal: AbortSignal;
  readonly session: Buffer = randomBytes(16);
  readonly key: Buffer;
  #nextSequence = 1;
  #open: OpenPack | undefined;
  /** Used again: until they are collected, new ones would be as much memory once more. */
  readonly #spareRooms: Buffer[] = [];
  readonly #stored: Promise<StoredPack>[] = [];
  readonly #inFlight = new Set<Promise<unknown>>();

  constructor(options: {
    readonly store: ObjectStore;
    readonly serviceId: string;
    readonly dataKey: DataKey;
    readonly signal: AbortSignal;
  }) {
    this.#store = options.store;
    this.#serviceId = options.serviceId;
    this.#dataKey = options.dataKey;
    this.#signal = options.signal;
    this.key = packKey(options.dataKey.bytes, this.session);
  }

  /** Numbers for the next `count` blobs; each is used once. */
  takeSequences(count: number): number {
    const first = this.#nextSequence;
    this.#nextSequence += count;
    return first;
  }

  /**
   * Appends a sealed blob; its bytes may be used again after the call.
   * @param fingerprints of a whole extent's pages
   */
  append(blob: PackedBlob, parts: readonly Uint8Array[], fingerprints?: BigUint64Array): PackPlace {
    this.#open ??= this.#begin();
    const firstFingerprint = this.#open.fingerprintCount;
    if (fingerprints) this.#open.addFingerprints(fingerprints);
    const offset = this.#open.sizeBytes;
    for (const part of parts) this.#open.add(part);
    const sealedBytes = this.#open.sizeBytes - offset;
    this.#open.index.push({ ...blob, offset, sealedBytes });
    const pack = this.#stored.length;
    if (this.#open.sizeBytes >= packTargetBytes) this.#close(this.#open);
    return { pack, offset, sealedBytes, firstFingerprint };
  }

  /** Resolves once there is room for more; rejects when a pack could not be stored. */
  async room(): Promise<void> {
    while (this.#inFlight.size >= maxPacksInFlight) await Promise.race(this.#inFlight);
  }

  /** Whether `room()` would resolve at once. */
  get hasRoom(): boolean {
    return this.#inFlight.size < maxPacksInFlight;
  }

  /** Pack `number`, once it is stored; one that is being filled is closed. */
  stored(number: number): Promise<StoredPack> {
    if (number === this.#stored.length && this.#open) this.#close(this.#open);
    const pack = this.#stored[number];
    if (!pack) throw new Error(`there is no pack ${number} yet`);
    return pack;
  }

  /**
   * Reads a blob of a pack, once it is stored; one that is being filled is closed.
   * @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED
   */
  async read(role: BlobRole, blob: BlobRef): Promise<Buffer> {
    const { sha256 } = await this.stored(blob.pack);
    const name = objectNames.pack(this.#serviceId, sha256);
    const range = { offset: blob.offset, lengthBytes: blob.sealedBytes };
    const sealed = await this.#store.get(name, { range, signal: this.#signal });
    if (!sealed) throw missingObject(name, this.#store);
    try {
      return openBlob(this.key, { ...blob, role, sealed });
    } catch (cause) {
      throw new BtarError("OBJECT_DAMAGED", {
        message: `${name}, which was just stored, is damaged: a ${role} in it does not open`,
        hint: "check the store's disks and the network to it; the backup is taken again",
        details: { object: name },
        cause,
      });
    }
  }

  /** Packs that are closed: all numbers below are on their way or stored. */
  get closedCount(): number {
    return this.#stored.length;
  }

  /** Closes the pack that is being filled, and waits until every pack is stored. */
  async flush(): Promise<readonly StoredPack[]> {
    if (this.#open) this.#close(this.#open);
    const stored = await Promise.all(this.#stored);
    for (const room of this.#spareRooms.splice(0)) releaseMemory(room);
    return stored;
  }

  #begin(): OpenPack {
    const room = this.#spareRooms.pop() ?? pageAlignedBuffer(packRoomBytes);
    return new OpenPack(room, { keyId: this.#dataKey.id, session: this.session });
  }

  #close(pack: OpenPack): void {
    this.#open = undefined;
    const storing = this.#put(pack.finish(this.key, this.takeSequences(2)));
    this.#stored.push(storing);
    const settled = storing.finally(() => this.#inFlight.delete(settled));
    this.#inFlight.add(settled);
    // The failure is reported by whoever waits: room(), stored() or flush().
    settled.catch(() => undefined);
  }

  async #put({ sha256, parts, room, sizeBytes, fingerprints }: FinishedPack): Promise<StoredPack> {
    await this.#store.put(objectNames.pack(this.#serviceId, sha256), parts, { signal: this.#signal, sha256 });
    this.#spareRooms.push(room);
    return { sha256, session: this.session.toString("hex"), keyId: this.#dataKey.id, sizeBytes, fingerprints };
  }
}
