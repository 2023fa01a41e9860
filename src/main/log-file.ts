import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { describeError } from "../domain/errors.ts";

const defaultMaxBytes = 20 * 2 ** 20;

/**
 * A log file that is begun anew when it has grown large; the one before is kept beside it, with `.1` at its end.
 * Written at once, so that the last words of a process that dies are there.
 */
export class LogFile {
  readonly #file: string;
  readonly #maxBytes: number;
  #fd: number;
  #sizeBytes: number;
  #isFailing = false;

  constructor(file: string, options: { readonly maxBytes: number } = { maxBytes: defaultMaxBytes }) {
    this.#file = file;
    this.#maxBytes = options.maxBytes;
    this.#fd = openSync(file, "a", 0o600);
    this.#sizeBytes = fstatSync(this.#fd).size;
  }

  /** A log that cannot be written (the disk is full) is said on standard error, and ends nothing. */
  write(text: string): void {
    try {
      if (this.#sizeBytes >= this.#maxBytes) this.#beginAnew();
      this.#sizeBytes += writeSync(this.#fd, text);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) process.stderr.write(`the log ${this.#file} cannot be written: ${describeError(error)}\n`);
      this.#isFailing = true;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #beginAnew(): void {
    renameSync(this.#file, `${this.#file}.1`);
    const fd = openSync(this.#file, "a", 0o600);
    closeSync(this.#fd);
    this.#fd = fd;
    this.#sizeBytes = 0;
  }
}
