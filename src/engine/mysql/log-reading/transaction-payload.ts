import { finished } from "node:stream/promises";
import { createZstdDecompress } from "node:zlib";
import type { BodyChoice, EventBody } from "../binlog/event-scanner.ts";
import { eventHeaderBytes, readEventHeader } from "../binlog/event-header.ts";
import { readPacked } from "./table-map.ts";

/** What stands before the events: fields of a type, a length and a value; then one of type 0, without a length. */
const field = { end: 0, compression: 2 } as const;
const noCompression = 255;
const longestHead = 64;

/** Events that are compressed together: the bodies of all of them go to the same readers as if they were not. */
export class TransactionPayload {
  readonly #events: ContainedEvents;
  #head: Buffer | undefined = Buffer.alloc(0);
  #decompress: ReturnType<typeof createZstdDecompress> | undefined;
  #failure: unknown;

  constructor(bodies: BodyChoice) {
    this.#events = new ContainedEvents(bodies);
  }

  /** @throws {RangeError} or another error when it is malformed */
  async write(bytes: Buffer): Promise<void> {
    const rest = this.#head ? this.#readHead(this.#head, bytes) : bytes;
    if (rest.length === 0) return;
    const decompress = this.#decompress;
    if (!decompress) return this.#events.feed(rest);
    await new Promise<void>((resolve) => {
      // When it fails, it is closed, and calls nobody back.
      decompress.once("close", resolve);
      decompress.write(rest, () => {
        decompress.removeListener("close", resolve);
        resolve();
      });
    });
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** @throws as `write` */
  async end(): Promise<void> {
    const decompress = this.#decompress;
    if (decompress) {
      decompress.end();
      await finished(decompress, { error: false });
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#events.end();
  }

  /** @returns what of the bytes is behind the head */
  #readHead(before: Buffer, bytes: Buffer): Buffer {
    const head = Buffer.concat([before, bytes.subarray(0, longestHead)]);
    const read = tryReadHead(head);
    if (!read) {
      if (head.length > longestHead) throw new RangeError("a compressed transaction without an end of its head");
      this.#head = head;
      return Buffer.alloc(0);
    }
    this.#head = undefined;
    if (read.isCompressed) this.#decompress = this.#decompressor();
    return bytes.subarray(read.endsAt - before.length);
  }

  #decompressor(): ReturnType<typeof createZstdDecompress> {
    const decompress = createZstdDecompress();
    decompress.on("error", (error) => {
      this.#failure ??= error;
    });
    decompress.on("data", (part: Buffer) => {
      try {
        this.#events.feed(part);
      } catch (error) {
        this.#failure ??= error;
      }
    });
    return decompress;
  }
}

/** Undefined: it is not all there. */
function tryReadHead(head: Buffer): { readonly isCompressed: boolean; readonly endsAt: number } | undefined {
  let isCompressed = true;
  try {
    for (let at = 0; ; ) {
      const [kind, lengthAt] = readPacked(head, at);
      if (kind === field.end) return { isCompressed, endsAt: lengthAt };
      const [length, valueAt] = readPacked(head, lengthAt);
      if (kind === field.compression) isCompressed = readPacked(head, valueAt)[0] !== noCompression;
      at = valueAt + length;
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Takes events apart that come without checksums. */
class ContainedEvents {
  readonly #bodies: BodyChoice;
  #head: Buffer = Buffer.alloc(0);
  #bodyLeft = 0;
  #reader: EventBody | undefined;

  constructor(bodies: BodyChoice) {
    this.#bodies = bodies;
  }

  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#bodyLeft > 0) {
        const part = bytes.subarray(at, at + this.#bodyLeft);
        this.#reader?.take(part);
        this.#bodyLeft -= part.length;
        at += part.length;
        if (this.#bodyLeft === 0) this.#endEvent();
      } else {
        const part = bytes.subarray(at, at + eventHeaderBytes - this.#head.length);
        this.#head = Buffer.concat([this.#head, part]);
        at += part.length;
        if (this.#head.length === eventHeaderBytes) this.#beginEvent(this.#head);
      }
    }
  }

  end(): void {
    if (this.#head.length > 0 || this.#bodyLeft > 0)
      throw new RangeError("a compressed transaction that ends too soon");
  }

  #beginEvent(head: Buffer): void {
    const event = readEventHeader(head);
    if (event.sizeBytes < eventHeaderBytes) throw new RangeError(`an event of ${event.sizeBytes} bytes`);
    this.#head = Buffer.alloc(0);
    this.#bodyLeft = event.sizeBytes - eventHeaderBytes;
    this.#reader = this.#bodies(event);
    if (this.#bodyLeft === 0) this.#endEvent();
  }

  #endEvent(): void {
    this.#reader?.end();
    this.#reader = undefined;
  }
}
