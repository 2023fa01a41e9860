import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, copyFile, link, rename } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../domain/errors.ts";
import { throwIfCancelled } from "../../platform/clock.ts";
import { isErrno } from "../../platform/errno.ts";
import { lstatIfThere, unlinkIfThere } from "../../platform/files.ts";
import { checkBody, checkFolder, checkKey, checkPrefix, checkRange, checkStoredSize } from "../key.ts";
import type { ByteRange, ObjectStore, PutOptions, StoreCallOptions, StoredObject } from "../object-store.ts";
import { fileStoreError } from "./file-store-error.ts";
import { writeNewFile } from "./new-object-file.ts";
import { openObjectFile, readExactly, syncFile } from "./object-file.ts";
import { foldersWithObjects, type Walk, walkObjects } from "./object-walk.ts";
import { StoreFolders } from "./store-folders.ts";
import { StoreRoot } from "./store-root.ts";
import { temporaryName } from "./temporary-files.ts";

const readBytes = 1024 * 1024;
const namesAtATime = 20_000;
const maxFileNameBytes = 255;

/**
 * Objects as files below a directory (see `StoreRoot`). An object is written under another name and synced before it
 * gets its own, so that it is there whole or not at all, whenever the machine stops.
 *
 * Beyond what `ObjectStore` says: a segment of a key has at most 255 bytes, and when `a` is an object, `a/b` cannot
 * be one, nor the other way round (INVALID_INPUT).
 */
export class FileObjectStore implements ObjectStore {
  readonly url: string;
  readonly #root: StoreRoot;
  readonly #folders: StoreFolders;

  /** @param directory absolute path */
  constructor(directory: string) {
    this.#root = new StoreRoot(directory);
    this.#folders = new StoreFolders(this.#root.objects);
    this.url = this.#root.url;
  }

  async open(options: StoreCallOptions & { readonly create: boolean }): Promise<void> {
    await this.#call("cannot be opened", options, () => this.#root.open(options));
  }

