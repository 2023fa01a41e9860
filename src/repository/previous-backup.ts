import { BtarError } from "../domain/errors.ts";
import { type BlobRef, type BlobRole, openBlob, packKey } from "./blob.ts";
import { BlobCache } from "./blob-cache.ts";
import { ExtentReader } from "./extent-reader.ts";
import {
  type DeltaExtent,
  decodeFileMapGroup,
  type Extent,
  type ExtentBlob,
  type FileMap,
  type MappedPack,
  renumberExtent,
} from "./file-map.ts";
import type { BackupManifest } from "./manifest.ts";
import { objectNames } from "./object-names.ts";
import { missingObject, type Repository } from "./repository.ts";
import type { NeededPack, StoredGroup } from "./stored-file.ts";

/** A pack of which less than this share is still in use is emptied, so that it can be removed. */
const leastLiveShare = 0.25;
/** A group of which less than this share of the files is still in use is written anew. */
const leastUsedShare = 0.5;

/** A file as the previous backup holds it. */
export interface PreviousFile {
  readonly map: FileMap;
  /** Where it is named, when a new manifest may name the same place. */
  readonly place: { readonly group: number; readonly indexInGroup: number } | undefined;
}

/**
 * The base backup that a new one builds on: where its files are, what their pages were, and which of its packs the
 * new one may refer to. Packs are numbered as in its manifest.
 */
export class PreviousBackup {
  readonly manifest: BackupManifest;
  /** Whether something of it is known to be damaged or missing. */
  readonly isDistrusted: boolean;
  readonly #repository: Repository;
  readonly #signal: AbortSignal;
  readonly #avoided: ReadonlySet<number>;
  readonly #placeOf: ReadonlyMap<string, { readonly group: number; readonly indexInGroup: number }>;
  readonly #filesInGroup: readonly number[];
  readonly #numberOf: ReadonlyMap<string, number>;
  readonly #fingerprintPlaces: (MappedPack["fingerprints"] | undefined)[];
  readonly #groups = new BlobCache();
  readonly #extents = new ExtentReader(this);

