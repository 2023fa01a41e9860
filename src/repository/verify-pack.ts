import { xxh64 } from "@node-rs/xxhash";
import { releaseMemory } from "../platform/release-memory.ts";
import { openBlob } from "./blob.ts";
import { pageBytes } from "./file-map.ts";
import { decodePackFooter, decodePackIndex, type PackEntry } from "./pack-layout.ts";

export interface VerifyPackRequest {
  readonly pack: Uint8Array;
  /** That its blobs are sealed with. */
  readonly key: Uint8Array;
  readonly fingerprintSeed: bigint;
}

/** Opens every blob of a pack, and makes its fingerprints again. @returns what is wrong with it */
export function packProblem(request: VerifyPackRequest): string | undefined {
  const pack = Buffer.from(request.pack.buffer, request.pack.byteOffset, request.pack.length);
  try {
    checkBlobs(pack, request);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @throws Error saying what is wrong */
function checkBlobs(pack: Buffer, { key, fingerprintSeed }: VerifyPackRequest): void {
  const open = (entry: PackEntry): Buffer => {
    const sealed = pack.subarray(entry.offset, entry.offset + entry.sealedBytes);
    try {
      return openBlob(key, { ...entry, sealed });
    } catch (cause) {
      throw new Error(`a ${entry.role} at byte ${entry.offset} does not open`, { cause });
    }
  };
  const found: bigint[] = [];
  let stored: Buffer = Buffer.alloc(0);
  for (const entry of decodePackIndex(open(decodePackFooter(pack)))) {
    const plain = open(entry);
    if (entry.role === "fingerprints") {
      stored = plain;
      continue;
    }
    for (let at = 0; at < plain.length; at += pageBytes) {
      if (entry.role !== "extent") break;
      found.push(xxh64(plain.subarray(at, Math.min(at + pageBytes, plain.length)), fingerprintSeed));
    }
    releaseMemory(plain);
  }
  const isSame =
    stored.length === found.length * 8 &&
    found.every((fingerprint, page) => stored.readBigUInt64LE(page * 8) === fingerprint);
  if (!isSame) throw new Error("its fingerprints are not those of its pages");
}
