import type { BlobSealer, SealedPlace } from "./blob-sealer.ts";
import { extentBytes } from "./file-map.ts";

/** Where the pages of one extent went. */
export interface DeltaPlace {
  readonly delta: SealedPlace;
  readonly deltaOffset: number;
}

/** Gathers the pages of many deltas to blobs of up to a MiB, which compress better than a few pages alone. */
export class DeltaBlobs {
  readonly #sealer: BlobSealer;
  /** Room for a blob, and for the delta that does not fit into it any more. */
  readonly #gathered = Buffer.alloc(2 * extentBytes);
  #used = 0;
  #waiting: { readonly deltaOffset: number; readonly onStored: (place: DeltaPlace) => void }[] = [];

  constructor(sealer: BlobSealer) {
    this.#sealer = sealer;
  }

  /** Takes the pages of an extent's delta, less than a MiB. They may be part of what was reserved last. */
  add(pages: readonly Uint8Array[], onStored: (place: DeltaPlace) => void): void {
    const start = this.#used;
    let end = start;
    for (const page of pages) {
      this.#gathered.set(page, end);
      end += page.length;
    }
    if (end > extentBytes) {
      this.close();
      this.#gathered.copyWithin(0, start, end);
    }
    this.#waiting.push({ deltaOffset: this.#used, onStored });
    this.#used += end - start;
  }

  /** Ends the blob that is being gathered; what was reserved and not kept is given up. */
  close(): void {
    if (this.#used === 0) return;
    const waiting = this.#waiting;
    // Into memory that threads share, `fill` is several times as fast as `set` and `copy`.
    this.#sealer.reserve(this.#used).fill(this.#gathered.subarray(0, this.#used));
    this.#sealer.keep("delta", (delta) => {
      for (const { deltaOffset, onStored } of waiting) onStored({ delta, deltaOffset });
    });
    this.#waiting = [];
    this.#used = 0;
  }
}
