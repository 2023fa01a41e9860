import { BtarError } from "../domain/errors.ts";
import type { BlobRef } from "./blob.ts";
import type { BlobFingerprints, BlobSealer } from "./blob-sealer.ts";
import type { ChangedExtent } from "./changed-extent.ts";
import { chooseExtent, isZero, type PageFingerprints, type PriorExtent } from "./changed-pages.ts";
import { DeltaBlobs } from "./delta-blobs.ts";
import { ExtentReader } from "./extent-reader.ts";
import { type Extent, pageBytes, pageLength } from "./file-map.ts";
import type { PackWriter } from "./pack-writer.ts";
import type { PreviousBackup } from "./previous-backup.ts";

/** Told where an extent is, once it has its place in a pack. */
export type OnPlaced = (extent: Extent) => void;

/**
 * Stores extents of a backup that is being written: as they are, as the pages that changed, or not at all when they
 * are there already. Packs are numbered through: those of the previous backup first, then those that are written now.
 */
export class ExtentStore {
  readonly fingerprints: PageFingerprints;
  /** Reads what is stored: of the previous backup, and of this one after `settle`. */
  readonly reader: ExtentReader;
  readonly #packs: PackWriter;
  readonly #previous: PreviousBackup | undefined;
  readonly #sealer: BlobSealer;
  readonly #deltas: DeltaBlobs;
  readonly #earlierPackCount: number;
  #reserved: Buffer | undefined;

