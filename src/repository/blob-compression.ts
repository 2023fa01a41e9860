import { constants, zstdCompressSync } from "node:zlib";
import { releaseMemory } from "../platform/release-memory.ts";
import { extentBytes } from "./file-map.ts";

const quickLevel = 1;
/** What is as small as this share of what the wanted level makes of it is quick to compress. */
const quickShare = 1.01;
const sampleBytes = 64 * 1024;
/** Contents that are compressed as a sample of the first of them tells. */
const contentsPerSample = 8;

/**
 * Compresses one content after the other; a thread has one. What repeats little, such as random digits and hashes,
 * becomes no smaller by the search of higher levels than by that of level 1, in half the time: a sample tells, now and
 * then, since what follows is mostly of the same tables.
 */
export class BlobCompressor {
  #wanted = 0;
  #isQuick = false;
  #left = 0;

  /** @param level the highest to be used */
  compress(plain: Uint8Array, level: number): Buffer {
    return zstd(plain, this.#isQuickNow(plain, level) ? quickLevel : level);
  }

  #isQuickNow(plain: Uint8Array, level: number): boolean {
    if (level <= quickLevel || plain.length < sampleBytes) return false;
    if (this.#wanted !== level || this.#left === 0) {
      const start = (plain.length - sampleBytes) >> 1;
      const sample = plain.subarray(start, start + sampleBytes);
      this.#isQuick = sizeOf(sample, quickLevel) <= quickShare * sizeOf(sample, level);
      this.#wanted = level;
      this.#left = contentsPerSample;
    }
    this.#left -= 1;
    return this.#isQuick;
  }
}

function sizeOf(sample: Uint8Array, level: number): number {
  const packed = zstd(sample, level);
  const { length } = packed;
  releaseMemory(packed);
  return length;
}

/** Room for a content that does not become smaller (ZSTD_COMPRESSBOUND, rounded up). */
export function compressedRoom(plainBytes: number): number {
  return plainBytes + Math.ceil(plainBytes / 256) + 64;
}

/**
 * With tables that fit the processor's cache, a MiB becomes no larger, in three quarters of the time. They are those of
 * zstd's `dfast` strategy; others make more of theirs.
 */
function zstd(plain: Uint8Array, level: number): Buffer {
  const usesTwoTables = level === 3 || level === 4;
  return zstdCompressSync(plain, {
    // With room for anything, zstd compresses in one go, from where the content lies.
    chunkSize: compressedRoom(plain.length),
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: Math.log2(extentBytes),
      ...(usesTwoTables && { [constants.ZSTD_c_hashLog]: 15, [constants.ZSTD_c_chainLog]: 14 }),
    },
  });
}
