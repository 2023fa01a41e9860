import { BtarError } from "../domain/errors.ts";
import { type BlobRef, type BlobRole, openBlob, packKey } from "./blob.ts";
import {
  decodeFileMapGroup,
  type Extent,
  type ExtentBlob,
  type FileMapGroup,
  type MappedPack,
  type PackRef,
  pageBytes,
  pageLength,
  partsOf,
} from "./file-map.ts";
import type { BackupManifest } from "./manifest.ts";
import { objectNames } from "./object-names.ts";
import { missingObject, type Repository } from "./repository.ts";

type Place = Omit<BlobRef, "pack">;

/** Deltas that follow runs may need again. */
const keptDeltas = 8;
/** About as many packs as the extents of neighbouring files are in; each has some 100 KB. */
const keptFingerprints = 64;

/** Reads what a restore needs of the store; every failure names the object. */
export class RestoreReader {
  readonly #repository: Repository;
  readonly #manifest: BackupManifest;
  readonly #signal: AbortSignal;
  readonly #deltas = new RecentReads<Buffer>(keptDeltas);
  readonly #fingerprints = new RecentReads<BigUint64Array>(keptFingerprints);

  constructor(repository: Repository, manifest: BackupManifest, signal: AbortSignal) {
    this.#repository = repository;
    this.#manifest = manifest;
    this.#signal = signal;
  }

  /** @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED */
  async group(number: number): Promise<FileMapGroup> {
    const place = this.#manifest.groups[number];
    const pack = place && this.#manifest.packs[place.pack];
    if (!place || !pack)
      throw new BtarError("OBJECT_DAMAGED", { message: `file map ${number} is not in the manifest` });
    return decodeFileMapGroup(await this.#blob("file-map", pack, place), this.nameOf(pack));
  }

  /** A range of a pack, sealed. @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED when the pack ends before */
  async range(pack: PackRef, offset: number, lengthBytes: number): Promise<Buffer> {
    const { store } = this.#repository;
    const name = this.nameOf(pack);
    const bytes = await store.get(name, { range: { offset, lengthBytes }, signal: this.#signal });
    if (!bytes) throw missingObject(name, store);
    if (bytes.length !== lengthBytes) throw damaged(name, `it ends before byte ${offset + lengthBytes}`);
    return bytes;
  }

  /** A delta, sealed. */
  async delta(pack: PackRef, place: Place): Promise<Buffer> {
    return await this.#deltas.get(`${pack.sha256} ${place.offset}`, () =>
      this.range(pack, place.offset, place.sealedBytes),
    );
  }

  /**
   * Fingerprints of an extent's pages as they are to be; undefined when some are not known, because the extent ends
   * within a page of what is stored.
   * @param ofZeros of a page of zeros
   */
  async fingerprints(group: FileMapGroup, extent: Extent, ofZeros: bigint): Promise<BigUint64Array | undefined> {
    const count = partsOf(extent.plainBytes, pageBytes);
    const expected = new BigUint64Array(count).fill(ofZeros);
    const blob = extent.kind === "hole" ? undefined : extent.kind === "whole" ? extent.blob : extent.base;
    const stored = blob && (await this.#extentFingerprints(group, blob));
    const overlaid = new Map(extent.kind === "delta" ? extent.pages.map((page, index) => [page, index]) : []);
    for (let page = 0; page < count; page += 1) {
      const index = overlaid.get(page);
      if (index !== undefined && extent.kind === "delta") {
        expected[page] = extent.fingerprints[index] ?? 0n;
        continue;
      }
      const length = pageLength(extent.plainBytes, page);
      const storedLength = blob ? Math.max(0, pageLength(blob.plainBytes, page)) : 0;
      if (storedLength === 0 ? length !== pageBytes : length !== storedLength) return undefined;
      if (storedLength > 0) expected[page] = stored?.[page] ?? 0n;
    }
    return expected;
  }

  keyOf(pack: PackRef): Buffer {
    return packKey(this.#repository.keys.byId(pack.keyId).bytes, Buffer.from(pack.session, "hex"));
  }

  nameOf(pack: PackRef): string {
    return objectNames.pack(this.#repository.serviceId, pack.sha256);
  }

  async #extentFingerprints(group: FileMapGroup, blob: ExtentBlob): Promise<BigUint64Array> {
    const pack: MappedPack | undefined = group.packs[blob.pack];
    if (!pack) throw new BtarError("INTERNAL", { message: `a file map has no pack ${blob.pack}` });
    const all = await this.#fingerprints.get(pack.sha256, async () => {
      const plain = await this.#blob("fingerprints", pack, pack.fingerprints);
      return new BigUint64Array(new Uint8Array(plain).buffer);
    });
    const own = all.subarray(blob.firstFingerprint, blob.firstFingerprint + partsOf(blob.plainBytes, pageBytes));
    if (own.length !== partsOf(blob.plainBytes, pageBytes))
      throw damaged(this.nameOf(pack), "fingerprints are missing");
    return own;
  }

  async #blob(role: BlobRole, pack: PackRef, place: Place): Promise<Buffer> {
    const sealed = await this.range(pack, place.offset, place.sealedBytes);
    try {
      return openBlob(this.keyOf(pack), { ...place, role, sealed });
    } catch (cause) {
      throw damaged(this.nameOf(pack), `a ${role === "file-map" ? "file map" : role} in it does not open`, cause);
    }
  }
}

/** Keeps the last few things that were read. */
class RecentReads<T> {
  readonly #most: number;
  readonly #reads = new Map<string, Promise<T>>();

  constructor(most: number) {
    this.#most = most;
  }

  async get(name: string, read: () => Promise<T>): Promise<T> {
    const value = this.#reads.get(name) ?? read();
    this.#reads.delete(name);
    this.#reads.set(name, value);
    for (const oldest of this.#reads.keys()) {
      if (this.#reads.size <= this.#most) break;
      this.#reads.delete(oldest);
    }
    return await value;
  }
}

function damaged(name: string, what: string, cause?: unknown): BtarError {
  return new BtarError("OBJECT_DAMAGED", {
    message: `${name} is damaged: ${what}`,
    hint: "use another backup or another location; `btar status` lists them",
    details: { object: name },
    cause,
  });
}