  /** @param options.distrusted SHA-256 of packs that are known to be damaged or missing */
  constructor(
    repository: Repository,
    manifest: BackupManifest,
    options: { readonly distrusted: ReadonlySet<string>; readonly signal: AbortSignal },
  ) {
    this.manifest = manifest;
    this.#repository = repository;
    this.#signal = options.signal;
    this.isDistrusted = manifest.packs.some(({ sha256 }) => options.distrusted.has(sha256));
    this.#avoided = new Set(
      manifest.packs.flatMap((pack, number) =>
        options.distrusted.has(pack.sha256) || pack.liveBytes < pack.sizeBytes * leastLiveShare ? [number] : [],
      ),
    );
    this.#placeOf = new Map(manifest.files.map(({ path, group, indexInGroup }) => [path, { group, indexInGroup }]));
    const counts = new Array<number>(manifest.groups.length).fill(0);
    for (const { group } of manifest.files) counts[group] = (counts[group] ?? 0) + 1;
    this.#filesInGroup = counts;
    this.#numberOf = new Map(manifest.packs.map((pack, number) => [pack.sha256, number]));
    this.#fingerprintPlaces = new Array<MappedPack["fingerprints"] | undefined>(manifest.packs.length).fill(undefined);
  }

  /** Whether a new backup may refer to the pack. */
  mayReuse(pack: number): boolean {
    return pack >= 0 && !this.#avoided.has(pack);
  }

  /** Whether a new backup may refer to the extent as it is. */
  mayReuseExtent(extent: Extent): boolean {
    if (extent.kind === "hole") return true;
    if (extent.kind === "whole") return this.mayReuse(extent.blob.pack);
    return this.mayReuse(extent.base.pack) && this.mayReuse(extent.delta.pack);
  }

  pack(number: number): NeededPack {
    const pack = this.manifest.packs[number];
    if (!pack) throw new BtarError("INTERNAL", { message: `the previous backup has no pack ${number}` });
    return pack;
  }

  /** Of a pack that an extent was found in. */
  mappedPack(number: number): MappedPack {
    const fingerprints = this.#fingerprintPlaces[number] ?? { offset: 0, sealedBytes: 0, plainBytes: 0, sequence: 0 };
    return { ...this.pack(number), fingerprints };
  }

  group(number: number): StoredGroup {
    const group = this.manifest.groups[number];
    if (!group) throw new BtarError("INTERNAL", { message: `the previous backup has no group ${number}` });
    return group;
  }

  has(path: string): boolean {
    return this.#placeOf.has(path);
  }

  /** @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED */
  async file(path: string): Promise<PreviousFile | undefined> {
    const place = this.#placeOf.get(path);
    if (!place) return undefined;
    const files = await this.#groups.read(`group ${place.group}`, () => this.#readGroup(place.group));
    const map = files[place.indexInGroup];
    if (!map) throw damaged(path, "its file map is missing");
    const isWorthKeeping = (this.#filesInGroup[place.group] ?? 0) >= files.length * leastUsedShare;
    const isSound = isWorthKeeping && this.mayReuse(this.group(place.group).pack);
    return { map, place: isSound ? place : undefined };
  }

  /** Fingerprints of a whole extent's pages. */
  async fingerprints(blob: ExtentBlob): Promise<BigUint64Array> {
    return await this.#extents.fingerprints(blob);
  }

  /** The pages of a delta, one after the other. */
  async deltaPages(extent: DeltaExtent): Promise<Buffer> {
    return await this.#extents.deltaPages(extent);
  }

  /** The whole content of an extent; the caller owns it. */
  async content(extent: Extent): Promise<Buffer> {
    return await this.#extents.content(extent);
  }

  async fingerprintsOf(pack: number): Promise<BlobRef> {
    const place = this.#fingerprintPlaces[pack];
    if (!place) throw new BtarError("INTERNAL", { message: "fingerprints were asked for before their file" });
    return { ...place, pack };
  }

  lacksFingerprints(pack: number): BtarError {
    return damaged(`pack ${pack}`, "fingerprints are missing");
  }

  async #readGroup(number: number): Promise<readonly FileMap[]> {
    const place = this.group(number);
    const plain = await this.readBlob("file-map", place);
    const group = decodeFileMapGroup(plain, objectNames.pack(this.#repository.serviceId, this.pack(place.pack).sha256));
    const numbers = group.packs.map((pack) => {
      // Of files that the previous backup no longer had, a pack may be named that it does not need.
      const known = this.#numberOf.get(pack.sha256) ?? -1;
      if (known >= 0) this.#fingerprintPlaces[known] = pack.fingerprints;
      return known;
    });
    const renumber = (pack: number): number => numbers[pack] ?? -1;
    return group.files.map((file) => ({
      ...file,
      extents: file.extents.map((extent) => renumberExtent(extent, renumber)),
    }));
  }

  async readBlob(role: BlobRole, blob: BlobRef): Promise<Buffer> {
    const { store, keys, serviceId } = this.#repository;
    const pack = this.pack(blob.pack);
    const name = objectNames.pack(serviceId, pack.sha256);
    const range = { offset: blob.offset, lengthBytes: blob.sealedBytes };
    const sealed = await store.get(name, { range, signal: this.#signal });
    if (!sealed) throw missingObject(name, store);
    try {
      const key = packKey(keys.byId(pack.keyId).bytes, Buffer.from(pack.session, "hex"));
      return openBlob(key, { role, sequence: blob.sequence, plainBytes: blob.plainBytes, sealed });
    } catch (cause) {
      throw damaged(name, `a ${role} in it does not open`, cause);
    }
  }
}

function damaged(name: string, what: string, cause?: unknown): BtarError {
  return new BtarError("OBJECT_DAMAGED", {
    message: `${name} of the previous backup is damaged: ${what}`,
    hint: "`btar verify` finds what is damaged and heals it from another location",
    details: { object: name },
    cause,
  });
}
