import { constants } from "node:fs";
import { chmod, chown, lstat, mkdir, open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BtarError } from "../domain/errors.ts";
import { openBlob, packKey } from "./blob.ts";
import type { BlobWorkers } from "./blob-workers.ts";
import { decodeFileMapGroup, type FileMapGroup, type PackRef } from "./file-map.ts";
import type { BackupManifest } from "./manifest.ts";
import { objectNames } from "./object-names.ts";
import { missingObject, type Repository } from "./repository.ts";
import { planRestoreRuns, type RestoreRun } from "./restore-plan.ts";
import type { StoredFile } from "./stored-file.ts";

const filesTouchedAtOnce = 8;

export interface RestoreFilesOptions {
  readonly repository: Repository;
  readonly manifest: BackupManifest;
  /** Must be absent or empty. */
  readonly directory: string;
  readonly workers: BlobWorkers;
  readonly signal: AbortSignal;
  /** Owner of what is written, when the server runs as another user. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Makes everything durable at the end; not needed when the server that starts on it does so itself. */
  readonly isSynced: boolean;
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;
}

/**
 * Writes the files of a base backup. Files are created at their full length first, so that zeros stay holes; ranges
 * of packs are read ahead while worker threads open them and write.
 * @throws {BtarError} OBJECT_MISSING, OBJECT_DAMAGED (both name the object), TARGET_DIRECTORY_NOT_EMPTY, NOT_ENOUGH_ROOM
 */
export async function restoreFiles(options: RestoreFilesOptions): Promise<void> {
  const { manifest, directory, signal } = options;
  await makeTree(options);
  const byGroup = new Map<number, StoredFile[]>();
  for (const file of manifest.files) {
    const files = byGroup.get(file.group) ?? [];
    files.push(file);
    byGroup.set(file.group, files);
  }
  const reads = new BoundedTasks(options.workers.width * 2);
  let doneBytes = 0;
  try {
    for (const [number, files] of byGroup) {
      signal.throwIfAborted();
      const group = await readGroup(options, number);
      await createFiles(options, files, group);
      for (const run of planRestoreRuns(group, pathsInGroup(directory, group, files))) {
        await reads.add(async () => {
          await restoreRun(options, run);
          doneBytes += run.plainBytes;
          options.onProgress?.({ doneBytes, totalBytes: manifest.dataBytes });
        });
      }
    }
    await reads.finish();
  } finally {
    await reads.settle();
    await options.workers.closeFiles();
  }
  if (options.isSynced) await syncTree(options);
}

async function makeTree({ manifest, directory, owner }: RestoreFilesOptions): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if ((await readdir(directory)).length > 0) {
    throw new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
      message: `${directory} is not empty`,
      hint: "restore into a directory that is empty or does not exist yet",
    });
  }
  await chmod(directory, 0o700);
  if (owner) await chown(directory, owner.uid, owner.gid);
  const folders = [...manifest.directories].sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const folder of folders) {
    const path = join(directory, folder.path);
    await mkdir(path, { recursive: true, mode: folder.mode });
    if (owner) await chown(path, owner.uid, owner.gid);
  }
}

/** A new server has more than a thousand small files: made several at once, they take a fraction of the time. */
async function createFiles(
  options: RestoreFilesOptions,
  files: readonly StoredFile[],
  group: FileMapGroup,
): Promise<void> {
  const folders = new Set(files.map((file) => dirname(join(options.directory, file.path))));
  for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 });
  const creations = new BoundedTasks(filesTouchedAtOnce);
  for (const file of files) await creations.add(() => createFile(options, file, group));
  await creations.finish();
}

