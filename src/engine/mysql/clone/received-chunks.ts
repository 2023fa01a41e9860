import type { CloneState, RestartPoint } from "./descriptor.ts";

/** One of the connections that bring data. */
export type StreamKey = object;

/**
 * Which chunks of the state that runs have arrived, so that a clone whose connections broke goes on where it was. A
 * chunk comes by one stream at a time, its blocks in order; a stream that begins another one has finished the last.
 */
export class ReceivedChunks {
  #state: CloneState = "init";
  #count = 0;
  #words = new Uint32Array(0);
  /** Last block of each chunk that is not known to be whole. */
  readonly #unfinished = new Map<number, number>();
  readonly #currentOf = new Map<StreamKey, number>();

  /** A state begins. When it is the one that runs, which a donor says again after a break, nothing changes. */
  begin(state: CloneState, chunkCount: number): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#count = chunkCount;
    this.#words = new Uint32Array(Math.ceil(chunkCount / 32));
    this.#unfinished.clear();
    this.#currentOf.clear();
  }

  /** Whether the donor has announced such a chunk. */
  has(chunk: number): boolean {
    return chunk >= 1 && chunk <= this.#count;
  }

  /** A block has arrived, whole. */
  received(stream: StreamKey, chunk: number, block: number): void {
    const current = this.#currentOf.get(stream);
    if (current !== undefined && current !== chunk) this.#unfinished.delete(current);
    this.#currentOf.set(stream, chunk);
    this.#unfinished.set(chunk, block);
    this.#mark(chunk);
  }

  /** Nothing more comes of these chunks: their file is gone. */
  dropped(firstChunk: number, lastChunk: number): void {
    for (let chunk = Math.max(1, firstChunk); chunk <= Math.min(lastChunk, this.#count); chunk += 1) this.#mark(chunk);
  }

  /** All connections are gone. */
  interrupted(): void {
    this.#currentOf.clear();
  }

  /** @param hasAllFiles whether the donor has named all its files */
  restartPoint(hasAllFiles: boolean): RestartPoint {
    const unfinishedChunks = [...this.#unfinished].map(([chunk, lastBlock]) => ({ chunk, lastBlock }));
    return { state: this.#state, hasAllFiles, unfinishedChunks, receivedChunks: this.#words };
  }

  #mark(chunk: number): void {
    const word = Math.floor((chunk - 1) / 32);
    this.#words[word] = ((this.#words[word] ?? 0) | (1 << ((chunk - 1) % 32))) >>> 0;
  }
}
