/** Where a command's answer goes: JSON for programs, or text for people, with progress on standard error. */
export class Output {
  readonly #isJson: boolean;
  readonly #isTerminal = process.stderr.isTTY;
  #lastProgress = "";

  constructor(options: { readonly isJson: boolean }) {
    this.#isJson = options.isJson;
  }

  /** The answer: the API's own object for programs, `text` for people. */
  answer(value: unknown, text: () => string): void {
    process.stdout.write(this.#isJson ? `${JSON.stringify(value, undefined, 2)}\n` : `${text()}\n`);
  }

  /** Something on the way, for people only. */
  note(text: string): void {
    if (!this.#isJson) process.stderr.write(`${text}\n`);
  }

  /** How far it is: one line that changes on a terminal, a line per change elsewhere. */
  progress(text: string): void {
    if (this.#isJson || text === this.#lastProgress) return;
    this.#lastProgress = text;
    if (this.#isTerminal) process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
    else process.stderr.write(`${text}\n`);
  }

  progressEnd(): void {
    if (this.#isTerminal && this.#lastProgress !== "" && !this.#isJson) process.stderr.write("\r\x1b[2K");
    this.#lastProgress = "";
  }
}
