/** Log bytes that follow one another, not stored yet. */
export interface PendingPiece {
  readonly stream: string;
  readonly start: string;
  readonly end: string;
  readonly newestCommitMicros: bigint | undefined;
  readonly bytes: Buffer;
}

/** Log that holds no commit can wait longer: nothing that a recovery could reach is in it. */
const quietFactor = 12;

/** Decides when log becomes a piece: when it is old or large enough, so that pieces are neither late nor tiny. */
export class LogPieceBuilder {
  readonly #maxAgeMs: number;
  readonly #maxBytes: number;
  #stream = "";
  #chunks: Buffer[] = [];
  #bytes = 0;
  #start = "";
  #end = "";
  #newestCommitMicros: bigint | undefined;
  #firstAtMs = 0;
  #wantedThrough = "";

  constructor(limits: { readonly maxAgeSeconds: number; readonly maxPieceBytes: number }) {
    this.#maxAgeMs = limits.maxAgeSeconds * 1000;
    this.#maxBytes = limits.maxPieceBytes;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Whether a commit waits to be stored. */
  get holdsCommit(): boolean {
    return this.#newestCommitMicros !== undefined;
  }

  /** The following bytes belong to this stream. Whatever was pending must have been taken. */
  beginStream(stream: string): void {
    this.#stream = stream;
  }

  add(
    chunk: {
      readonly start: string;
      readonly end: string;
      readonly bytes: Buffer;
      readonly newestCommitMicros: bigint | undefined;
    },
    nowMs: number,
  ): void {
    if (this.isEmpty) {
      this.#start = chunk.start;
      this.#firstAtMs = nowMs;
    }
    this.#chunks.push(chunk.bytes);
    this.#bytes += chunk.bytes.length;
    this.#end = chunk.end;
    const commit = chunk.newestCommitMicros;
    if (commit !== undefined && (this.#newestCommitMicros === undefined || commit > this.#newestCommitMicros)) {
      this.#newestCommitMicros = commit;
    }
  }

  /** Somebody waits for the log up to `position`. */
  wantThrough(position: string): void {
    if (position > this.#wantedThrough) this.#wantedThrough = position;
  }

  isDue(nowMs: number): boolean {
    if (this.isEmpty) return false;
    if (this.#bytes >= this.#maxBytes) return true;
    if (this.#wantedThrough > this.#start) return true;
    const limit = this.holdsCommit ? this.#maxAgeMs : this.#maxAgeMs * quietFactor;
    return nowMs - this.#firstAtMs >= limit;
  }

  /** @returns what is pending, and forgets it; undefined when there is nothing */
  take(): PendingPiece | undefined {
    if (this.isEmpty) return undefined;
    const piece: PendingPiece = {
      stream: this.#stream,
      start: this.#start,
      end: this.#end,
      newestCommitMicros: this.#newestCommitMicros,
      bytes:
        this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks, this.#bytes),
    };
    this.#chunks = [];
    this.#bytes = 0;
    this.#newestCommitMicros = undefined;
    return piece;
  }
}
