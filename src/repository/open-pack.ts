import { createHash, type Hash } from "node:crypto";
import { sealBlob } from "./blob.ts";
import type { MappedPack } from "./file-map.ts";
import { encodePackFooter, encodePackHeader, encodePackIndex, type PackEntry } from "./pack-layout.ts";

export interface FinishedPack {
  readonly sha256: string;
  /** The pack; the first of them lies in `room`. */
  readonly parts: readonly Uint8Array[];
  readonly room: Buffer;
  readonly sizeBytes: number;
  readonly fingerprints: MappedPack["fingerprints"];
}

/** A pack that is being filled. Layout in docs/repository-format.md, "Packs". */
export class OpenPack {
  readonly index: PackEntry[] = [];
  sizeBytes = 0;
  readonly #room: Buffer;
  /** What the room had no place for. */
  readonly #beyond: Buffer[] = [];
  readonly #hash: Hash = createHash("sha256");
  readonly #fingerprints: BigUint64Array[] = [];
  fingerprintCount = 0;

  /** @param room that its bytes are gathered in, as long as they fit; nobody else's until they are stored */
  constructor(room: Buffer, { keyId, session }: { readonly keyId: string; readonly session: Uint8Array }) {
    this.#room = room;
    this.add(encodePackHeader(keyId, session));
  }

  /** Takes bytes; they may be used again after the call. */
  add(part: Uint8Array): void {
    const copy = this.#copyOf(part);
    this.#hash.update(copy);
    this.sizeBytes += copy.length;
  }

  #copyOf(part: Uint8Array): Buffer {
    const end = this.sizeBytes + part.length;
    if (this.#beyond.length > 0 || end > this.#room.length) {
      const copy = Buffer.from(part);
      this.#beyond.push(copy);
      return copy;
    }
    // From memory that threads share, `fill` is several times as fast as `set` and `copy`.
    return this.#room.subarray(this.sizeBytes, end).fill(part);
  }

  addFingerprints(fingerprints: BigUint64Array): void {
    this.#fingerprints.push(fingerprints);
    this.fingerprintCount += fingerprints.length;
  }

  /** @param sequence the first of two */
  finish(key: Uint8Array, sequence: number): FinishedPack {
    const fingerprints = this.#sealFingerprints(key, sequence);
    const plain = encodePackIndex(this.index);
    const indexAt = this.sizeBytes;
    for (const part of sealBlob(key, { role: "index", sequence: sequence + 1, plain, level: 1 })) this.add(part);
    const sealedBytes = this.sizeBytes - indexAt;
    this.add(encodePackFooter({ sealedBytes, plainBytes: plain.length, sequence: sequence + 1 }));
    const gatheredBytes = this.sizeBytes - this.#beyond.reduce((sum, { length }) => sum + length, 0);
    const parts = [this.#room.subarray(0, gatheredBytes), ...this.#beyond];
    return { sha256: this.#hash.digest("hex"), parts, room: this.#room, sizeBytes: this.sizeBytes, fingerprints };
  }

  #sealFingerprints(key: Uint8Array, sequence: number): MappedPack["fingerprints"] {
    if (this.fingerprintCount === 0) return { offset: 0, sealedBytes: 0, plainBytes: 0, sequence: 0 };
    const plain = encodeFingerprints(this.#fingerprints, this.fingerprintCount);
    const offset = this.sizeBytes;
    for (const part of sealBlob(key, { role: "fingerprints", sequence, plain, level: 1 })) this.add(part);
    const place = { offset, sealedBytes: this.sizeBytes - offset, plainBytes: plain.length, sequence };
    this.index.push({ role: "fingerprints", ...place });
    return place;
  }
}

/** As they lie in memory: all that Node is made for is little-endian. */
function encodeFingerprints(parts: readonly BigUint64Array[], count: number): Buffer {
  const values = new BigUint64Array(count);
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return Buffer.from(values.buffer);
}
