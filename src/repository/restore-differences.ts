import type { BlobWorkers } from "./blob-workers.ts";
import { BoundedTasks } from "./bounded-tasks.ts";
import { PageFingerprints } from "./changed-pages.ts";
import type { FileMapGroup } from "./file-map.ts";
import type { RestoredFile } from "./restore-plan.ts";
import type { RestoreReader } from "./restore-reader.ts";

const maxComparedBytes = 32 * 1024 * 1024;
const maxComparedFiles = 256;

/** Which extents of a group's files are not yet what the backup holds. */
export interface Differences {
  isDifferent(file: number, extent: number): boolean;
  readonly sameBytes: number;
}

/** An extent to compare with what is on the disk. */
interface ComparedExtent {
  readonly index: number;
  readonly number: number;
  readonly file: RestoredFile;
  readonly position: number;
  readonly plainBytes: number;
  readonly fingerprints: BigUint64Array;
}

/**
 * Compares the files of a group with what is on the disk, by fingerprints: only those are read from the store.
 * Afterwards each file is there, with its length and mode.
 */
export async function findDifferences(request: {
  readonly group: FileMapGroup;
  /** By index in the group; undefined for one that is not wanted. */
  readonly files: readonly (RestoredFile | undefined)[];
  readonly reader: RestoreReader;
  readonly workers: BlobWorkers;
  /** Of the service's fingerprints. */
  readonly seed: bigint;
}): Promise<Differences> {
  const { group, files, reader, workers, seed } = request;
  const same = new Set<string>();
  let sameBytes = 0;
  const tasks = new BoundedTasks(workers.width * 2);
  const compare = async (made: readonly RestoredFile[], extents: readonly ComparedExtent[]): Promise<void> => {
    const numbers = new Map(made.map((file, number) => [file, number]));
    const differing = new Set(
      await workers.compare({
        seed,
        files: made,
        extents: extents.map(({ file, position, plainBytes }) => ({
          file: numbers.get(file) ?? 0,
          position,
          plainBytes,
        })),
        fingerprints: joined(extents.map(({ fingerprints }) => fingerprints)),
      }),
    );
    for (const [at, { index, number, plainBytes }] of extents.entries()) {
      if (differing.has(at)) continue;
      same.add(`${index} ${number}`);
      sameBytes += plainBytes;
    }
  };
  const { ofZeros } = new PageFingerprints(seed);
  let gathered: { files: RestoredFile[]; extents: ComparedExtent[]; bytes: number } = emptyBatch();
  const flush = async (): Promise<void> => {
    const batch = gathered;
    gathered = emptyBatch();
    if (batch.files.length > 0) await tasks.add(() => compare(batch.files, batch.extents));
  };
  try {
    for (const [index, { extents }] of group.files.entries()) {
      const file = files[index];
      if (!file) continue;
      gathered.files.push(file);
      let position = 0;
      for (const [number, extent] of extents.entries()) {
        const fingerprints = await reader.fingerprints(group, extent, ofZeros);
        const { plainBytes } = extent;
        if (fingerprints) gathered.extents.push({ index, number, file, position, plainBytes, fingerprints });
        gathered.bytes += plainBytes;
        position += plainBytes;
        if (gathered.bytes < maxComparedBytes) continue;
        await flush();
        gathered.files.push(file);
      }
      if (gathered.files.length >= maxComparedFiles) await flush();
    }
    await flush();
    await tasks.finish();
  } finally {
    await tasks.settle();
  }
  return { isDifferent: (file, extent) => !same.has(`${file} ${extent}`), sameBytes };
}

function emptyBatch(): { files: RestoredFile[]; extents: ComparedExtent[]; bytes: number } {
  return { files: [], extents: [], bytes: 0 };
}

function joined(parts: readonly BigUint64Array[]): BigUint64Array {
  const all = new BigUint64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