  constructor(options: {
    readonly packs: PackWriter;
    readonly previous: PreviousBackup | undefined;
    readonly sealer: BlobSealer;
    readonly fingerprints: PageFingerprints;
  }) {
    const { packs, previous } = options;
    this.#packs = packs;
    this.#previous = previous;
    this.#sealer = options.sealer;
    this.fingerprints = options.fingerprints;
    this.#deltas = new DeltaBlobs(options.sealer);
    this.#earlierPackCount = previous?.manifest.packs.length ?? 0;
    this.reader = new ExtentReader({
      readBlob: async (role, blob) => {
        if (previous && blob.pack < this.#earlierPackCount) return await previous.readBlob(role, blob);
        return await packs.read(role, { ...blob, pack: blob.pack - this.#earlierPackCount });
      },
      fingerprintsOf: async (pack) => await this.#fingerprintsOf(pack),
      lacksFingerprints: (pack) =>
        new BtarError("OBJECT_DAMAGED", { message: `fingerprints of pack ${pack} are missing` }),
    });
  }

  /** A promise when no more may be stored yet; it rejects when something could not be stored. */
  drained(): Promise<void> | undefined {
    return this.#sealer.drained();
  }

  /** Room for an extent, for `keepReserved` once it is filled; the next call gives it up. */
  reserve(plainBytes: number): Buffer {
    this.#reserved = this.#sealer.reserve(plainBytes);
    return this.#reserved;
  }

  /**
   * Stores what was reserved last.
   * @param prior what the previous backup has in its place
   */
  keepReserved(prior: PriorExtent | undefined, onPlaced: OnPlaced): void {
    const content = this.#reserved;
    if (!content) throw new BtarError("INTERNAL", { message: "an extent was to be stored before it was reserved" });
    this.#reserved = undefined;
    this.#keep(content, { prior, isReserved: true, onPlaced });
  }

  /** Stores an extent; `content` may be reused after the call. */
  keepCopy(content: Buffer, prior: PriorExtent | undefined, onPlaced: OnPlaced): void {
    this.#keep(content, { prior, isReserved: false, onPlaced });
  }

  /** Stores what pages over an earlier extent came to. */
  keepMerged(merged: ChangedExtent, plainBytes: number, onPlaced: OnPlaced): void {
    if (merged.kind === "reuse") onPlaced(merged.extent);
    else if (merged.kind === "delta") this.#keepDelta({ ...merged, plainBytes }, onPlaced);
    else this.keepCopy(merged.content, undefined, onPlaced);
  }

  /** Everything that was kept is in the store afterwards. */
  async settle(): Promise<void> {
    this.#deltas.close();
    await this.#sealer.finish();
    await this.#packs.flush();
  }

  /** What a new extent may build on; undefined when it must not. */
  async priorOf(extent: Extent): Promise<PriorExtent | undefined> {
    if (extent.kind === "hole") return undefined;
    const base = extent.kind === "whole" ? extent.blob : extent.base;
    if (!this.#mayReuse(base.pack)) return undefined;
    const baseFingerprints = await this.reader.fingerprints(base);
    const isReusable = extent.kind === "whole" || this.#mayReuse(extent.delta.pack);
    return { extent, base, baseFingerprints, isReusable };
  }

  #mayReuse(pack: number): boolean {
    return pack >= this.#earlierPackCount || (this.#previous?.mayReuse(pack) ?? false);
  }

  #keep(
    content: Buffer,
    options: { readonly prior: PriorExtent | undefined; readonly isReserved: boolean; readonly onPlaced: OnPlaced },
  ): void {
    const { prior, isReserved, onPlaced } = options;
    const plainBytes = content.length;
    if (isZero(content)) {
      onPlaced({ kind: "hole", plainBytes });
      return; // what was reserved is used again
    }
    const keepWhole = (fingerprints: BlobFingerprints) =>
      this.#keepWhole(content, { isReserved, fingerprints, onPlaced });
    // Where there is nothing to compare with, another thread makes the fingerprints: this one has enough to do.
    if (!prior) return keepWhole("made-when-sealed");
    const fingerprints = this.fingerprints.ofExtent(content);
    const choice = chooseExtent(plainBytes, fingerprints, { prior, ofZeros: this.fingerprints.ofZeros });
    if (choice.kind === "reuse") onPlaced(choice.extent);
    else if (choice.kind === "delta") {
      const parts = choice.pages.map((page) => pageOf(content, page));
      this.#keepDelta({ ...choice, plainBytes, prior, parts }, onPlaced);
    } else keepWhole(fingerprints);
  }

  /** Has the sealer store what it reserved last, after content that lies elsewhere was copied there. */
  #keepWhole(
    content: Buffer,
    options: {
      readonly isReserved: boolean;
      readonly fingerprints: BlobFingerprints;
      readonly onPlaced: OnPlaced;
    },
  ): void {
    const { isReserved, fingerprints, onPlaced } = options;
    const plainBytes = content.length;
    // Into memory that threads share, `fill` is several times as fast as `set` and `copy`.
    if (!isReserved) this.#sealer.reserve(plainBytes).fill(content, 0, plainBytes);
    this.#sealer.keep(
      "extent",
      (place) => onPlaced({ kind: "whole", plainBytes, blob: this.#numbered(place) }),
      fingerprints,
    );
  }

  #keepDelta(
    extent: Extract<ChangedExtent, { readonly kind: "delta" }> & { readonly plainBytes: number },
    onPlaced: OnPlaced,
  ): void {
    const { plainBytes, prior, pages, fingerprints } = extent;
    this.#deltas.add(extent.parts, ({ delta, deltaOffset }) => {
      const { firstFingerprint: _, ...blob } = this.#numbered(delta);
      const place = { base: prior.base, delta: blob, deltaOffset, pages, fingerprints };
      onPlaced({ kind: "delta", plainBytes, ...place });
    });
  }

  async #fingerprintsOf(pack: number): Promise<BlobRef> {
    if (this.#previous && pack < this.#earlierPackCount) return await this.#previous.fingerprintsOf(pack);
    const { fingerprints } = await this.#packs.stored(pack - this.#earlierPackCount);
    return { ...fingerprints, pack };
  }

  /** Packs that are written now are numbered after those of the previous backup. */
  #numbered<T extends BlobRef>(place: T): T {
    return { ...place, pack: place.pack + this.#earlierPackCount };
  }
}

function pageOf(content: Buffer, page: number): Buffer {
  return content.subarray(page * pageBytes, page * pageBytes + pageLength(content.length, page));
}
