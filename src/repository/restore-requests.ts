import type { BlobRef } from "./blob.ts";
import type { RestoredExtent, RestoredFile } from "./restore-plan.ts";

/** Make files and write extents of them; what worker threads are asked for by a restore. */
export interface RestoreRequest {
  readonly kind: "restore";
  /** The range of a pack that the extents' blobs lie in, and its key. */
  readonly source: { readonly key: Uint8Array; readonly sealed: Uint8Array } | undefined;
  readonly delta:
    | { readonly key: Uint8Array; readonly sealed: Uint8Array; readonly blob: Omit<BlobRef, "pack"> }
    | undefined;
  readonly files: readonly RestoredFile[];
  readonly extents: readonly RestoredExtent[];
}

/** Make files as long as they are to be, and find out which extents hold something else than they should. */
export interface CompareRequest {
  readonly kind: "compare";
  readonly seed: bigint;
  readonly files: readonly RestoredFile[];
  readonly extents: readonly { readonly file: number; readonly position: number; readonly plainBytes: number }[];
  /** Of the pages of all extents, one after the other. */
  readonly fingerprints: BigUint64Array;
}

export type RestoreReply =
  | { readonly kind: "restored" }
  /** Indexes of extents that differ. */
  | { readonly kind: "compared"; readonly differing: readonly number[] }
  | {
      readonly kind: "failed";
      readonly path: string;
      readonly reason: string;
      /** What failed: a blob did not open, or the file cannot be read or written. */
      readonly what: "extent" | "delta" | "file";
    };
