import { lsnFromSortable, lsnToSortable, walSegmentName } from "../../src/domain/lsn.ts";
import type { LogEvent, LogStream } from "../../src/engine/engine.ts";

/** Log of one stream, as it came. */
export interface RecordedStream {
  readonly stream: string;
  readonly start: string;
  readonly history: Buffer | undefined;
  readonly pieces: Buffer[];
  /** Where each piece begins. */
  readonly starts: string[];
}

type CaughtUp = Extract<LogEvent, { readonly kind: "caught-up" }>;

/** Keeps a log stream in memory, acknowledges it, and lets tests wait for what they need of it. */
export class LogRecorder {
  readonly streams: RecordedStream[] = [];
  newestCommitMicros = 0n;
  caughtUp: CaughtUp | undefined;
  readonly #stream: LogStream;
  readonly #run: Promise<void>;
  #position = "";
  #wake: () => void = () => undefined;

  constructor(stream: LogStream) {
    this.#stream = stream;
    this.#run = this.#record();
    this.#run.catch(() => this.#wake());
  }

  /** Where the recorded log ends. */
  get end(): { readonly stream: string; readonly position: string } {
    return { stream: this.streams.at(-1)?.stream ?? "", position: this.#position };
  }

  /** Waits until `isReached`; rejects with what the stream ended with, or after a minute. */
  async until(isReached: (recorder: LogRecorder) => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(60_000);
    while (!isReached(this)) {
      const next = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const late = new Promise<never>((_, reject) => {
        deadline.addEventListener("abort", () => reject(new Error(`not reached; the log ends at ${this.#position}`)));
      });
      await Promise.race([next, late, this.#run]);
    }
  }

  async untilPosition(position: string): Promise<void> {
    await this.until(() => this.#position >= position);
  }

  /** What the stream ends with; undefined when it just ends. */
  async outcome(): Promise<unknown> {
    return await this.#run.then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  async close(): Promise<void> {
    await this.#stream.close();
    await this.outcome();
  }

  async #record(): Promise<void> {
    for await (const event of this.#stream) {
      if (event.kind === "stream") {
        this.streams.push({ stream: event.stream, start: event.start, history: event.history, pieces: [], starts: [] });
        this.#position = event.start;
      } else if (event.kind === "caught-up") this.caughtUp = event;
      else if (event.kind === "bytes") {
        if (event.start !== this.#position) throw new Error(`${event.start} follows on ${this.#position}`);
        this.streams.at(-1)?.pieces.push(Buffer.from(event.bytes));
        this.streams.at(-1)?.starts.push(event.start);
        this.#position = event.end;
        const micros = event.newestCommitMicros ?? 0n;
        if (micros > this.newestCommitMicros) this.newestCommitMicros = micros;
        this.#stream.acknowledge(event.end);
      }
      this.#wake();
    }
  }
}

/** The WAL segments of a recorded stream by file name; the last one is filled with zeros. */
export function segmentsOf(recorded: RecordedStream, segmentBytes: number): Map<string, Buffer> {
  const timeline = Number.parseInt(recorded.stream.slice(-8), 16);
  const bytes = Buffer.concat(recorded.pieces);
  const segments = new Map<string, Buffer>();
  for (let offset = 0; offset < bytes.length; offset += segmentBytes) {
    const segment = Buffer.alloc(segmentBytes);
    bytes.copy(segment, 0, offset, offset + segmentBytes);
    segments.set(walSegmentName(timeline, lsnFromSortable(recorded.start) + BigInt(offset), segmentBytes), segment);
  }
  return segments;
}

/** `0/2000028` as the engine writes positions. */
export function sortable(lsn: unknown): string {
  const [high = "", low = ""] = String(lsn).split("/");
  return lsnToSortable((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`));
}
