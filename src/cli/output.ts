const plainIntervalMs = 5000;
const defaultColumns = 80;

/** Where a command's answer goes: JSON for programs, or text for people, with progress on standard error. */
export class Output {
  readonly #isJson: boolean;
  readonly #isTerminal = process.stderr.isTTY;
  #lastProgress = "";
  #lastProgressAt = 0;

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

  /** How far it is: one line that changes on a terminal, a line now and then elsewhere. */
  progress(text: string): void {
    if (this.#isJson || text === this.#lastProgress) return;
    if (this.#isTerminal) {
      process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns || defaultColumns) - 1)}`);
    } else {
      if (Date.now() - this.#lastProgressAt < plainIntervalMs) return;
      process.stderr.write(`${text}\n`);
    }
    this.#lastProgress = text;
    this.#lastProgressAt = Date.now();
  }

  progressEnd(): void {
    if (this.#isTerminal && this.#lastProgress !== "") process.stderr.write("\r\x1b[2K");
    this.#lastProgress = "";
  }
}
