import { randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, unlink } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../domain/errors.ts";
import { isErrno } from "../../platform/errno.ts";
import { readTextIfThere, statIfThere, syncDirectory } from "../../platform/files.ts";
import { storeGone } from "./file-store-error.ts";
import { removeLeftovers, temporaryName } from "./temporary-files.ts";

const markerName = "btar-store.json";
const formatVersion = 1;

/**
 * The directory of a file store:
 *
 * ```
 * btar-store.json   says that this is a store, and which
 * objects/KEY       one file per object
 * tmp/              files that are being written
 * ```
 *
 * Without the marker there is no store: a mount point without its disk, or a path with a slip of the pen.
 */
export class StoreRoot {
  readonly path: string;
  readonly objects: string;
  readonly temporary: string;
  readonly url: string;
  /** Identity of the store that was found first, which another one under the same path must not replace. */
  #id: string | undefined;

  constructor(directory: string) {
    this.path = directory;
    this.objects = path.join(directory, "objects");
    this.temporary = path.join(directory, "tmp");
    this.url = `file:${directory}`;
  }

  /** @throws {BtarError} STORE_UNREACHABLE, INVALID_CONFIGURATION when a store would be made in a directory with other files */
  async open(options: { readonly create: boolean }): Promise<void> {
    if (options.create) await this.#create();
    await this.checkPresent();
    await removeLeftovers(this.temporary);
  }

  /** @throws {BtarError} STORE_UNREACHABLE when the store is not there, or is another one than before */
  async checkPresent(): Promise<void> {
    const id = await this.#readMarker();
    if (id === undefined) throw storeGone(this.url, `there is no ${markerName}`);
    if (this.#id !== undefined && id !== this.#id) {
      throw storeGone(this.url, `another store (${id}) is in the place of ${this.#id}`);
    }
    for (const part of [this.objects, this.temporary]) {
      if (!(await statIfThere(part))?.isDirectory()) throw storeGone(this.url, `there is no directory ${part}`);
    }
    this.#id = id;
  }

  /** The marker comes first, so that whoever finds a part of the rest knows that it is a store's, and completes it. */
  async #create(): Promise<void> {
    if (this.#id !== undefined) return; // it was there: what is missing now is not to be made anew
    const created = await makeDirectories(this.path);
    if ((await this.#readMarker()) === undefined) {
      await this.#refuseOthersDirectory();
      await this.#writeMarker();
    }
    for (const part of [this.objects, this.temporary]) await makeDirectories(part);
    await syncDirectory(this.path);
    for (const directory of created) await syncDirectory(path.dirname(directory));
  }

  async #refuseOthersDirectory(): Promise<void> {
    const entries = await readdir(this.path).catch((error: unknown) => {
      throw isErrno(error, "ENOTDIR") ? this.#unsuitable("is a file") : error;
    });
    if (entries.includes(markerName)) return; // somebody else has just set it up
    // Unfinished markers are of attempts that were cut off; lost+found is part of an empty file system.
    const others = entries.filter((entry) => entry !== "lost+found" && !entry.startsWith(`${markerName}.`));
    if (others.length === 0) return;
    throw this.#unsuitable(`is no store of btar and holds other files, such as ${others[0]}`);
  }

  #unsuitable(what: string): BtarError {
    return new BtarError("INVALID_CONFIGURATION", {
      message: `${this.path} ${what}`,
      hint: "give an empty directory, or one that does not exist yet",
      details: { directory: this.path },
    });
  }

  async #writeMarker(): Promise<void> {
    const marker = path.join(this.path, markerName);
    const unfinished = `${marker}.${temporaryName()}`;
    const content = { format: "btar-store", version: formatVersion, id: randomUUID(), createdAt: new Date() };
    const handle = await open(unfinished, "wx", 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(content, undefined, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    try {
      await link(unfinished, marker);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error; // otherwise somebody else was quicker: theirs holds
    }
    await unlink(unfinished);
  }

  /** @returns the store's id; undefined when there is no marker */
  async #readMarker(): Promise<string | undefined> {
    const file = path.join(this.path, markerName);
    const text = await readTextIfThere(file);
    if (text === undefined) return undefined;
    const marker = parsedObject(text);
    if (marker?.["format"] === "btar-store" && marker["version"] === formatVersion) return String(marker["id"]);
    const version = marker?.["version"];
    throw new BtarError("UNSUPPORTED_FORMAT", {
      message: `${file} does not describe a store that this btar knows${version ? ` (version ${String(version)})` : ""}`,
      hint: `this btar knows version ${formatVersion}: use the btar that wrote it, or put the file back`,
      details: { file },
    });
  }
}

/**
 * Makes a directory and those above it that are not there. (What Node.js offers for this never ends where the system
 * refuses a directory with ENOENT, as `/proc` does.)
 * @returns those that were made, the outermost first
 */
async function makeDirectories(directory: string): Promise<readonly string[]> {
  const parent = path.dirname(directory);
  const above = (await statIfThere(directory)) || parent === directory ? [] : await makeDirectories(parent);
  return (await isMade(directory)) ? [...above, directory] : above;
}

/** @returns false when somebody else was quicker */
async function isMade(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

function parsedObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
