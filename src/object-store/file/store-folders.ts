import { mkdir, rmdir } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../domain/errors.ts";
import { isErrno } from "../../platform/errno.ts";
import { lstatIfThere, syncDirectory } from "../../platform/files.ts";

/** The folders that keys lie in, below the directory of a store's objects. */
export class StoreFolders {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Refuses a key or prefix whose way leads through a link, and so perhaps out of the store.
   * @throws {BtarError} STORE_REFUSED
   */
  async refuseLinks(key: string): Promise<void> {
    for (const folder of this.#foldersOf(key)) {
      const stats = await lstatIfThere(folder);
      if (!stats) return;
      if (!stats.isSymbolicLink()) continue;
      throw new BtarError("STORE_REFUSED", {
        message: `${folder} is a symbolic link, which a store does not follow`,
        hint: "put the directory itself in its place, or the whole store on the other disk",
        details: { folder, key },
      });
    }
  }

  /**
   * Makes the folders of a key that are not there.
   * @throws {BtarError} INVALID_INPUT when an object has the name of one; ENOENT when one is removed meanwhile
   */
  async make(key: string): Promise<void> {
    for (const folder of this.#foldersOf(key)) {
      try {
        await mkdir(folder, { mode: 0o700 });
      } catch (error) {
        if (!isErrno(error, "EEXIST")) throw error;
        if ((await lstatIfThere(folder))?.isFile()) throw this.#inTheWay(key, folder);
      }
    }
  }

  /** Makes the names on the way to a key durable, whoever made them. */
  async sync(key: string): Promise<void> {
    await Promise.all([this.#directory, ...this.#foldersOf(key)].map(syncDirectory));
  }

  /** Removes the folders of a key that hold nothing any more; what is left is made durable. */
  async removeEmpty(key: string): Promise<void> {
    for (const folder of this.#foldersOf(key).reverse()) {
      try {
        await rmdir(folder);
      } catch (error) {
        if (isErrno(error, "ENOTEMPTY", "EEXIST") && (await isSynced(folder))) return;
        if (!isErrno(error, "ENOTEMPTY", "EEXIST", "ENOENT")) throw error;
        // Otherwise another delete has removed it: its own folder is next.
      }
    }
    await syncDirectory(this.#directory);
  }

  /** The outermost first; of a prefix, those that it names whole. */
  #foldersOf(key: string): string[] {
    let folder = this.#directory;
    return key
      .split("/")
      .slice(0, -1)
      .map((segment) => {
        folder = path.join(folder, segment);
        return folder;
      });
  }

  #inTheWay(key: string, folder: string): BtarError {
    return new BtarError("INVALID_INPUT", {
      message: `${key} cannot be stored: ${path.relative(this.#directory, folder)} is an object`,
      hint: "in a store of files, a key cannot be the folder of others",
    });
  }
}

async function isSynced(folder: string): Promise<boolean> {
  try {
    await syncDirectory(folder);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
