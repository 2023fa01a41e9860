import { constants } from "node:fs";
import { chmod, chown, lstat, mkdir, open, opendir, readdir, readlink, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BtarError } from "../domain/errors.ts";
import { lstatIfThere, removeTree, syncDirectory } from "../platform/files.ts";
import { BoundedTasks } from "./bounded-tasks.ts";
import type { BackupManifest } from "./manifest.ts";

const touchedAtOnce = 8;

export interface RestoreTreeOptions {
  readonly manifest: BackupManifest;
  /** Absolute. */
  readonly directory: string;
  /** Directories of the backup that go elsewhere: path in the backup to absolute path. */
  readonly relocated: ReadonlyMap<string, string>;
  /** Names in `directory` that are the caller's, and left alone. */
  readonly keptNames: readonly string[];
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/** The directories that a base backup is restored into, and what may be in them. */
export class RestoreTree {
  readonly #options: RestoreTreeOptions;
  /** Of every directory that is to be there, by absolute path; parents before what is in them. */
  readonly #modes: ReadonlyMap<string, number>;

  constructor(options: RestoreTreeOptions) {
    this.#options = options;
    this.#modes = this.#directoryModes();
  }

  /** Where a path of the backup goes. */
  placeOf(path: string): string {
    for (const [from, to] of this.#options.relocated) {
      if (path === from) return to;
      if (path.startsWith(`${from}/`)) return join(to, path.slice(from.length + 1));
    }
    return join(this.#options.directory, path);
  }

  /** @throws {BtarError} TARGET_DIRECTORY_NOT_EMPTY unless there is nothing yet where the backup goes */
  async refuseContent(): Promise<void> {
    const { directory, relocated, keptNames } = this.#options;
    for (const place of [directory, ...relocated.values()]) {
      if (!(await lstatIfThere(place))) continue;
      const found = (await readdir(place)).find((name) => place !== directory || !keptNames.includes(name));
      if (found === undefined) continue;
      throw new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
        message: `${place} is not empty`,
        hint: "restore into a directory that is empty or does not exist yet",
        details: { directory: place, found },
      });
    }
  }

  async makeDirectories(): Promise<void> {
    const { owner } = this.#options;
    for (const [place, mode] of this.#modes) {
      await mkdir(place, { recursive: true, mode });
      await chmod(place, mode);
      if (owner) await chown(place, owner.uid, owner.gid);
    }
  }

  /**
   * Removes what the backup does not have, and what is of another kind there: links are removed, never followed. A
   * file that has a second name is removed too, since writing to it would change the other. Of a relocated directory
   * only what has names of the backup's is looked into; other versions of PostgreSQL may have theirs beside it.
   * @returns how many entries were removed
   */
  async removeOthers(): Promise<number> {
    const { manifest, directory, relocated, keptNames } = this.#options;
    const files = new Set(manifest.files.map(({ path }) => this.placeOf(path)));
    const links = new Map([...relocated].map(([from, to]) => [join(directory, from), to]));
    const roots = new Set([directory, ...relocated.values()]);
    const kept = new Set(keptNames.map((name) => join(directory, name)));
    let removed = 0;
    const look = async (folder: string): Promise<void> => {
      for await (const { name } of await opendir(folder)) {
        const place = join(folder, name);
        if (kept.has(place)) continue;
        const status = await lstat(place);
        const target = links.get(place);
        const isDirectory = this.#modes.has(place);
        if (isDirectory && status.isDirectory()) {
          if (!roots.has(place)) await look(place);
        } else if (files.has(place) && status.isFile() && status.nlink === 1) {
          // Its content is compared later.
        } else if (
          target !== undefined &&
          status.isSymbolicLink() &&
          resolve(folder, await readlink(place)) === target
        ) {
          // The link to where the directory is.
        } else if (folder === directory || !roots.has(folder) || isDirectory || files.has(place)) {
          await (status.isDirectory() ? removeTree(place) : unlink(place));
          removed += 1;
        }
      }
    };
    for (const root of roots) if (await lstatIfThere(root)) await look(root);
    return removed;
  }

  /** Makes all of it durable, but for the files of some paths, which are not there yet. */
  async sync(absent: readonly string[] = []): Promise<void> {
    const syncs = new BoundedTasks(touchedAtOnce);
    for (const { path } of this.#options.manifest.files) {
      if (!absent.includes(path)) await syncs.add(() => syncFile(this.placeOf(path)));
    }
    for (const place of this.#modes.keys()) await syncs.add(() => syncDirectory(place));
    await syncs.finish();
    await syncDirectory(dirname(this.#options.directory));
  }

  #directoryModes(): ReadonlyMap<string, number> {
    const { manifest, directory, relocated } = this.#options;
    const modes = new Map<string, number>([[directory, 0o700]]);
    const add = (place: string, mode: number | undefined) => {
      const parent = dirname(place);
      if (parent.startsWith(`${directory}/`) && !modes.has(parent)) add(parent, undefined);
      if (mode !== undefined || !modes.has(place)) modes.set(place, mode ?? 0o700);
    };
    for (const target of relocated.values()) add(target, undefined);
    const folders = manifest.directories.map(({ path, mode }) => [path, mode & 0o777] as const);
    for (const [path, mode] of folders.sort(([a], [b]) => (a < b ? -1 : 1))) add(this.placeOf(path), mode);
    for (const { path } of manifest.files) {
      const place = dirname(this.placeOf(path));
      if (!modes.has(place)) add(place, undefined);
    }
    return modes;
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
