import { xxh64 } from "@node-rs/xxhash";
import { BlobCache } from "./blob-cache.ts";
import { type BlobRef, openBlob, packKey } from "./blob.ts";
import { type DeltaExtent, type FileMapGroup, type MappedPack, pageLength } from "./file-map.ts";
import { objectNames } from "./object-names.ts";
import type { Repository } from "./repository.ts";

export interface DeltasRequest {
  readonly repository: Repository;
  readonly group: FileMapGroup;
  /** Only of the deltas of this run, in hex: those of earlier ones are verified with the file maps of theirs. */
  readonly session: string;
  readonly signal: AbortSignal;
}

/**
 * Makes the fingerprints in a group of file maps again, from the pages of the deltas that they are of.
 * @returns what is wrong with the group; deltas that do not open are not its fault
 */
export async function deltaProblem(request: DeltasRequest): Promise<string | undefined> {
  const { group, session } = request;
  const cache = new BlobCache();
  for (const { extents } of group.files) {
    for (const extent of extents) {
      if (extent.kind !== "delta") continue;
      const pack = group.packs[extent.delta.pack];
      if (pack?.session !== session) continue;
      const place = `${pack.sha256} ${extent.delta.offset}`;
      const plain = await cache.read(place, () => readDelta(request, pack, extent.delta));
      if (plain && !isSame(extent, plain, request.repository.keys.fingerprintSeed))
        return `a file map in it has fingerprints that are not those of the delta at byte ${extent.delta.offset} of ${pack.sha256}`;
    }
  }
  return undefined;
}

/** @returns undefined when it is not there, or does not open */
async function readDelta(
  { repository, signal }: DeltasRequest,
  pack: MappedPack,
  delta: BlobRef,
): Promise<Buffer | undefined> {
  const { store, serviceId, keys } = repository;
  const range = { offset: delta.offset, lengthBytes: delta.sealedBytes };
  const sealed = await store.get(objectNames.pack(serviceId, pack.sha256), { range, signal });
  const key = packKey(keys.byId(pack.keyId).bytes, Buffer.from(pack.session, "hex"));
  try {
    return sealed && openBlob(key, { ...delta, role: "delta", sealed });
  } catch {
    return undefined; // its own pack is damaged, which is found there
  }
}

function isSame({ pages, fingerprints, deltaOffset, plainBytes }: DeltaExtent, plain: Buffer, seed: bigint): boolean {
  let at = deltaOffset;
  return pages.every((page, index) => {
    const content = plain.subarray(at, at + pageLength(plainBytes, page));
    at += content.length;
    return xxh64(content, seed) === fingerprints[index];
  });
}
