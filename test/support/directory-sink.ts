import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import type { FileEntry, FileSink } from "../../src/engine/engine.ts";

/** Writes a base backup as plain files, and asks for a pause every so often. */
export class DirectorySink implements FileSink {
  /** Paths of files, in the order in which they came. */
  readonly files: string[] = [];
  readonly directories: string[] = [];
  readonly #root: string;
  #file = -1;
  #left = 0;
  #writes = 0;
  #isDrained = true;

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  directory(name: string, mode: number): void {
    this.directories.push(name);
    mkdirSync(path.join(this.#root, name), { mode });
  }

  beginFile(entry: FileEntry): void {
    if (this.#file >= 0) throw new Error(`${entry.path} begins before the last file has ended`);
    this.files.push(entry.path);
    this.#left = entry.sizeBytes;
    this.#file = openSync(path.join(this.#root, entry.path), "wx", entry.mode);
  }

  write(bytes: Uint8Array): void {
    if (!this.#isDrained) throw new Error("written to although the sink was not drained");
    this.#left -= bytes.length;
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#file, bytes, written);
    this.#writes += 1;
  }

  endFile(): void {
    if (this.#left !== 0) throw new Error(`${this.files.at(-1)} ended with ${this.#left} bytes left`);
    closeSync(this.#file);
    this.#file = -1;
  }

  drained(): Promise<void> | undefined {
    if (this.#writes % 50 !== 49) return undefined;
    this.#isDrained = false;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#writes += 1;
        this.#isDrained = true;
        resolve();
      });
    });
  }
}
