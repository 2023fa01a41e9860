/** Writes binary logs as MySQL lays them out, for tests of what reads them. */
import { crc32 } from "node:zlib";
import type { Gtid } from "../../src/domain/gtid.ts";
import { binlogMagic, eventHeaderBytes, eventType } from "../../src/engine/mysql/binlog/event-header.ts";

/** The body of a 9.7 server's format description, up to the kind of checksums. */
const formatBody = Buffer.from(
  "0400392e372e342d32000000000000000000000000000000000000000000000000000000000000000000000000000000" +
    "0000000002d1d0b6b13000d0008000000000400040000006300041a08000000000000020000000a0a0a2a2a001234000a2800",
  "hex",
);

export interface WrittenTransaction {
  readonly gtid: string;
  readonly commitMicros: number;
  readonly start: number;
  readonly end: number;
}

export interface BinlogWriterOptions {
  /** Default: true. */
  readonly hasChecksums?: boolean;
  readonly createdSeconds?: number;
  /** Body of the previous-GTIDs event. Default: the empty set. */
  readonly previousGtids?: Buffer;
}

/** One file, written event by event. */
export class BinlogWriter {
  readonly transactions: WrittenTransaction[] = [];
  readonly #parts: Buffer[] = [binlogMagic];
  readonly #hasChecksums: boolean;
  #offset = binlogMagic.length;

