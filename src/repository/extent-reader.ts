import type { BlobRef, BlobRole } from "./blob.ts";
import { BlobCache } from "./blob-cache.ts";
import { type DeltaExtent, type Extent, type ExtentBlob, pageBytes, pageLength, partsOf } from "./file-map.ts";

/** Where an `ExtentReader` finds blobs. */
export interface BlobSource {
  /** @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED */
  readBlob(role: BlobRole, blob: BlobRef): Promise<Buffer>;
  /** The pack's blob of fingerprints. */
  fingerprintsOf(pack: number): Promise<BlobRef>;
  /** The error for a pack whose blob of fingerprints is too short. */
  lacksFingerprints(pack: number): Error;
}

/** Reads what extents hold, and what their pages were. */
export class ExtentReader {
  readonly #source: BlobSource;
  readonly #cache = new BlobCache();

  constructor(source: BlobSource) {
    this.#source = source;
  }

  /** Fingerprints of a whole extent's pages. */
  async fingerprints(blob: ExtentBlob): Promise<BigUint64Array> {
    const all = await this.#cache.read(`fingerprints ${blob.pack}`, async () => {
      const plain = await this.#source.readBlob("fingerprints", await this.#source.fingerprintsOf(blob.pack));
      return new BigUint64Array(new Uint8Array(plain).buffer);
    });
    const count = partsOf(blob.plainBytes, pageBytes);
    const own = all.subarray(blob.firstFingerprint, blob.firstFingerprint + count);
    if (own.length !== count) throw this.#source.lacksFingerprints(blob.pack);
    return own;
  }

  /** The pages of a delta, one after the other. */
  async deltaPages(extent: DeltaExtent): Promise<Buffer> {
    const { delta, deltaOffset, pages, plainBytes } = extent;
    const name = `delta ${delta.pack}/${delta.offset}`;
    const all = await this.#cache.read(name, () => this.#source.readBlob("delta", delta));
    return all.subarray(
      deltaOffset,
      pages.reduce((end, page) => end + pageLength(plainBytes, page), deltaOffset),
    );
  }

  /** The whole content of an extent; the caller owns it. */
  async content(extent: Extent): Promise<Buffer> {
    const content = Buffer.alloc(extent.plainBytes);
    if (extent.kind === "hole") return content;
    const base = await this.#source.readBlob("extent", extent.kind === "whole" ? extent.blob : extent.base);
    base.copy(content, 0, 0, extent.plainBytes);
    if (extent.kind === "whole") return content;
    const pages = await this.deltaPages(extent);
    let at = 0;
    for (const page of extent.pages) {
      at += pages.copy(content, page * pageBytes, at, at + pageLength(extent.plainBytes, page));
    }
    return content;
  }
}
