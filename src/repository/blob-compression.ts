import { constants, zstdCompressSync } from "node:zlib";
import { releaseMemory } from "../platform/release-memory.ts";
import { extentBytes } from "./file-map.ts";

/** What is no larger than this share of what the wanted level makes of it is compressed quickly. */
const quickShare = 1.01;
const sampleBytes = 64 * 1024;
/** Contents that are compressed as a sample of the first of them tells. */
const contentsPerSample = 32;

/**
 * Compresses one content after the other; a thread has one. What repeats little, such as random digits and hashes,
 * becomes no smaller by a search for what repeats than by one for long repetitions alone, in half the time or less: a
 * sample tells, now and then, since what follows is mostly of the same tables.
 */
export class BlobCompressor {
  #wanted = 0;
  #isQuick = false;
  #left = 0;

  /** @param level the highest to be used */
  compress(plain: Uint8Array, level: number): Buffer {
    return zstd(plain, this.#isQuickNow(plain, level) ? quickSearch : searchOf(level));
  }

  #isQuickNow(plain: Uint8Array, level: number): boolean {
    if (plain.length < sampleBytes) return false;
    if (this.#wanted !== level || this.#left === 0) {
      const start = (plain.length - sampleBytes) >> 1;
      const sample = plain.subarray(start, start + sampleBytes);
      this.#isQuick = sizeOf(sample, quickSearch) <= quickShare * sizeOf(sample, searchOf(level));
      this.#wanted = level;
      this.#left = contentsPerSample;
    }
    this.#left -= 1;
    return this.#isQuick;
  }
}

function sizeOf(sample: Uint8Array, search: Search): number {
  const packed = zstd(sample, search);
  const { length } = packed;
  releaseMemory(packed);
  return length;
}

/** Room for a content that does not become smaller (ZSTD_COMPRESSBOUND, rounded up). */
export function compressedRoom(plainBytes: number): number {
  return plainBytes + Math.ceil(plainBytes / 256) + 64;
}

type Search = Readonly<Record<number, number>>;

/**
 * Finds repetitions of 7 bytes and more. Shorter ones cost more time in random digits than they save bytes. The table
 * takes half of the first cache of a core, which it would fill with one bit more.
 */
const quickSearch: Search = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_minMatch]: 7,
  [constants.ZSTD_c_hashLog]: 12,
};

/**
 * With tables that fit the processor's cache, a MiB becomes no larger, in three quarters of the time. They are those of
 * zstd's `dfast` strategy; others make more of theirs.
 */
function searchOf(level: number): Search {
  const usesTwoTables = level === 3 || level === 4;
  return {
    [constants.ZSTD_c_compressionLevel]: level,
    ...(usesTwoTables && { [constants.ZSTD_c_hashLog]: 15, [constants.ZSTD_c_chainLog]: 14 }),
  };
}

function zstd(plain: Uint8Array, search: Search): Buffer {
  return zstdCompressSync(plain, {
    // With room for anything, zstd compresses in one go, from where the content lies.
    chunkSize: compressedRoom(plain.length),
    params: { [constants.ZSTD_c_windowLog]: Math.log2(extentBytes), ...search },
  });
}