  async put(
    key: string,
    body: Uint8Array | readonly Uint8Array[],
    options: PutOptions = {},
  ): Promise<"stored" | "exists"> {
    checkFileKey(key);
    const { buffers } = checkBody(key, body);
    return await this.#call(`cannot store ${key}`, options, () =>
      this.#putFile(key, options, (file) => writeNewFile(file, buffers, options.signal)),
    );
  }

  async get(key: string, options: StoreCallOptions & { readonly range?: ByteRange } = {}): Promise<Buffer | undefined> {
    checkFileKey(key);
    checkRange(options.range);
    return await this.#call(`cannot read ${key}`, options, async () => {
      await using object = await this.#openObject(key);
      if (!object) return undefined;
      checkStoredSize({ key, store: this.url, sizeBytes: object.sizeBytes });
      const { offset, lengthBytes } = options.range ?? { offset: 0, lengthBytes: object.sizeBytes };
      const wanted = Math.max(0, Math.min(lengthBytes, object.sizeBytes - offset));
      return await readExactly(object.handle, { offset, buffer: Buffer.allocUnsafeSlow(wanted) });
    });
  }

  async head(key: string, options: StoreCallOptions = {}): Promise<StoredObject | undefined> {
    checkFileKey(key);
    return await this.#call(`cannot look for ${key}`, options, async () => {
      await this.#folders.refuseLinks(key);
      const stats = await lstatIfThere(this.#pathOf(key));
      if (stats?.isFile()) return { key, sizeBytes: stats.size, storedAt: stats.mtime };
      await this.#root.checkPresent();
      return undefined;
    });
  }

  async *list(
    prefix: string,
    options: StoreCallOptions & { readonly after?: string } = {},
  ): AsyncGenerator<StoredObject> {
    checkPrefix(prefix);
    throwIfCancelled(options.signal);
    try {
      await this.#folders.refuseLinks(prefix);
      yield* walkObjects({ ...this.#walk(options), prefix, after: options.after ?? "" });
    } catch (error) {
      throw fileStoreError(error, { url: this.url, doing: `cannot list ${prefix || "objects"}` });
    }
  }

  async listFolders(prefix: string, options: StoreCallOptions = {}): Promise<readonly string[]> {
    checkFolder(prefix);
    return await this.#call(`cannot list ${prefix || "folders"}`, options, async () => {
      await this.#folders.refuseLinks(prefix);
      return await foldersWithObjects(this.#walk(options), prefix);
    });
  }

  async delete(key: string, options: StoreCallOptions = {}): Promise<void> {
    checkFileKey(key);
    await this.#call(`cannot delete ${key}`, options, async () => {
      await this.#folders.refuseLinks(key);
      if (!(await lstatIfThere(this.#pathOf(key)))?.isFile()) return await this.#root.checkPresent();
      await unlinkIfThere(this.#pathOf(key));
      await this.#folders.removeEmpty(key);
    });
  }

  async copyFrom(
    source: ObjectStore,
    key: string,
    options: StoreCallOptions = {},
  ): Promise<"stored" | "exists" | "missing" | "unsupported"> {
    if (!(source instanceof FileObjectStore)) return "unsupported";
    const object = await source.head(key, options);
    if (!object) return "missing";
    checkStoredSize({ ...object, store: source.url });
    return await this.#call(`cannot copy ${key} from ${source.url}`, options, () =>
      this.#putFile(key, options, async (file) => {
        // The system copies by itself, or shares the blocks where the file system can: they are two files all the same.
        await copyFile(source.#pathOf(key), file, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
        await syncFile(file);
      }),
    );
  }

  async sha256(key: string, options: StoreCallOptions = {}): Promise<string | undefined> {
    checkFileKey(key);
    return await this.#call(`cannot read ${key}`, options, async () => {
      await using object = await this.#openObject(key);
      if (!object) return undefined;
      const hash = createHash("sha256");
      const buffer = Buffer.allocUnsafeSlow(Math.min(readBytes, object.sizeBytes));
      for (let offset = 0; offset < object.sizeBytes; offset += buffer.length) {
        throwIfCancelled(options.signal);
        const wanted = Math.min(buffer.length, object.sizeBytes - offset);
        hash.update(await readExactly(object.handle, { offset, buffer: buffer.subarray(0, wanted) }));
      }
      return hash.digest("hex");
    });
  }

  async close(): Promise<void> {
    // Nothing is held open between calls.
  }

  /** Has a file written under a temporary name, and gives it its own if nothing has that yet. */
  async #putFile(
    key: string,
    { signal, isReplacing = false }: PutOptions,
    write: (file: string) => Promise<void>,
  ): Promise<"stored" | "exists"> {
    await this.#folders.refuseLinks(key);
    let outcome: "stored" | "exists" = "exists";
    if (!(await this.#isTaken(key)) || isReplacing) {
      const file = path.join(this.#root.temporary, temporaryName());
      try {
        await write(file);
        throwIfCancelled(signal);
        outcome = await this.#makeVisible(file, key, isReplacing ? rename : link);
      } catch (error) {
        // The first failure says more than this one could; what stays behind is removed when the store is opened.
        await unlinkIfThere(file).catch(() => undefined);
        throw error;
      }
      await unlinkIfThere(file);
    }
    // Also for what was there: whoever put it may not have come this far.
    await this.#folders.sync(key);
    return outcome;
  }

  /** @param name gives the file its name */
  async #makeVisible(
    file: string,
    key: string,
    name: (file: string, as: string) => Promise<void>,
  ): Promise<"stored" | "exists"> {
    for (;;) {
      try {
        await this.#folders.make(key);
        await name(file, this.#pathOf(key));
        return "stored";
      } catch (error) {
        if (isErrno(error, "EEXIST") && (await this.#isTaken(key))) return "exists";
        if (!isErrno(error, "ENOENT")) throw error;
        // A delete has removed the folder in between, since it was empty: it is made again. Or all is gone.
        await this.#root.checkPresent();
        await access(file);
      }
    }
  }

  async #isTaken(key: string): Promise<boolean> {
    const stats = await lstatIfThere(this.#pathOf(key));
    if (!stats) return false;
    if (stats.isFile()) return true;
    throw new BtarError("INVALID_INPUT", {
      message: `${key} cannot be stored in ${this.url}: a folder or link has that name`,
      hint: "in a store of files, a key cannot be the folder of others",
    });
  }

  async #openObject(key: string) {
    await this.#folders.refuseLinks(key);
    const object = await openObjectFile(this.#pathOf(key));
    if (!object) await this.#root.checkPresent();
    return object;
  }

  #pathOf(key: string): string {
    return path.join(this.#root.objects, key);
  }

  #walk({ signal }: StoreCallOptions): Omit<Walk, "prefix" | "after"> {
    return { directory: this.#root.objects, namesAtATime, signal, onMissing: () => this.#root.checkPresent() };
  }

  async #call<T>(doing: string, { signal }: StoreCallOptions, work: () => Promise<T>): Promise<T> {
    throwIfCancelled(signal);
    try {
      return await work();
    } catch (error) {
      throw fileStoreError(error, { url: this.url, doing });
    }
  }
}

function checkFileKey(key: string): void {
  checkKey(key);
  const tooLong = key.split("/").find((segment) => segment.length > maxFileNameBytes);
  if (tooLong === undefined) return;
  throw new BtarError("INVALID_INPUT", {
    message: `${key} cannot be the key of a file: ${tooLong} has ${tooLong.length} bytes`,
    hint: `in a store of files, a segment of a key has at most ${maxFileNameBytes} bytes`,
  });
}
