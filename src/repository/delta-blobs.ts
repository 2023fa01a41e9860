import type { BlobSealer, SealedPlace } from "./blob-sealer.ts";
import { extentBytes } from "./file-map.ts";

/** Once this much is gathered, one more delta might not fit. */
const closeAtBytes = extentBytes / 2;

/** Where the pages of one extent went. */
export interface DeltaPlace {
  readonly delta: SealedPlace;
  readonly deltaOffset: number;
}

/** Gathers the pages of many deltas to blobs of up to a MiB, which compress better than a few pages alone. */
export class DeltaBlobs {
  readonly #sealer: BlobSealer;
  readonly #gathered = Buffer.alloc(extentBytes);
  #used = 0;
  #waiting: { readonly deltaOffset: number; readonly onStored: (place: DeltaPlace) => void }[] = [];

  constructor(sealer: BlobSealer) {
    this.#sealer = sealer;
  }

  /** Takes the pages of an extent's delta, at most half a MiB. They may be part of what was reserved last. */
  add(pages: readonly Uint8Array[], onStored: (place: DeltaPlace) => void): void {
    this.#waiting.push({ deltaOffset: this.#used, onStored });
    for (const page of pages) {
      this.#gathered.set(page, this.#used);
      this.#used += page.length;
    }
    if (this.#used >= closeAtBytes) this.close();
  }

  /** Ends the blob that is being gathered; what was reserved and not kept is given up. */
  close(): void {
    if (this.#used === 0) return;
    const waiting = this.#waiting;
    this.#sealer.reserve(this.#used).set(this.#gathered.subarray(0, this.#used));
    this.#sealer.keep("delta", (delta) => {
      for (const { deltaOffset, onStored } of waiting) onStored({ delta, deltaOffset });
    });
    this.#waiting = [];
    this.#used = 0;
  }
}
