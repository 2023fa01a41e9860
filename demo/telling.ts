import { styleText } from "node:util";

/** Tells on a terminal what goes on, a line per step that is kept up to date; elsewhere a line when each step ends. */
export class Telling {
  readonly #out: NodeJS.WriteStream;
  readonly #startedAt = Date.now();

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  async step<T>(title: string, work: (show: (text: string) => void) => Promise<T>): Promise<T> {
    const startedAt = Date.now();
    let detail = "";
    const words = () => `${title}${detail ? `: ${detail}` : ""}`;
    const seconds = () => `(${((Date.now() - startedAt) / 1000).toFixed(1)} s)`;
    const line = (mark: string) => `${mark} ${words()} ${styleText("dim", seconds(), { stream: this.#out })}`;
    const refresh = () => {
      // What is longer than a line could not be written over. A terminal that does not know its width says 0.
      if (this.#out.isTTY) this.#out.write(`\r\x1b[2K${`… ${words()} ${seconds()}`.slice(0, this.#out.columns || 80)}`);
    };
    const timer = setInterval(refresh, 200);
    try {
      const result = await work((text) => {
        detail = text;
      });
      this.#finish(line(styleText("green", "✔", { stream: this.#out })));
      return result;
    } catch (error) {
      this.#finish(line(styleText("red", "✘", { stream: this.#out })));
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  say(text: string): void {
    this.#out.write(`${text}\n`);
  }

  get elapsedSeconds(): number {
    return (Date.now() - this.#startedAt) / 1000;
  }

  #finish(text: string): void {
    this.#out.write(this.#out.isTTY ? `\r\x1b[2K${text}\n` : `${text}\n`);
  }
}
