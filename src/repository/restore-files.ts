import { unlink } from "node:fs/promises";
import { BtarError } from "../domain/errors.ts";
import { lstatIfThere } from "../platform/files.ts";
import type { BlobWorkers } from "./blob-workers.ts";
import { BoundedTasks } from "./bounded-tasks.ts";
import type { FileMapGroup } from "./file-map.ts";
import type { BackupManifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { findDifferences } from "./restore-differences.ts";
import { planRestoreRuns, type RestoredFile, type RestoreRun, spreadRuns } from "./restore-plan.ts";
import { RestoreReader } from "./restore-reader.ts";
import { RestoreTree } from "./restore-tree.ts";
import type { StoredFile } from "./stored-file.ts";

export interface RestoreProgress {
  /** Bytes that are as they are to be, of `totalBytes`. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Of the bytes that are done, those that were there already. */
  readonly keptBytes: number;
}

export interface RestoreFilesOptions {
  readonly repository: Repository;
  readonly manifest: BackupManifest;
  /** Absolute. Absent or empty, unless the restore is a delta. */
  readonly directory: string;
  /** Directories of the backup that go elsewhere: path in the backup to absolute path; empty or absent, too. */
  readonly relocated?: ReadonlyMap<string, string>;
  /** Names in `directory` that are the caller's, and left alone. */
  readonly keptNames?: readonly string[];
  /** Paths of files without which nothing can be started: they are removed first, and written last. */
  readonly completedBy?: readonly string[];
  /** Keeps what is there and equal; what the backup does not have is removed. */
  readonly isDelta?: boolean;
  readonly workers: BlobWorkers;
  readonly signal: AbortSignal;
  /** Owner of what is written, when the server runs as another user. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Makes everything durable at the end; not needed when the server that starts on it does so itself. */
  readonly isSynced: boolean;
  readonly onProgress?: (progress: RestoreProgress) => void;
}

export interface RestoreResult {
  readonly keptBytes: number;
  /** Files, directories and links that the backup does not have. */
  readonly removedCount: number;
}

/**
 * Writes the files of a base backup. Each stored blob is read and opened once, whatever the number of backups that it
 * was gathered from; ranges of packs are read ahead while worker threads open them and write. Zeros stay holes.
 * @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED (both name the object), TARGET_DIRECTORY_NOT_EMPTY, NOT_ENOUGH_ROOM
 */
export async function restoreFiles(options: RestoreFilesOptions): Promise<RestoreResult> {
  return await new FileRestore(options).run();
}

class FileRestore {
  readonly #options: RestoreFilesOptions;
  readonly #tree: RestoreTree;
  readonly #reader: RestoreReader;
  readonly #writes: BoundedTasks;
  #doneBytes = 0;
  #keptBytes = 0;

  constructor(options: RestoreFilesOptions) {
    const { repository, manifest, directory, relocated = new Map(), keptNames = [], owner } = options;
    this.#options = options;
    this.#tree = new RestoreTree({ manifest, directory, relocated, keptNames, owner });
    this.#reader = new RestoreReader(repository, manifest, options.signal);
    this.#writes = new BoundedTasks(options.workers.width * 2);
  }

  async run(): Promise<RestoreResult> {
    const { manifest, isDelta = false, isSynced, completedBy = [], workers } = this.#options;
    let removedCount = 0;
    if (isDelta) {
      await this.#invalidate(completedBy);
      removedCount = await this.#tree.removeOthers();
    } else {
      await this.#tree.refuseContent();
    }
    await this.#tree.makeDirectories();
    try {
      await this.#restore(manifest.files.filter(({ path }) => !completedBy.includes(path)));
      if (isSynced && completedBy.length > 0) {
        await workers.endRestore();
        await this.#tree.sync(completedBy);
      }
      await this.#restore(manifest.files.filter(({ path }) => completedBy.includes(path)));
    } finally {
      await this.#writes.settle();
      await workers.endRestore();
    }
    if (isSynced) await this.#tree.sync();
    return { keptBytes: this.#keptBytes, removedCount };
  }

  /** From here on the directory is neither the old server's nor the new one's, and must not start. */
  async #invalidate(paths: readonly string[]): Promise<void> {
    for (const place of paths.map((path) => this.#tree.placeOf(path))) {
      const status = await lstatIfThere(place);
      if (status && !status.isDirectory()) await unlink(place);
    }
  }

  async #restore(files: readonly StoredFile[]): Promise<void> {
    const byGroup = Map.groupBy(files, ({ group }) => group);
    const numbers = [...byGroup.keys()];
    let ahead = this.#readAhead(numbers[0]);
    for (const [index, number] of numbers.entries()) {
      this.#options.signal.throwIfAborted();
      const group = await ahead?.group;
      ahead = this.#readAhead(numbers[index + 1]);
      if (group) await this.#restoreGroup(group, byGroup.get(number) ?? []);
    }
    await this.#writes.finish();
  }

  #readAhead(number: number | undefined): { readonly group: Promise<FileMapGroup> } | undefined {
    if (number === undefined) return undefined;
    const group = this.#reader.group(number);
    group.catch(() => undefined); // thrown when its turn comes
    return { group };
  }

  async #restoreGroup(group: FileMapGroup, stored: readonly StoredFile[]): Promise<void> {
    const files = this.#filesByIndex(group, stored);
    const { workers, isDelta } = this.#options;
    let isWanted: ((file: number, extent: number) => boolean) | undefined;
    if (isDelta) {
      const { reader, seed } = { reader: this.#reader, seed: this.#options.repository.keys.fingerprintSeed };
      const differences = await findDifferences({ group, files, reader, workers, seed });
      isWanted = (file, extent) => differences.isDifferent(file, extent);
      this.#keptBytes += differences.sameBytes;
      this.#progress(differences.sameBytes);
    }
    const runs = planRestoreRuns(group, files, isWanted);
    for (const run of spreadRuns(runs, workers.width)) {
      await this.#writes.add(async () => {
        await this.#restoreRun(run);
        this.#progress(run.plainBytes);
      });
    }
  }

  #filesByIndex(group: FileMapGroup, stored: readonly StoredFile[]): readonly (RestoredFile | undefined)[] {
    const files = new Array<RestoredFile | undefined>(group.files.length).fill(undefined);
    for (const { path, mode, sizeBytes, indexInGroup } of stored) {
      if (group.files[indexInGroup]?.sizeBytes !== sizeBytes) {
        throw new BtarError("OBJECT_DAMAGED", {
          message: `the file map of ${path} does not fit its manifest`,
          hint: "use another backup or another location",
        });
      }
      files[indexInGroup] = { path: this.#tree.placeOf(path), mode, sizeBytes, owner: this.#options.owner };
    }
    return files;
  }

  async #restoreRun({ source, delta, files, extents }: RestoreRun): Promise<void> {
    const reader = this.#reader;
    const [sealed, sealedDelta] = await Promise.all([
      source && reader.range(source.pack, source.offset, source.lengthBytes),
      delta && reader.delta(delta.pack, delta.blob),
    ]);
    const request = {
      source: source && sealed && { key: reader.keyOf(source.pack), sealed },
      delta: delta && sealedDelta && { key: reader.keyOf(delta.pack), sealed: sealedDelta, blob: delta.blob },
      files,
      extents,
    };
    const names = { source: source ? reader.nameOf(source.pack) : "", delta: delta ? reader.nameOf(delta.pack) : "" };
    await this.#options.workers.restore(request, names);
  }

  #progress(bytes: number): void {
    this.#doneBytes += bytes;
    const { onProgress, manifest } = this.#options;
    onProgress?.({ doneBytes: this.#doneBytes, totalBytes: manifest.dataBytes, keptBytes: this.#keptBytes });
  }
}
