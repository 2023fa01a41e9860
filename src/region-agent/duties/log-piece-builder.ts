import { reachOf } from "../../repository/log-piece.ts";

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
/** The time that storing takes is kept free of the greatest age: at least and at most this part of it. */
const leastMargin = 0.1;
const mostMargin = 0.5;
/** How much of an earlier, longer time to store is still expected for the next piece. */
const memory = 0.8;

const firstBufferBytes = 64 * 1024;
/** What comes at once, and is not divided. */
const largestChunkBytes = 512 * 1024;
const buffersKept = 1;

/**
 * Gathers log, and decides when it becomes a piece: when it is large, or so old that it is stored before it has reached
 * the greatest age. So pieces are neither late nor tiny. Times are milliseconds of a clock that never jumps.
 */
export class LogPieceBuilder {
  readonly #maxAgeMs: number;
  readonly #maxBytes: number;
  readonly #spareBuffers: Buffer[] = [];
  #stream = "";
  #buffer: Buffer = Buffer.alloc(0);
  #bytes = 0;
  #isEmpty = true;
  /** What is pending ends with a file: nothing more comes to it. */
  #endsFile = false;
  #start = "";
  #end = "";
  #newestCommitMicros: bigint | undefined;
  #firstAtMs = 0;
  #wantedThrough = "";
  #storingMs = 0;

  constructor(limits: { readonly maxAgeSeconds: number; readonly maxPieceBytes: number }) {
    this.#maxAgeMs = limits.maxAgeSeconds * 1000;
    this.#maxBytes = limits.maxPieceBytes;
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Whether a commit waits to be stored. */
  get holdsCommit(): boolean {
    return this.#newestCommitMicros !== undefined;
  }

  /** When what is pending becomes a piece, if nothing more comes; undefined: nothing is pending. */
  get dueAtMs(): number | undefined {
    if (this.isEmpty) return undefined;
    const isWanted = this.#endsFile || this.#wantedThrough > this.#start;
    if (this.#bytes >= this.#maxBytes || isWanted) return this.#firstAtMs;
    return this.#firstAtMs + (this.holdsCommit ? this.#maxAgeMs - this.#marginMs : this.#maxAgeMs * quietFactor);
  }

  /** The following bytes belong to this stream. Whatever was pending must have been taken. */
  beginStream(stream: string): void {
    this.#stream = stream;
  }

  /** @param chunk its bytes are copied; there may be none where a file ends */
  add(
    chunk: {
      readonly start: string;
      readonly end: string;
      readonly bytes: Uint8Array;
      readonly newestCommitMicros: bigint | undefined;
    },
    nowMs: number,
  ): void {
    if (this.#isEmpty) {
      this.#start = chunk.start;
      this.#firstAtMs = nowMs;
    }
    this.#isEmpty = false;
    this.#endsFile = reachOf(chunk) !== BigInt(chunk.bytes.length);
    this.#makeRoom(this.#bytes + chunk.bytes.length);
    this.#buffer.set(chunk.bytes, this.#bytes);
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
    const dueAtMs = this.dueAtMs;
    return dueAtMs !== undefined && nowMs >= dueAtMs;
  }

  /** @returns what is pending, and forgets it; undefined when there is nothing */
  take(): PendingPiece | undefined {
    if (this.isEmpty) return undefined;
    const piece: PendingPiece = {
      stream: this.#stream,
      start: this.#start,
      end: this.#end,
      newestCommitMicros: this.#newestCommitMicros,
      bytes: this.#buffer.subarray(0, this.#bytes),
    };
    this.#buffer = Buffer.alloc(0);
    this.#bytes = 0;
    this.#isEmpty = true;
    this.#endsFile = false;
    this.#newestCommitMicros = undefined;
    return piece;
  }

  /** A piece that was taken is stored, and its memory may be used again. */
  stored({ bytes }: PendingPiece, tookMs: number): void {
    this.#storingMs = Math.max(tookMs, this.#storingMs * memory);
    // A server that has become quiet does not keep the memory of a busy one.
    const isLarge = bytes.buffer.byteLength === this.#maxBytes + largestChunkBytes;
    const isWorthKeeping = isLarge && bytes.length > this.#maxBytes / 2 && this.#spareBuffers.length < buffersKept;
    if (isWorthKeeping) this.#spareBuffers.push(Buffer.from(bytes.buffer));
    else this.#spareBuffers.length = 0;
  }

  get #marginMs(): number {
    const expected = this.#storingMs * 1.5;
    return Math.min(this.#maxAgeMs * mostMargin, Math.max(this.#maxAgeMs * leastMargin, expected));
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const doubled = Math.max(firstBufferBytes, this.#buffer.length * 2, bytes);
    const isLarge = doubled > this.#maxBytes / 2;
    const roomy =
      (isLarge ? this.#spareBuffers.pop() : undefined) ??
      Buffer.allocUnsafeSlow(isLarge ? this.#maxBytes + largestChunkBytes : doubled);
    roomy.set(this.#buffer.subarray(0, this.#bytes));
    this.#buffer = roomy;
  }
}
