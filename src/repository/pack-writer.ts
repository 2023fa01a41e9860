import { createHash, type Hash, randomBytes } from "node:crypto";
import type { ObjectStore } from "../object-store/object-store.ts";
import { type BlobRole, packKey, sealBlob } from "./blob.ts";
import type { DataKey } from "./data-keys.ts";
import type { PackRef } from "./file-map.ts";
import { objectNames } from "./object-names.ts";

/** A pack is closed once it holds this much. */
const packTargetBytes = 16 * 1024 * 1024;
/** Packs on their way to the store; more would only take memory. */
const maxPacksInFlight = 2;

const packMagic = Buffer.from("BTARPACK");
const packHeaderBytes = 40;
const indexEntryBytes = 40;
const roles: readonly BlobRole[] = ["extent", "delta", "file-map", "index"];

/** A pack that is in the store. */
export interface StoredPack extends PackRef {
  readonly sizeBytes: number;
}

interface IndexEntry {
  readonly role: BlobRole;
  readonly offset: number;
  readonly sealedBytes: number;
  readonly plainBytes: number;
  readonly sequence: number;
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

  /** Appends a sealed blob; its bytes are kept until the pack is stored. */
  append(
    blob: Pick<IndexEntry, "role" | "plainBytes" | "sequence">,
    parts: readonly Uint8Array[],
  ): { readonly pack: number; readonly offset: number; readonly sealedBytes: number } {
    this.#open ??= new OpenPack(this.#dataKey.id, this.session);
    const offset = this.#open.sizeBytes;
    for (const part of parts) this.#open.add(part);
    const sealedBytes = this.#open.sizeBytes - offset;
    this.#open.index.push({ ...blob, offset, sealedBytes });
    const pack = this.#stored.length;
    if (this.#open.sizeBytes >= packTargetBytes) this.#close(this.#open);
    return { pack, offset, sealedBytes };
  }

  /** Resolves once there is room for more; rejects when a pack could not be stored. */
  async room(): Promise<void> {
    while (this.#inFlight.size >= maxPacksInFlight) await Promise.race(this.#inFlight);
  }

  /** Whether `room()` would resolve at once. */
  get hasRoom(): boolean {
    return this.#inFlight.size < maxPacksInFlight;
  }

  /** Pack `number`, once it is stored. It must have been closed, or be closed by `flush`. */
  stored(number: number): Promise<StoredPack> {
    const pack = this.#stored[number];
    if (!pack) throw new Error(`pack ${number} is not closed yet`);
    return pack;
  }

  /** Packs that are closed: all numbers below are on their way or stored. */
  get closedCount(): number {
    return this.#stored.length;
  }

  /** Closes the pack that is being filled, and waits until every pack is stored. */
  async flush(): Promise<readonly StoredPack[]> {
    if (this.#open) this.#close(this.#open);
    return await Promise.all(this.#stored);
  }

  #close(pack: OpenPack): void {
    this.#open = undefined;
    const { sha256, parts, sizeBytes } = pack.finish(this.key, this.takeSequences(1));
    const storing = this.#put(sha256, parts, sizeBytes);
    this.#stored.push(storing);
    const settled = storing.finally(() => this.#inFlight.delete(settled));
    this.#inFlight.add(settled);
    // The failure is reported by whoever waits: room(), stored() or flush().
    settled.catch(() => undefined);
  }

  async #put(sha256: string, parts: readonly Uint8Array[], sizeBytes: number): Promise<StoredPack> {
    await this.#store.put(objectNames.pack(this.#serviceId, sha256), parts, { signal: this.#signal, sha256 });
    return { sha256, session: this.session.toString("hex"), keyId: this.#dataKey.id, sizeBytes };
  }
}

class OpenPack {
  readonly index: IndexEntry[] = [];
  sizeBytes = 0;
  readonly #parts: Uint8Array[] = [];
  readonly #hash: Hash = createHash("sha256");

  constructor(keyId: string, session: Uint8Array) {
    const header = Buffer.alloc(packHeaderBytes);
    packMagic.copy(header, 0);
    header.writeUInt32LE(1, 8);
    header.write(keyId, 16, "hex");
    header.set(session, 24);
    this.add(header);
  }

  add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#hash.update(part);
    this.sizeBytes += part.length;
  }

  finish(
    key: Uint8Array,
    sequence: number,
  ): { readonly sha256: string; readonly parts: readonly Uint8Array[]; readonly sizeBytes: number } {
    const plain = encodeIndex(this.index);
    const indexAt = this.sizeBytes;
    for (const part of sealBlob(key, { role: "index", sequence, plain, level: 1 })) this.add(part);
    const footer = Buffer.alloc(24);
    footer.writeUInt32LE(this.sizeBytes - indexAt, 0);
    footer.writeUInt32LE(plain.length, 4);
    footer.writeBigUInt64LE(BigInt(sequence), 8);
    packMagic.copy(footer, 16);
    this.add(footer);
    return { sha256: this.#hash.digest("hex"), parts: this.#parts, sizeBytes: this.sizeBytes };
  }
}

function encodeIndex(entries: readonly IndexEntry[]): Buffer {
  const bytes = Buffer.alloc(entries.length * indexEntryBytes);
  for (const [index, entry] of entries.entries()) {
    const at = index * indexEntryBytes;
    bytes.writeUInt8(roles.indexOf(entry.role), at);
    bytes.writeUInt32LE(entry.offset, at + 8);
    bytes.writeUInt32LE(entry.sealedBytes, at + 12);
    bytes.writeUInt32LE(entry.plainBytes, at + 16);
    bytes.writeBigUInt64LE(BigInt(entry.sequence), at + 24);
  }
  return bytes;
}
