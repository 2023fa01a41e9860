import { xxh64 } from "@node-rs/xxhash";
import { pageAlignedBuffer } from "../platform/page-aligned-buffer.ts";
import { releaseMemory } from "../platform/release-memory.ts";
import { openBlob } from "./blob.ts";
import { extentBytes, pageBytes, pageLength } from "./file-map.ts";
import type { RestoredExtent } from "./restore-plan.ts";
import type { CompareRequest, RestoreReply, RestoreRequest } from "./restore-requests.ts";
import { RestoredFiles } from "./restored-files.ts";

/** What a worker thread does of a restore. */
export class RestoreWork {
  readonly #files = new RestoredFiles();
  #buffer: Buffer | undefined;

  restore(request: RestoreRequest): RestoreReply {
    let path = request.files[0]?.path ?? "";
    let what: "extent" | "delta" | "file" = "file";
    try {
      // Others are made when they are written to.
      for (const file of request.extents.length === 0 ? request.files : []) {
        path = file.path;
        this.#files.make(file);
      }
      path = request.files[0]?.path ?? "";
      what = "delta";
      const delta =
        request.delta && openBlob(request.delta.key, { ...request.delta, ...request.delta.blob, role: "delta" });
      for (const extent of request.extents) {
        const file = request.files[extent.file];
        if (!file) continue;
        path = file.path;
        what = "extent";
        const content = this.#contentOf(extent, request.source, delta);
        what = "file";
        this.#files.write(file, extent.position, content);
      }
      if (delta) releaseMemory(delta);
      return { kind: "restored" };
    } catch (error) {
      return { kind: "failed", path, reason: reasonOf(error), what };
    }
  }

  compare(request: CompareRequest): RestoreReply {
    let path = "";
    const differing: number[] = [];
    try {
      for (const file of request.files.filter(({ sizeBytes }) => sizeBytes === 0)) {
        path = file.path;
        this.#files.make(file);
      }
      let firstPage = 0;
      for (const [index, { file: number, position, plainBytes }] of request.extents.entries()) {
        const file = request.files[number];
        if (!file) continue;
        path = file.path;
        const content = this.#room(plainBytes);
        this.#files.read(file, position, content);
        const pages = Math.ceil(plainBytes / pageBytes);
        const expected = request.fingerprints.subarray(firstPage, firstPage + pages);
        if (!hasFingerprints(content, expected, request.seed)) differing.push(index);
        firstPage += pages;
      }
      return { kind: "compared", differing };
    } catch (error) {
      return { kind: "failed", path, reason: reasonOf(error), what: "file" };
    }
  }

  /** Closes its files; to be called when a restore has ended. */
  end(): RestoreReply {
    this.#files.close();
    this.#buffer = undefined;
    return { kind: "restored" };
  }

  #contentOf(extent: RestoredExtent, source: RestoreRequest["source"], delta: Buffer | undefined): Buffer {
    const { plainBytes, blob } = extent;
    const content = this.#room(plainBytes);
    let filled = 0;
    if (blob && source) {
      const sealed = source.sealed.subarray(blob.offset, blob.offset + blob.sealedBytes);
      const plain = openBlob(source.key, { ...blob, role: "extent", sealed });
      filled = plain.copy(content);
      releaseMemory(plain);
    }
    content.fill(0, filled);
    if (delta && extent.delta) {
      let from = extent.delta.offset;
      for (const page of extent.delta.pages) {
        from += delta.copy(content, page * pageBytes, from, from + pageLength(plainBytes, page));
      }
    }
    return content;
  }

  #room(lengthBytes: number): Buffer {
    this.#buffer ??= pageAlignedBuffer(extentBytes);
    return this.#buffer.subarray(0, lengthBytes);
  }
}

function hasFingerprints(content: Buffer, expected: BigUint64Array, seed: bigint): boolean {
  for (let page = 0, at = 0; at < content.length; page += 1, at += pageBytes) {
    if (xxh64(content.subarray(at, Math.min(at + pageBytes, content.length)), seed) !== expected[page]) return false;
  }
  return true;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