async function createFile(options: RestoreFilesOptions, file: StoredFile, group: FileMapGroup): Promise<void> {
  const map = group.files[file.indexInGroup];
  if (!map || map.sizeBytes !== file.sizeBytes) {
    throw new BtarError("OBJECT_DAMAGED", {
      message: `the file map of ${file.path} does not fit its manifest`,
      hint: "use another backup or another location",
    });
  }
  const path = join(options.directory, file.path);
  const handle = await open(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
    file.mode & 0o777,
  );
  try {
    if (file.sizeBytes > 0) await handle.truncate(file.sizeBytes);
    if (options.owner) await handle.chown(options.owner.uid, options.owner.gid);
  } finally {
    await handle.close();
  }
}

async function readGroup(options: RestoreFilesOptions, number: number): Promise<FileMapGroup> {
  const { repository, manifest } = options;
  const place = manifest.groups[number];
  const pack = place && manifest.packs[place.pack];
  if (!place || !pack) throw new BtarError("OBJECT_DAMAGED", { message: `file map ${number} is not in the manifest` });
  const name = objectNames.pack(repository.serviceId, pack.sha256);
  const sealed = await readPackRange(options, pack, place.offset, place.sealedBytes);
  try {
    const plain = openBlob(keyOf(repository, pack), { role: "file-map", ...place, sealed });
    return decodeFileMapGroup(plain, name);
  } catch (cause) {
    throw new BtarError("OBJECT_DAMAGED", {
      message: `${name} is damaged: a file map in it does not open`,
      hint: "use another backup or another location; `btar status` lists them",
      details: { object: name },
      cause,
    });
  }
}

async function restoreRun(options: RestoreFilesOptions, run: RestoreRun): Promise<void> {
  const { repository, workers } = options;
  const sealed = await readPackRange(options, run.pack, run.offset, run.lengthBytes);
  const request = {
    key: keyOf(repository, run.pack),
    sealed,
    blobs: run.blobs.map((blob) => ({ ...blob, offset: blob.offset - run.offset })),
  };
  await workers.open(request, objectNames.pack(repository.serviceId, run.pack.sha256));
}

async function readPackRange(
  { repository, signal }: RestoreFilesOptions,
  pack: PackRef,
  offset: number,
  lengthBytes: number,
): Promise<Buffer> {
  const name = objectNames.pack(repository.serviceId, pack.sha256);
  const bytes = await repository.store.get(name, { range: { offset, lengthBytes }, signal });
  if (!bytes) throw missingObject(name, repository.store);
  if (bytes.length !== lengthBytes) {
    throw new BtarError("OBJECT_DAMAGED", {
      message: `${name} is damaged: it ends before byte ${offset + lengthBytes}`,
      hint: "use another backup or another location; `btar status` lists them",
      details: { object: name },
    });
  }
  return bytes;
}

function keyOf(repository: Repository, pack: PackRef): Buffer {
  return packKey(repository.keys.byId(pack.keyId).bytes, Buffer.from(pack.session, "hex"));
}

function pathsInGroup(
  directory: string,
  group: FileMapGroup,
  files: readonly StoredFile[],
): readonly (string | undefined)[] {
  const paths = new Array<string | undefined>(group.files.length).fill(undefined);
  for (const file of files) paths[file.indexInGroup] = join(directory, file.path);
  return paths;
}

async function syncTree({ manifest, directory }: RestoreFilesOptions): Promise<void> {
  const syncs = new BoundedTasks(filesTouchedAtOnce);
  const folders = new Set([directory, ...manifest.directories.map(({ path }) => join(directory, path))]);
  for (const file of manifest.files) folders.add(dirname(join(directory, file.path)));
  for (const path of [...manifest.files.map((file) => join(directory, file.path)), ...folders]) {
    await syncs.add(() => syncPath(path));
  }
  await syncs.finish();
}

async function syncPath(path: string): Promise<void> {
  if ((await lstat(path)).isSymbolicLink()) return;
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Runs a limited number of tasks at once; the first failure is thrown by the next `add` or by `finish`. */
class BoundedTasks {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  async add(task: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running);
    if (this.#failure) throw this.#failure.error;
    const running = task()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async finish(): Promise<void> {
    await this.settle();
    if (this.#failure) throw this.#failure.error;
  }

  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }
}
