import type { Gtid } from "../../../domain/gtid.ts";
import { eventHeaderBytes, eventType } from "./event-header.ts";

/** What the first event of a transaction tells of it. */
export interface TransactionHead {
  /** Undefined for an anonymous transaction. */
  readonly gtid: Gtid | undefined;
  /** When this server committed it, by its clock: microseconds since 1970. */
  readonly commitMicros: number;
  /** Of all its events, this one included. */
  readonly lengthBytes: number;
}

/** 16 bytes as text. */
export function formatUuid(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

const numberAt = eventHeaderBytes + 17;
/** Behind the number: one byte, and two logical times. */
const commitTimeAt = numberAt + 8 + 1 + 16;
const microsBytes = 7;

/**
 * Reads an event that begins a transaction.
 * @param event whole, without the checksum
 * @returns undefined when it is malformed
 * @throws {RangeError} when it is malformed, too
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Gtid__event.html
 */
export function readTransactionHead(event: Buffer): TransactionHead | undefined {
  const type = event.readUInt8(4);
  if (type === eventType.taggedGtid) return readTagged(event);
  const low = event.readUIntLE(commitTimeAt, 6);
  const high = event.readUInt8(commitTimeAt + 6);
  const hasOriginalTime = high >= 0x80;
  const lengthBytes = readLength(event, commitTimeAt + microsBytes * (hasOriginalTime ? 2 : 1));
  const commitMicros = low + (high & 0x7f) * 2 ** 48;
  if (lengthBytes === undefined) return undefined;
  if (type === eventType.anonymousGtid) return { gtid: undefined, commitMicros, lengthBytes };
  const uuid = formatUuid(event.subarray(eventHeaderBytes + 1, numberAt));
  return { gtid: { uuid, tag: "", number: event.readBigInt64LE(numberAt) }, commitMicros, lengthBytes };
}

/** MySQL's length-encoded integer. */
function readLength(bytes: Buffer, at: number): number | undefined {
  const first = bytes.readUInt8(at);
  if (first < 0xfb) return first;
  if (first === 0xfc) return bytes.readUInt16LE(at + 1);
  if (first === 0xfd) return bytes.readUIntLE(at + 1, 3);
  return first === 0xfe ? Number(bytes.readBigUInt64LE(at + 1)) : undefined;
}

/** Numbers of a tagged event's fields, which come in this order; later ones are of no use here. */
const taggedField = { uuid: 1, number: 2, tag: 3, commitTime: 6, length: 8 } as const;
const uuidBytes = 16;

/**
 * Reads an event of the type that holds a tag: numbered fields, of which those without news may be missing. Integers
 * take one to nine bytes; signed ones are folded so that small ones of either sign are short.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/PageLibsMysqlSerialization.html
 */
function readTagged(event: Buffer): TransactionHead | undefined {
  const fields = new FieldReader(event, eventHeaderBytes);
  const version = fields.integer();
  const sizeBytes = fields.integer();
  if (version !== 1n || sizeBytes !== BigInt(event.length - eventHeaderBytes)) return undefined;
  fields.integer(); // the last field that a reader must know
  let [uuid, tag, number, commitMicros, lengthBytes] = ["", "", 0n, 0, 0];
  for (let last = -1; !fields.isOver; ) {
    const field = Number(fields.integer());
    if (field <= last) return undefined;
    last = field;
    if (field > taggedField.length) break;
    if (field === taggedField.uuid) uuid = fields.uuid();
    else if (field === taggedField.tag) tag = fields.text();
    else if (field === taggedField.number) number = fields.signed();
    else if (field === taggedField.commitTime) commitMicros = Number(fields.integer());
    else if (field === taggedField.length) lengthBytes = Number(fields.integer());
    else fields.integer();
  }
  if (uuid === "" || lengthBytes === 0) return undefined;
  return { gtid: { uuid, tag, number }, commitMicros, lengthBytes };
}

class FieldReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The first byte's lowest bits tell by how many ones how many bytes follow; the bits above them are the number's. */
  integer(): bigint {
    const first = this.#bytes.readUInt8(this.#at);
    const following = first === 0xff ? 8 : 31 - Math.clz32((first + 1) & ~first);
    let value = 0n;
    for (let index = following; index > 0; index -= 1) {
      value = (value << 8n) | BigInt(this.#bytes.readUInt8(this.#at + index));
    }
    this.#at += following + 1;
    if (following === 8) return value;
    return (value << BigInt(7 - following)) | BigInt(first >> (following + 1));
  }

  signed(): bigint {
    const folded = this.integer();
    return (folded & 1n) === 0n ? folded >> 1n : -(folded >> 1n) - 1n;
  }

  uuid(): string {
    return formatUuid(Buffer.from(Array.from({ length: uuidBytes }, () => Number(this.integer()))));
  }

  text(): string {
    const length = Number(this.integer());
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("a text that is longer than its event");
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end;
    return text;
  }
}