  constructor(options: BinlogWriterOptions = {}) {
    this.#hasChecksums = options.hasChecksums ?? true;
    const kind = Buffer.from([this.#hasChecksums ? 1 : 0]);
    this.event(eventType.formatDescription, Buffer.concat([formatBody, kind]), options.createdSeconds);
    this.event(eventType.previousGtids, options.previousGtids ?? Buffer.alloc(8));
  }

  get offset(): number {
    return this.#offset;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  event(type: number, body: Buffer, timeSeconds = 1_700_000_000): void {
    const hasSum = this.#hasChecksums || type === eventType.formatDescription;
    const event = Buffer.alloc(this.#sizeOf(body, type));
    event.writeUInt32LE(timeSeconds, 0);
    event.writeUInt8(type, 4);
    event.writeUInt32LE(1, 5);
    event.writeUInt32LE(event.length, 9);
    event.writeUInt32LE((this.#offset + event.length) % 2 ** 32, 13);
    body.copy(event, eventHeaderBytes);
    if (hasSum) event.writeUInt32LE(crc32(event.subarray(0, -4)), event.length - 4);
    this.#parts.push(event);
    this.#offset += event.length;
  }

  /** @param bodies of the events that follow on the one with the GTID */
  transaction(options: {
    readonly gtid: { readonly uuid: string; readonly tag?: string; readonly number: number };
    readonly commitMicros: number;
    readonly bodies: readonly Buffer[];
  }): void {
    const { gtid, commitMicros, bodies } = options;
    const tag = gtid.tag ?? "";
    const type = tag === "" ? eventType.gtid : eventType.taggedGtid;
    const restBytes = bodies.reduce((sum, body) => sum + this.#sizeOf(body), 0);
    const make = (lengthBytes: number) =>
      tag === ""
        ? gtidBody({ ...gtid, commitMicros, lengthBytes })
        : taggedGtidBody({ ...gtid, tag, commitMicros, lengthBytes });
    // The length counts itself, and is written in more bytes where it is larger.
    let lengthBytes = restBytes;
    while (this.#sizeOf(make(lengthBytes)) + restBytes !== lengthBytes) {
      lengthBytes = this.#sizeOf(make(lengthBytes)) + restBytes;
    }
    const start = this.#offset;
    this.event(type, make(lengthBytes));
    for (const body of bodies) this.event(rowsEvent, body);
    const name = tag === "" ? `${gtid.uuid}:${gtid.number}` : `${gtid.uuid}:${tag}:${gtid.number}`;
    this.transactions.push({ gtid: name, commitMicros, start, end: this.#offset });
  }

  rotate(nextName: string): void {
    const position = Buffer.alloc(8);
    position.writeBigUInt64LE(4n);
    this.event(eventType.rotate, Buffer.concat([position, Buffer.from(nextName)]));
  }

  #sizeOf(body: Buffer, type?: number): number {
    const hasSum = this.#hasChecksums || type === eventType.formatDescription;
    return eventHeaderBytes + body.length + (hasSum ? 4 : 0);
  }
}

/** The body of a previous-GTIDs event, in the form that has tags. */
export function previousGtidsBody(gtids: readonly Gtid[]): Buffer {
  const ofKey = new Map<string, Gtid[]>();
  for (const gtid of gtids) {
    const key = `${gtid.uuid}:${gtid.tag}`;
    ofKey.set(key, [...(ofKey.get(key) ?? []), gtid]);
  }
  const parts = [number64((1n << 56n) | (BigInt(ofKey.size) << 8n) | 1n)];
  for (const [first, ...others] of ofKey.values()) {
    if (!first) continue;
    const { uuid, tag } = first;
    parts.push(Buffer.from(uuid.replaceAll("-", ""), "hex"), Buffer.from([tag.length * 2]), Buffer.from(tag));
    const numbers = [first, ...others].map(({ number }) => number);
    parts.push(number64(BigInt(numbers.length)), ...numbers.flatMap((each) => [number64(each), number64(each + 1n)]));
  }
  return Buffer.concat(parts);
}

function number64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

const rowsEvent = 30;

interface HeadFields {
  readonly uuid: string;
  readonly number: number;
  readonly commitMicros: number;
  readonly lengthBytes: number;
}

function gtidBody({ uuid, number, commitMicros, lengthBytes }: HeadFields): Buffer {
  const head = Buffer.alloc(1 + 16 + 8 + 1 + 16 + 7);
  head.write(uuid.replaceAll("-", ""), 1, "hex");
  head.writeBigInt64LE(BigInt(number), 17);
  head.writeUInt8(2, 25);
  head.writeUIntLE(commitMicros % 2 ** 48, 42, 6);
  head.writeUInt8(Math.floor(commitMicros / 2 ** 48), 48);
  const serverVersion = Buffer.alloc(4);
  serverVersion.writeUInt32LE(90_704);
  return Buffer.concat([head, lengthEncoded(lengthBytes), serverVersion]);
}

function lengthEncoded(value: number): Buffer {
  if (value < 0xfb) return Buffer.from([value]);
  const width = value < 2 ** 16 ? 2 : 3;
  const encoded = Buffer.alloc(1 + width);
  encoded.writeUInt8(width === 2 ? 0xfc : 0xfd);
  encoded.writeUIntLE(value, 1, width);
  return encoded;
}

function taggedGtidBody(fields: HeadFields & { readonly tag: string }): Buffer {
  const uuid = [...Buffer.from(fields.uuid.replaceAll("-", ""), "hex")];
  const content = Buffer.concat([
    ...[0n, 0n, 1n, ...uuid.map(BigInt), 2n, BigInt(fields.number) * 2n, 3n, BigInt(fields.tag.length)].map(integer),
    Buffer.from(fields.tag),
    ...[4n, 2n, 5n, 4n, 6n, BigInt(fields.commitMicros), 8n, BigInt(fields.lengthBytes), 9n, 90_704n].map(integer),
  ]);
  // Version 1, the size of all with itself, and the last field that a reader must know.
  const size = [1, 2]
    .map((width) => integer(BigInt(1 + width + 1 + content.length)))
    .find((each, index) => each.length === index + 1);
  if (!size) throw new Error("a tagged GTID of that length is not written here");
  return Buffer.concat([integer(1n), size, integer(0n), content]);
}

/** As MySQL's serialization writes integers: the ones below the lowest zero count the bytes that follow. */
function integer(value: bigint): Buffer {
  for (let following = 0; following < 8; following += 1) {
    if (value >= 1n << BigInt(7 * (following + 1))) continue;
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE((value << BigInt(following + 1)) | ((1n << BigInt(following)) - 1n));
    return bytes.subarray(0, following + 1);
  }
  const bytes = Buffer.alloc(9, 0xff);
  bytes.writeBigUInt64LE(value, 1);
  return bytes;
}
