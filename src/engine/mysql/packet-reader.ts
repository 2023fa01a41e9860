/** Head of a packet. */
export interface PacketHeader {
  /** Bytes of the payload, or of its first part when it has several (then 16777215). */
  readonly payloadBytes: number;
  /** 0 to 255: counts packets within one command. */
  readonly sequence: number;
}

const headBytes = 4;

/** A payload whose part is as long as this goes on in another packet. */
const maxPartBytes = 0xff_ff_ff;

/**
 * Cuts a MySQL connection's bytes into packets, without joining the payloads of large ones. `next` gives a head, then
 * `fragment` its payload until `isOver`; whoever asks sees nothing of a payload's division into packets of 16 MiB.
 * Each gives undefined when it needs more bytes from `feed`.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
 */
export class PacketReader {
  readonly #malformed: (what: string) => Error;
  #bytes: Buffer = Buffer.alloc(0);
  #offset = 0;
  /** Of the current part. */
  #remaining = 0;
  #sequence = 0;
  #goesOn = false;

  /** @param malformed makes the error to throw when the bytes are no packets */
  constructor(malformed: (what: string) => Error) {
    this.#malformed = malformed;
  }

  /** Whether the current packet's payload was given whole. */
  get isOver(): boolean {
    return this.#remaining === 0 && !this.#goesOn;
  }

  /** Gives the next bytes, once one of the others asked for them. They must stay as they are until it asks again. */
  feed(bytes: Buffer): void {
    const left = this.#bytes.subarray(this.#offset); // a part of a head at most
    this.#bytes = left.length === 0 ? bytes : Buffer.concat([left, bytes]);
    this.#offset = 0;
  }

  /** Begins the next packet. */
  next(): PacketHeader | undefined {
    if (!this.isOver) throw new Error("the payload of the last packet was not read");
    const header = this.#header();
    if (!header) return undefined;
    this.#begin(header);
    return header;
  }

  /** The next part of the payload, at most `maxBytes` and at least one, as it was fed. Undefined, too, when it is over. */
  fragment(maxBytes = Number.MAX_SAFE_INTEGER): Buffer | undefined {
    if (this.#remaining === 0 && !this.#beginContinuation()) return undefined;
    const end = Math.min(this.#bytes.length, this.#offset + Math.min(this.#remaining, maxBytes));
    if (end === this.#offset) {
      this.#keepRest();
      return undefined;
    }
    const fragment = this.#bytes.subarray(this.#offset, end);
    this.#take(fragment.length);
    return fragment;
  }

  /** The next `bytes` of the payload if they lie together in what was fed; undefined takes nothing. */
  view(bytes: number): Buffer | undefined {
    if (this.#remaining < bytes || this.#bytes.length - this.#offset < bytes) return undefined;
    const view = this.#bytes.subarray(this.#offset, this.#offset + bytes);
    this.#take(bytes);
    return view;
  }

  #take(bytes: number): void {
    this.#offset += bytes;
    this.#remaining -= bytes;
    if (this.#remaining === 0) this.#beginContinuation();
  }

  /** Reads the head of the payload's next part, if there is one. */
  #beginContinuation(): boolean {
    if (!this.#goesOn) return false;
    const expected = (this.#sequence + 1) % 256;
    const header = this.#header();
    if (!header) return false;
    if (header.sequence !== expected) {
      throw this.#malformed(`a packet of number ${header.sequence} instead of ${expected}`);
    }
    this.#begin(header);
    return this.#remaining > 0;
  }

  #begin(header: PacketHeader): void {
    this.#remaining = header.payloadBytes;
    this.#sequence = header.sequence;
    this.#goesOn = header.payloadBytes === maxPartBytes;
  }

  #header(): PacketHeader | undefined {
    if (this.#bytes.length - this.#offset < headBytes) {
      this.#keepRest();
      return undefined;
    }
    const header = {
      payloadBytes: this.#bytes.readUIntLE(this.#offset, 3),
      sequence: this.#bytes.readUInt8(this.#offset + 3),
    };
    this.#offset += headBytes;
    return header;
  }

  /** What is left becomes ours: the next bytes may come in its place. */
  #keepRest(): void {
    this.#bytes = Buffer.from(this.#bytes.subarray(this.#offset));
    this.#offset = 0;
  }
}
