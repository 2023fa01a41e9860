import { fileExtentBytes, type ScatteredFile } from "../../engine.ts";

/** Extents that are gathered or written at a time; this many buffers of 1 MiB are all that is held of the data. */
const maxBuffers = 12;

/** What has come of one extent. */
interface GatheredExtent {
  readonly key: string;
  readonly file: ScatteredFile;
  readonly index: number;
  readonly buffer: Buffer;
  /** Parts that are filled: sorted, apart from each other. */
  filled: readonly Range[];
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Gathers what comes of each extent, since many writes to one are slow, and copies each byte once. An extent goes to
 * its file when it is full, when its buffer is needed for another one, or when everything is asked for.
 */
export class ExtentGatherer {
  readonly #fileNumbers = new Map<ScatteredFile, number>();
  /** Longest untouched first. */
  readonly #gathered = new Map<string, GatheredExtent>();
  readonly #free: Buffer[] = [];
  #bufferCount = 0;
  readonly #writing = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #waiting: PromiseWithResolvers<void>[] = [];

  /**
   * Takes bytes of a file; `bytes` may be reused once it is done.
   * @returns a promise only when there is something to wait for: back-pressure. It rejects when a write has failed
   */
  write(file: ScatteredFile, offset: number, bytes: Buffer): Promise<void> | undefined {
    let at = 0;
    while (at < bytes.length) {
      if (this.#failure) return Promise.reject(this.#failure.error);
      const index = Math.floor((offset + at) / fileExtentBytes);
      const extent = this.#extent(file, index);
      if (!extent) return this.#room().then(() => this.write(file, offset + at, bytes.subarray(at)));
      const start = offset + at - index * fileExtentBytes;
      const end = Math.min(fileExtentBytes, start + bytes.length - at);
      bytes.copy(extent.buffer, start, at, at + end - start);
      extent.filled = withRange(extent.filled, { start, end });
      at += end - start;
      if (extent.filled[0]?.start === 0 && extent.filled[0].end === fileExtentBytes) this.#release(extent);
    }
    return undefined;
  }

  /** Gives everything to the files. */
  async flush(): Promise<void> {
    for (const extent of this.#gathered.values()) this.#release(extent);
    await Promise.all(this.#writing);
    if (this.#failure) throw this.#failure.error;
  }

  /** Takes nothing any more: every call is refused with `reason`, those that wait, too. */
  abandon(reason: unknown): void {
    this.#failure ??= { error: reason };
    this.#gathered.clear();
    this.#wakeUp();
  }

  /** Undefined when there is no buffer for it yet. */
  #extent(file: ScatteredFile, index: number): GatheredExtent | undefined {
    const number = this.#fileNumbers.get(file) ?? this.#fileNumbers.size;
    this.#fileNumbers.set(file, number);
    const key = `${number}/${index}`;
    const known = this.#gathered.get(key);
    if (known) this.#gathered.delete(key);
    const buffer = known?.buffer ?? this.#takeBuffer();
    if (!buffer) return undefined;
    const extent = known ?? { key, file, index, buffer, filled: [] };
    this.#gathered.set(key, extent);
    return extent;
  }

  #takeBuffer(): Buffer | undefined {
    const free = this.#free.pop();
    if (free) return free;
    if (this.#bufferCount === maxBuffers) return undefined;
    this.#bufferCount += 1;
    return Buffer.allocUnsafeSlow(fileExtentBytes);
  }

  /** Resolves once a write is done. */
  async #room(): Promise<void> {
    const [oldest] = this.#gathered.values();
    if (this.#writing.size === 0 && oldest) this.#release(oldest);
    const waiting = Promise.withResolvers<void>();
    this.#waiting.push(waiting);
    await waiting.promise;
  }

  #release(extent: GatheredExtent): void {
    this.#gathered.delete(extent.key);
    const parts = extent.filled.map(({ start, end }) => ({ offset: start, bytes: extent.buffer.subarray(start, end) }));
    const writing = extent.file
      .write(extent.index, parts)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#writing.delete(writing);
        this.#free.push(extent.buffer);
        this.#wakeUp();
      });
    this.#writing.add(writing);
  }

  #wakeUp(): void {
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (this.#failure) reject(this.#failure.error);
      else resolve();
    }
  }
}

/** Most bytes follow on what is there: the common case is quick. */
function withRange(ranges: readonly Range[], added: Range): readonly Range[] {
  const last = ranges.at(-1);
  if (!last || added.start > last.end) return [...ranges, added];
  if (added.start >= last.start) {
    return [...ranges.slice(0, -1), { start: last.start, end: Math.max(last.end, added.end) }];
  }
  const apart = ranges.filter(({ start, end }) => end < added.start || start > added.end);
  const joined = ranges.filter((range) => !apart.includes(range));
  const start = Math.min(added.start, ...joined.map((range) => range.start));
  const end = Math.max(added.end, ...joined.map((range) => range.end));
  return [...apart, { start, end }].sort((one, other) => one.start - other.start);
}
