/** Head of a protocol message. */
export interface Frame {
  /** First byte as a character, such as `d` for CopyData. */
  readonly type: string;
  readonly payloadBytes: number;
}

const headBytes = 5;

/** Messages that are held whole. The server's largest are rows and errors: kilobytes. */
const maxPayloadBytes = 64 * 1024 * 1024;

/**
 * Cuts a PostgreSQL connection's bytes into messages, without joining the payloads of large ones.
 * `next` gives a head, then `fragment` its payload until `remainingBytes` is 0. Either gives undefined when it needs
 * more bytes from `feed`.
 * @see https://www.postgresql.org/docs/current/protocol-overview.html
 */
export class FrameReader {
  readonly #malformed: (what: string) => Error;
  #bytes: Buffer = Buffer.alloc(0);
  #offset = 0;
  #remaining = 0;

  /** @param malformed makes the error to throw when the bytes are no messages */
  constructor(malformed: (what: string) => Error) {
    this.#malformed = malformed;
  }

  /** Bytes of the current message's payload that `fragment` has not given yet. */
  get remainingBytes(): number {
    return this.#remaining;
  }

  /** Gives the next bytes, once `next` or `fragment` asked for them. They must stay as they are until it asks again. */
  feed(bytes: Buffer): void {
    const left = this.#bytes.subarray(this.#offset); // a part of a head at most
    this.#bytes = left.length === 0 ? bytes : Buffer.concat([left, bytes]);
    this.#offset = 0;
  }

  next(): Frame | undefined {
    if (this.#remaining > 0) throw new Error("the payload of the last message was not read");
    if (this.#bytes.length - this.#offset < headBytes) {
      this.#bytes = Buffer.from(this.#bytes.subarray(this.#offset)); // ours: the next bytes may come in its place
      this.#offset = 0;
      return undefined;
    }
    const type = String.fromCharCode(this.#bytes.readUInt8(this.#offset));
    const payloadBytes = this.#bytes.readInt32BE(this.#offset + 1) - 4;
    if (!/[A-Za-z0-9]/.test(type)) throw this.#malformed(`a message of type ${JSON.stringify(type)}`);
    if (payloadBytes < 0 || (type !== "d" && payloadBytes > maxPayloadBytes)) {
      throw this.#malformed(`a message of type ${type} and length ${payloadBytes}`);
    }
    this.#offset += headBytes;
    this.#remaining = payloadBytes;
    return { type, payloadBytes };
  }

  /** The next part of the payload, at most `maxBytes`, as it was fed. */
  fragment(maxBytes: number = this.#remaining): Buffer | undefined {
    const end = Math.min(this.#bytes.length, this.#offset + Math.min(this.#remaining, maxBytes));
    if (end === this.#offset) return undefined;
    const fragment = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    this.#remaining -= fragment.length;
    return fragment;
  }
}
