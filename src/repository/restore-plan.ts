import type { BlobRef } from "./blob.ts";
import type { DeltaExtent, Extent, FileMapGroup, MappedPack } from "./file-map.ts";

/** A file that is restored. */
export interface RestoredFile {
  /** Where it goes, absolute. */
  readonly path: string;
  readonly mode: number;
  readonly sizeBytes: number;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/** An extent to write: the content of a blob, cut or followed by zeros, under pages of a delta. */
export interface RestoredExtent {
  /** Index in the run's files. */
  readonly file: number;
  readonly position: number;
  readonly plainBytes: number;
  /** `offset` counts from the beginning of the run's range. Undefined: zeros. */
  readonly blob: Omit<BlobRef, "pack"> | undefined;
  /** Pages of the run's delta that lie over it, from `offset` of its plain content on. */
  readonly delta: { readonly offset: number; readonly pages: readonly number[] } | undefined;
}

/** A range of a pack to read, and what is written with it. */
export interface RestoreRun {
  /** Undefined when nothing needs to be read. */
  readonly source: { readonly pack: MappedPack; readonly offset: number; readonly lengthBytes: number } | undefined;
  /** The delta that all extents share. */
  readonly delta: { readonly pack: MappedPack; readonly blob: Omit<BlobRef, "pack"> } | undefined;
  readonly plainBytes: number;
  /** They are made if they are not there, at their full length. */
  readonly files: readonly RestoredFile[];
  readonly extents: readonly RestoredExtent[];
}

/** A read that ends here would be too small to be worth one, or so large that it takes too much memory. */
const maxRunSealedBytes = 8 * 1024 * 1024;
const maxRunPlainBytes = 16 * 1024 * 1024;
/** Bytes that are rather read and dropped than skipped with another request. */
const maxGapBytes = 256 * 1024;
const maxFilesPerRun = 256;

interface WantedExtent {
  readonly file: RestoredFile;
  readonly position: number;
  readonly extent: Exclude<Extent, { readonly kind: "hole" }>;
}

/**
 * Orders the extents of a group's files into ranges of packs. Each blob of an extent is read once, and so is each
 * delta but for those that lie over more than one run's worth of extents: so the cost does not grow with the number of
 * backups that came before.
 * @param files by index in the group; undefined for one that is not wanted
 * @param isWanted by default, all but zeros: files are made at their length, and then hold zeros
 */
export function planRestoreRuns(
  group: FileMapGroup,
  files: readonly (RestoredFile | undefined)[],
  isWanted?: (index: number, extent: number) => boolean,
): readonly RestoreRun[] {
  const wanted: WantedExtent[] = [];
  const zeros: WantedZeros[] = [];
  const untouched: RestoredFile[] = [];
  for (const [index, { extents }] of group.files.entries()) {
    const file = files[index];
    if (!file) continue;
    const before = wanted.length;
    let position = 0;
    for (const [number, extent] of extents.entries()) {
      if (extent.kind === "hole") {
        if (isWanted?.(index, number)) zeros.push({ file, position, plainBytes: extent.plainBytes });
      } else if (isWanted?.(index, number) ?? true) {
        wanted.push({ file, position, extent });
      }
      position += extent.plainBytes;
    }
    if (wanted.length === before && !isWanted) untouched.push(file);
  }
  return [...readingRuns(group, wanted), ...zeroRuns(zeros), ...emptyRuns(untouched)];
}

function readingRuns(group: FileMapGroup, wanted: WantedExtent[]): RestoreRun[] {
  wanted.sort(byDeltaAndPlace);
  const runs: RestoreRun[] = [];
  let open: OpenRun | undefined;
  for (const next of wanted) {
    if (!open?.take(next)) {
      if (open) runs.push(open.close());
      open = new OpenRun(group, next);
    }
  }
  if (open) runs.push(open.close());
  return runs;
}

/** Extents of one delta stand together, in order of the blobs that they are based on. */
function byDeltaAndPlace(a: WantedExtent, b: WantedExtent): number {
  const [deltaA, deltaB] = [deltaOf(a), deltaOf(b)];
  const [blobA, blobB] = [blobOf(a), blobOf(b)];
  return (
    (deltaA?.pack ?? -1) - (deltaB?.pack ?? -1) ||
    (deltaA?.offset ?? -1) - (deltaB?.offset ?? -1) ||
    blobA.pack - blobB.pack ||
    blobA.offset - blobB.offset
  );
}

function deltaOf({ extent }: WantedExtent): DeltaExtent["delta"] | undefined {
  return extent.kind === "delta" ? extent.delta : undefined;
}

function blobOf({ extent }: WantedExtent): BlobRef {
  return extent.kind === "delta" ? extent.base : extent.blob;
}

/** Gathers extents whose blobs lie close together. */
class OpenRun {
  readonly #group: FileMapGroup;
  readonly #delta: DeltaExtent["delta"] | undefined;
  readonly #pack: number;
  readonly #start: number;
  #end: number;
  #plainBytes = 0;
  readonly #files: RestoredFile[] = [];
  readonly #extents: RestoredExtent[] = [];

