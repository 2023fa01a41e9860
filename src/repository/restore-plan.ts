import type { BlobRef } from "./blob.ts";
import type { FileMapGroup, PackRef } from "./file-map.ts";

/** A place of a restored file that a blob's content goes to. */
export interface RestoreTarget {
  readonly path: string;
  readonly position: number;
}

/** A blob to open, and where its content goes. */
export interface RestoreBlob extends Omit<BlobRef, "pack"> {
  readonly targets: readonly RestoreTarget[];
}

/** One range of a pack to read: blobs that lie close together, in order of offset. */
export interface RestoreRun {
  readonly pack: PackRef;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly plainBytes: number;
  readonly blobs: readonly RestoreBlob[];
}

/** A read that ends here would be too small to be worth one, or so large that it takes too much memory. */
const maxRunSealedBytes = 8 * 1024 * 1024;
const maxRunPlainBytes = 16 * 1024 * 1024;
/** Bytes that are rather read and dropped than skipped with another request. */
const maxGapBytes = 256 * 1024;

/**
 * Orders the extents of a group's files into ranges of packs, so that each is read once and in large pieces.
 * @param paths the path of each file of the group; undefined for one that is not wanted
 */
export function planRestoreRuns(group: FileMapGroup, paths: readonly (string | undefined)[]): readonly RestoreRun[] {
  const blobs: { pack: number; blob: RestoreBlob }[] = [];
  for (const [index, file] of group.files.entries()) {
    const path = paths[index];
    if (path === undefined) continue;
    let position = 0;
    for (const extent of file.extents) {
      if (extent.kind === "whole") {
        const { pack, ...place } = extent.blob;
        blobs.push({ pack, blob: { ...place, targets: [{ path, position }] } });
      }
      position += extent.plainBytes;
    }
  }
  blobs.sort((a, b) => a.pack - b.pack || a.blob.offset - b.blob.offset);
  const runs: RestoreRun[] = [];
  let open: { pack: number; blobs: RestoreBlob[]; start: number; end: number; plain: number } | undefined;
  const close = () => {
    const pack = open && group.packs[open.pack];
    if (!open || !pack) return;
    runs.push({
      pack,
      offset: open.start,
      lengthBytes: open.end - open.start,
      plainBytes: open.plain,
      blobs: open.blobs,
    });
  };
  for (const { pack, blob } of blobs) {
    const end = blob.offset + blob.sealedBytes;
    const joins =
      open !== undefined &&
      open.pack === pack &&
      blob.offset >= open.end &&
      blob.offset - open.end <= maxGapBytes &&
      end - open.start <= maxRunSealedBytes &&
      open.plain + blob.plainBytes <= maxRunPlainBytes;
    if (!open || !joins) {
      close();
      open = { pack, blobs: [], start: blob.offset, end, plain: 0 };
    }
    open.blobs.push(blob);
    open.end = end;
    open.plain += blob.plainBytes;
  }
  close();
  return runs;
}
