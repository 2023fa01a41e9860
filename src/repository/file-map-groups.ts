import { sealBlob } from "./blob.ts";
import {
  type Extent,
  encodeFileMapGroup,
  type FileMap,
  fileRecordBytes,
  type MappedPack,
  packsOf,
  renumberExtent,
} from "./file-map.ts";
import type { PackWriter } from "./pack-writer.ts";
import type { StoredGroup } from "./stored-file.ts";

/** A group of file maps is closed once it is this large. */
const groupTargetBytes = 1024 * 1024;

interface ClosedGroup {
  readonly number: number;
  readonly maps: readonly FileMap[];
  /** The last pack, of those that are written now, that its blobs are in; -1 if there is none. */
  readonly newestPack: number;
}

/**
 * Gathers file maps to groups, and stores each once the packs that it refers to have their names. Extents number
 * packs through: those of the previous backup come first, then the ones that are written now.
 */
export class FileMapGroups {
  readonly #packs: PackWriter;
  readonly #level: number;
  readonly #earlierPackCount: number;
  readonly #earlierPack: (number: number) => MappedPack;
  #open: FileMap[] = [];
  #openBytes = 0;
  #closedCount = 0;
  readonly #closed: ClosedGroup[] = [];
  readonly #stored: StoredGroup[] = [];

  constructor(options: {
    readonly packs: PackWriter;
    readonly compressionLevel: number;
    readonly earlierPackCount: number;
    readonly earlierPack: (number: number) => MappedPack;
  }) {
    this.#packs = options.packs;
    this.#level = options.compressionLevel;
    this.#earlierPackCount = options.earlierPackCount;
    this.#earlierPack = options.earlierPack;
  }

  /** @returns the place among the groups that are written now */
  add(map: FileMap): { readonly group: number; readonly indexInGroup: number } {
    const place = { group: this.#closedCount, indexInGroup: this.#open.length };
    this.#open.push(map);
    this.#openBytes += fileRecordBytes(map);
    if (this.#openBytes >= groupTargetBytes) this.#close();
    return place;
  }

  /** Stores the groups whose packs are closed. */
  async storeReady(): Promise<void> {
    for (let first = this.#closed[0]; first && first.newestPack < this.#packs.closedCount; first = this.#closed[0]) {
      this.#closed.shift();
      await this.#store(first);
    }
  }

  /** Every pack that extents refer to must be closed. @returns the groups, whose `pack` is one that is written now */
  async finish(): Promise<readonly StoredGroup[]> {
    if (this.#open.length > 0) this.#close();
    await this.storeReady();
    return this.#stored;
  }

  #close(): void {
    const maps = this.#open;
    const newestPack = numbersOf(maps).reduce((newest, pack) => Math.max(newest, pack - this.#earlierPackCount), -1);
    this.#closed.push({ number: this.#closedCount, maps, newestPack });
    this.#closedCount += 1;
    this.#open = [];
    this.#openBytes = 0;
  }

  async #store({ number, maps }: ClosedGroup): Promise<void> {
    const numbers = numbersOf(maps);
    const packs: MappedPack[] = [];
    for (const pack of numbers) {
      const isEarlier = pack < this.#earlierPackCount;
      packs.push(isEarlier ? this.#earlierPack(pack) : await this.#packs.stored(pack - this.#earlierPackCount));
    }
    const position = new Map(numbers.map((pack, index) => [pack, index]));
    const renumber = (pack: number): number => position.get(pack) ?? -1;
    const renumbered = (extent: Extent): Extent => renumberExtent(extent, renumber);
    const files = maps.map((map) => ({ ...map, extents: map.extents.map(renumbered) }));
    const plain = encodeFileMapGroup({ packs, files });
    const sequence = this.#packs.takeSequences(1);
    await this.#packs.room();
    const parts = sealBlob(this.#packs.key, { role: "file-map", sequence, plain, level: this.#level });
    const place = this.#packs.append({ role: "file-map", plainBytes: plain.length, sequence }, parts);
    const { pack, offset, sealedBytes } = place;
    this.#stored[number] = { pack, offset, sealedBytes, plainBytes: plain.length, sequence };
  }
}

function numbersOf(maps: readonly FileMap[]): readonly number[] {
  return [...new Set(maps.flatMap((map) => map.extents.flatMap(packsOf)))];
}
