import type { BlobRef } from "./blob.ts";
import { type Extent, type FileMap, pageBytes } from "./file-map.ts";
import type { FileMapGroups } from "./file-map-groups.ts";
import type { StoredPack } from "./pack-writer.ts";
import type { PreviousBackup, PreviousFile } from "./previous-backup.ts";
import type { NeededPack, StoredFile, StoredFiles, StoredGroup } from "./stored-file.ts";

/** A file all of whose extents have their place. */
interface PlacedFile {
  readonly entry: {
    readonly path: string;
    readonly sizeBytes: number;
    readonly mode: number;
    readonly modifiedAt: Date;
  };
  readonly extents: readonly (Extent | undefined)[];
  readonly previous: PreviousFile | undefined;
}

interface ListedFile extends Omit<StoredFile, "group"> {
  readonly group: number;
  /** Whether `group` is one of the previous backup. */
  readonly isEarlier: boolean;
}

/**
 * The files of a backup that is being written, and which packs they need. A file that is just as before is named where
 * the previous backup has it.
 */
export class StoredFileList {
  readonly #groups: FileMapGroups;
  readonly #previous: PreviousBackup | undefined;
  readonly #earlierPackCount: number;
  readonly #files: ListedFile[] = [];
  /** By number of the pack: those of the previous backup first, then those that are written now. */
  readonly #liveBytes = new Map<number, number>();

  constructor(groups: FileMapGroups, previous: PreviousBackup | undefined) {
    this.#groups = groups;
    this.#previous = previous;
    this.#earlierPackCount = previous?.manifest.packs.length ?? 0;
  }

  add({ entry, extents, previous }: PlacedFile): void {
    const map: FileMap = { sizeBytes: entry.sizeBytes, extents: extents.filter((extent) => extent !== undefined) };
    for (const extent of map.extents) this.#countLive(extent);
    const known = isSameMap(map, previous?.map) ? previous?.place : undefined;
    this.#files.push({
      path: entry.path,
      mode: entry.mode,
      modifiedAtMs: entry.modifiedAt.getTime(),
      sizeBytes: entry.sizeBytes,
      ...(known ?? this.#groups.add(map)),
      isEarlier: known !== undefined,
    });
  }

  /**
   * @param written groups, whose `pack` is one of `packs`
   * @param packs all that were written
   */
  finish(written: readonly StoredGroup[], packs: readonly StoredPack[]): Omit<StoredFiles, "directories"> {
    const earlierGroups = [...new Set(this.#files.flatMap(({ isEarlier, group }) => (isEarlier ? [group] : [])))];
    const groups = [
      ...written.map((group) => ({ ...group, pack: group.pack + this.#earlierPackCount })),
      ...earlierGroups.map((number) => this.#earlierGroup(number)),
    ];
    for (const group of groups) this.#addLive(group.pack, group.sealedBytes);
    // Not all that were written: of some, everything was written over since, as MySQL sends pages again that change.
    const needed = [...this.#liveBytes.keys()];
    const packNumber = new Map(needed.map((number, index) => [number, index]));
    const groupNumber = new Map(earlierGroups.map((number, index) => [number, written.length + index]));
    return {
      files: this.#files.map(({ isEarlier, ...file }) => {
        return isEarlier ? { ...file, group: groupNumber.get(file.group) ?? -1 } : file;
      }),
      groups: groups.map((group) => ({ ...group, pack: packNumber.get(group.pack) ?? -1 })),
      packs: needed.map((number) => this.#needed(number, packs)),
    };
  }

  #earlierGroup(number: number): StoredGroup {
    const group = this.#previous?.group(number);
    if (!group) throw new Error(`there is no earlier group ${number}`);
    return group;
  }

  #needed(number: number, packs: readonly StoredPack[]): NeededPack {
    const isEarlier = number < this.#earlierPackCount;
    const pack = isEarlier ? this.#previous?.pack(number) : packs[number - this.#earlierPackCount];
    if (!pack) throw new Error(`there is no pack ${number}`);
    const { sha256, session, keyId, sizeBytes } = pack;
    return { sha256, session, keyId, sizeBytes, liveBytes: Math.round(this.#liveBytes.get(number) ?? 0) };
  }

  #countLive(extent: Extent): void {
    if (extent.kind === "hole") return;
    const base = extent.kind === "whole" ? extent.blob : extent.base;
    this.#addLive(base.pack, base.sealedBytes);
    if (extent.kind !== "delta") return;
    const { delta, pages } = extent;
    const share = Math.min(1, (pages.length * pageBytes) / delta.plainBytes);
    this.#addLive(delta.pack, delta.sealedBytes * share);
  }

  #addLive(pack: number, bytes: number): void {
    this.#liveBytes.set(pack, (this.#liveBytes.get(pack) ?? 0) + bytes);
  }
}

function isSameMap(map: FileMap, previous: FileMap | undefined): boolean {
  if (map.sizeBytes !== previous?.sizeBytes) return false;
  return map.extents.every((extent, index) => {
    const before = previous.extents[index];
    return before !== undefined && isSameExtent(extent, before);
  });
}

function isSameExtent(one: Extent, other: Extent): boolean {
  if (one.kind !== other.kind || one.plainBytes !== other.plainBytes) return false;
  if (one.kind === "whole" && other.kind === "whole") return isSameBlob(one.blob, other.blob);
  if (one.kind !== "delta" || other.kind !== "delta") return true;
  return (
    isSameBlob(one.base, other.base) && isSameBlob(one.delta, other.delta) && one.deltaOffset === other.deltaOffset
  );
}

function isSameBlob(one: BlobRef, other: BlobRef): boolean {
  return one.pack === other.pack && one.offset === other.offset;
}
