import { type FileHandle, mkdir, open } from "node:fs/promises";
import path from "node:path";
import { syncDirectory } from "../../../platform/files.ts";
import { binlogFileName } from "../binlog/binlog-position.ts";
import { binlogMagic } from "../binlog/event-header.ts";

/** Where binary logs go below the directory that is given. */
const logsFolder = "binlog";

/**
 * Binary logs in a directory, one after the other. One that is only wanted from its middle on begins with the format of
 * its events, as all do, so that MySQL's own programs read it.
 */
export class BinlogFiles {
  readonly #directory: string;
  readonly #names: string[] = [];
  #open: { readonly handle: FileHandle; readonly file: number; bytes: number; wholeBytes: number } | undefined;

  constructor(directory: string) {
    this.#directory = path.join(directory, logsFolder);
  }

  /** Relative to the directory that was given. */
  get names(): readonly string[] {
    return this.#names.map((name) => `${logsFolder}/${name}`);
  }

  /** @param format description event that the file is to begin with, when what follows is from its middle */
  async begin(baseName: string, file: number, format: Buffer | undefined): Promise<void> {
    await this.end();
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const name = this.#freeName(binlogFileName(baseName, file));
    const handle = await open(path.join(this.#directory, name), "wx", 0o600);
    this.#names.push(name);
    this.#open = { handle, file, bytes: 0, wholeBytes: 0 };
    if (!format) return;
    await this.write(Buffer.concat([binlogMagic, format]));
    this.wholeUntilHere();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#open) return;
    await this.#open.handle.writeFile(bytes);
    this.#open.bytes += bytes.length;
  }

  /** All that was written until now is whole: transactions, and events between them. */
  wholeUntilHere(behind = 0): void {
    if (this.#open) this.#open.wholeBytes = this.#open.bytes - behind;
  }

  /** Ends a file with the last thing in it that is whole. */
  async end(): Promise<void> {
    const file = this.#open;
    this.#open = undefined;
    if (!file) return;
    try {
      await file.handle.truncate(file.wholeBytes);
      await file.handle.sync();
    } finally {
      await file.handle.close();
    }
    await syncDirectory(this.#directory);
  }

  /** A server whose logs were reset has files of the same names again. */
  #freeName(name: string): string {
    let free = name;
    for (let count = 2; this.#names.includes(free); count += 1) free = `${name}-${count}`;
    return free;
  }
}