  constructor(group: FileMapGroup, first: WantedExtent) {
    const blob = blobOf(first);
    this.#group = group;
    this.#delta = deltaOf(first);
    this.#pack = blob.pack;
    this.#start = blob.offset;
    this.#end = blob.offset;
    this.#add(first);
  }

  /** @returns whether it belongs to this run */
  take(next: WantedExtent): boolean {
    const blob = blobOf(next);
    const delta = deltaOf(next);
    const belongs =
      blob.pack === this.#pack &&
      delta?.pack === this.#delta?.pack &&
      delta?.offset === this.#delta?.offset &&
      blob.offset >= this.#end &&
      blob.offset - this.#end <= maxGapBytes &&
      blob.offset + blob.sealedBytes - this.#start <= maxRunSealedBytes &&
      this.#plainBytes + next.extent.plainBytes <= maxRunPlainBytes;
    if (belongs) this.#add(next);
    return belongs;
  }

  close(): RestoreRun {
    const pack = this.#group.packs[this.#pack];
    const deltaPack = this.#delta && this.#group.packs[this.#delta.pack];
    return {
      source: pack && { pack, offset: this.#start, lengthBytes: this.#end - this.#start },
      delta: this.#delta && deltaPack && { pack: deltaPack, blob: this.#delta },
      plainBytes: this.#plainBytes,
      files: this.#files,
      extents: this.#extents,
    };
  }

  #add(next: WantedExtent): void {
    const { file, position, extent } = next;
    const { offset, sealedBytes, plainBytes, sequence } = blobOf(next);
    if (this.#files.at(-1) !== file) this.#files.push(file);
    this.#extents.push({
      file: this.#files.length - 1,
      position,
      plainBytes: extent.plainBytes,
      blob: { offset: offset - this.#start, sealedBytes, plainBytes, sequence },
      delta: extent.kind === "delta" ? { offset: extent.deltaOffset, pages: extent.pages } : undefined,
    });
    this.#end = offset + sealedBytes;
    this.#plainBytes += extent.plainBytes;
  }
}

interface WantedZeros {
  readonly file: RestoredFile;
  readonly position: number;
  readonly plainBytes: number;
}

function zeroRuns(zeros: readonly WantedZeros[]): RestoreRun[] {
  return zeros.map(({ file, position, plainBytes }) => ({
    source: undefined,
    delta: undefined,
    plainBytes,
    files: [file],
    extents: [{ file: 0, position, plainBytes, blob: undefined, delta: undefined }],
  }));
}

function emptyRuns(files: readonly RestoredFile[]): RestoreRun[] {
  const runs: RestoreRun[] = [];
  for (let at = 0; at < files.length; at += maxFilesPerRun) {
    const some = files.slice(at, at + maxFilesPerRun);
    runs.push({ source: undefined, delta: undefined, plainBytes: 0, files: some, extents: [] });
  }
  return runs;
}

/**
 * Deals runs out so that neighbours do not come one after the other: they mostly belong to one file, and whoever
 * writes to a file at the same time waits for each other.
 */
export function spreadRuns(runs: readonly RestoreRun[], ways: number): readonly RestoreRun[] {
  const length = Math.ceil(runs.length / ways);
  const spread: RestoreRun[] = [];
  for (let at = 0; at < length; at += 1) {
    for (let way = 0; way < ways; way += 1) {
      const run = at + way * length < Math.min(runs.length, (way + 1) * length) ? runs[at + way * length] : undefined;
      if (run) spread.push(run);
    }
  }
  return spread;
}
