const firstBufferBytes = 8192;

/** A record of the WAL, collected until it is whole. Its memory is used again. */
export class RecordBytes {
  #buffer = Buffer.alloc(firstBufferBytes);
  #length = 0;
  #wanted = 0;

  begin(totalBytes: number): this {
    this.#length = 0;
    this.#wanted = totalBytes;
    return this;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** What lies behind the record's length is its padding. */
  add(source: DataView, offset: number, count: number): void {
    const taken = Math.min(count, this.#wanted - this.#length);
    if (taken <= 0) return;
    if (this.#length + taken > this.#buffer.length) this.#grow(this.#length + taken);
    this.#buffer.set(new Uint8Array(source.buffer, source.byteOffset + offset, taken), this.#length);
    this.#length += taken;
  }

  #grow(least: number): void {
    const buffer = Buffer.alloc(Math.max(least, 2 * this.#buffer.length));
    buffer.set(this.bytes);
    this.#buffer = buffer;
  }
}
