import { crc32 } from "node:zlib";
import { BtarError } from "../../../domain/errors.ts";
import type { Gtid } from "../../../domain/gtid.ts";
import type { GtidSet } from "../../../domain/gtid-set.ts";
import { binlogFileName } from "./binlog-position.ts";
import {
  artificialFlag,
  binlogMagic,
  encryptedMagic,
  type EventHeader,
  eventHeaderBytes,
  eventType,
  inUseFlag,
  readEventHeader,
} from "./event-header.ts";
import { readTransactionHead } from "./gtid-event.ts";
import { readPreviousGtids } from "./previous-gtids.ts";

/** A transaction in a binary log; a statement that commits by itself is one, too. */
export interface BinlogTransaction {
  /** Undefined for an anonymous one. */
  readonly gtid: Gtid | undefined;
  /** When the server committed it, by its clock: microseconds since 1970. */
  readonly commitMicros: number;
  /** Bytes of the file from the first of its events on, and up to the end of the last. */
  readonly start: number;
  readonly end: number;
}

/** What a file says of itself at its beginning. */
export interface BinlogDescription {
  /** Such as `9.7.4`. */
  readonly serverVersion: string;
  /** Seconds since 1970. */
  readonly createdSeconds: number;
  readonly hasChecksums: boolean;
}

/** Takes the body of an event: what lies between its head and its checksum. */
export interface EventBody {
  /** In parts of any size; they are valid during the call. */
  take(bytes: Buffer): void;
  end(): void;
}

/** Gives who reads the body of an event that begins; undefined: it is passed over. */
export type BodyChoice = (event: EventHeader) => EventBody | undefined;

export interface EventScannerOptions {
  /** Number of the file, for messages. */
  readonly file: number;
  /** Offset of the first byte that will be fed: 0, or the beginning of an event. */
  readonly start: number;
  /** Whether events end with a checksum, when `start` is behind the beginning of the file, which tells it. */
  readonly hasChecksums?: boolean;
  /** Compares each event with its checksum. Costs about 0.1 CPU s per GB. */
  readonly verifiesChecksums?: boolean;
  /** What a malformed file means: SERVER_PROTOCOL as a server sends it, OBJECT_DAMAGED as it is stored. */
  readonly damageCode: "SERVER_PROTOCOL" | "OBJECT_DAMAGED";
  readonly onDescription?: (description: BinlogDescription) => void;
  /** Transactions of all earlier files. */
  readonly onPreviousGtids?: (gtids: GtidSet) => void;
  /** Called when the last byte of a transaction was fed. */
  readonly onTransaction?: (transaction: BinlogTransaction) => void;
  readonly bodies?: BodyChoice;
}

/** Bodies of the events that are read; those of previous GTIDs may be longer. */
const maxReadBytes = 4096;
const maxPreviousGtidsBytes = 64 * 1024 * 1024;
const checksumBytes = 4;

/** In a format description: version of the layout (2), server version (50), time (4), and so on up to the checksum. */
const serverVersionAt = eventHeaderBytes + 2;
const serverVersionBytes = 50;
const layoutVersion = 4;
/** Its last byte before the checksum, which it always has: 0 none, 1 CRC32. */
const algorithmFromEnd = checksumBytes + 1;
const shortestDescriptionBytes = serverVersionAt + serverVersionBytes + 4 + 1 + algorithmFromEnd;

const flagsAt = 17;
const endsAtModulus = 2 ** 32;

/**
 * Finds the events and transactions of one binary log. It is fed with the file's consecutive bytes, in pieces of any
 * size; bodies of events are passed over, but for the few that tell of the file or begin a transaction.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html
 */
export class EventScanner {
  readonly #options: EventScannerOptions;
  /** Of the next byte to be fed. */
  #offset: number;
  #hasChecksums: boolean;
  /** Magic bytes that are still to come. */
  #magicLeft: number;
  /** A header that has come in part. */
  readonly #head = Buffer.alloc(eventHeaderBytes);
  #headBytes = 0;
  /** The event that the next byte belongs to. */
  #event: EventHeader | undefined;
  #eventStart = 0;
  #eventEnd = 0;
  /** The whole event as far as it has come, for those that are read. */
  #body: Buffer[] | undefined;
  #reader: EventBody | undefined;
  #sum = 0;
  #sumRead = 0;
  #transaction: BinlogTransaction | undefined;
  #settledOffset: number;

  constructor(options: EventScannerOptions) {
    this.#options = options;
    this.#offset = options.start;
    this.#settledOffset = options.start;
    this.#magicLeft = Math.max(0, binlogMagic.length - options.start);
    this.#hasChecksums = options.hasChecksums ?? false;
    this.#eventEnd = Math.max(binlogMagic.length, options.start);
  }

  /** Offset of the byte that is to be fed next. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether that byte begins an event. */
  get isBetweenEvents(): boolean {
    return this.#event === undefined && this.#headBytes === 0 && this.#magicLeft === 0;
  }

  /** Offset up to which everything is whole: transactions, and events between them. */
  get settledOffset(): number {
    return this.#settledOffset;
  }

  /** The transaction that is not all there yet. */
  get openTransaction(): BinlogTransaction | undefined {
    return this.#transaction;
  }

  /** @throws {BtarError} the `damageCode`, with the position, when the bytes cannot be those of the file there */
  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      let taken: number;
      if (this.#magicLeft > 0) taken = this.#takeMagic(bytes, at);
      else if (this.#event) taken = this.#takeBody(bytes, at, this.#event);
      else taken = this.#takeHeader(bytes, at);
      at += taken;
    }
  }

  #takeMagic(bytes: Buffer, at: number): number {
    const from = binlogMagic.length - this.#magicLeft;
    const taken = Math.min(this.#magicLeft, bytes.length - at);
    const part = bytes.subarray(at, at + taken);
    if (!part.equals(binlogMagic.subarray(from, from + taken))) {
      const isEncrypted = part.equals(encryptedMagic.subarray(from, from + taken));
      throw this.#damaged(from, isEncrypted ? "it is encrypted" : "it does not begin like a binary log");
    }
    this.#magicLeft -= taken;
    this.#offset += taken;
    return taken;
  }

  #takeHeader(bytes: Buffer, at: number): number {
    const available = bytes.length - at;
    if (this.#headBytes === 0 && available >= eventHeaderBytes) {
      this.#begin(readEventHeader(bytes, at), bytes.subarray(at, at + eventHeaderBytes));
      return eventHeaderBytes;
    }
    const taken = Math.min(available, eventHeaderBytes - this.#headBytes);
    bytes.copy(this.#head, this.#headBytes, at, at + taken);
    this.#headBytes += taken;
    this.#offset += taken;
    if (this.#headBytes < eventHeaderBytes) return taken;
    this.#offset -= eventHeaderBytes;
    this.#headBytes = 0;
    this.#begin(readEventHeader(this.#head), this.#head);
    return taken;
  }

  #begin(event: EventHeader, head: Buffer): void {
    const start = this.#offset;
    const end = start + event.sizeBytes;
    const isFirst = start === binlogMagic.length;
    const isDescription = event.type === eventType.formatDescription;
    if (event.sizeBytes < eventHeaderBytes + (this.#hasChecksums ? checksumBytes : 0)) {
      throw this.#damaged(start, `an event of ${event.sizeBytes} bytes`);
    }
    if (event.endsAt !== end % endsAtModulus) {
      throw this.#damaged(start, `an event of ${event.sizeBytes} bytes that says that it ends at ${event.endsAt}`);
    }
    if (isFirst !== isDescription) {
      throw this.#damaged(start, isFirst ? "it does not begin with its format" : "its format is told in the middle");
    }
    if ((event.flags & artificialFlag) !== 0) throw this.#damaged(start, "an event that is in no file");
    this.#checkTransaction(event, start, end);
    this.#event = event;
    this.#eventStart = start;
    this.#eventEnd = end;
    this.#body = this.#isRead(event) ? [Buffer.from(head)] : undefined;
    this.#reader = this.#options.bodies?.(event);
    if (this.#options.verifiesChecksums === true) this.#sum = crc32(isDescription ? withoutInUse(head) : head);
    this.#sumRead = 0;
    this.#offset += eventHeaderBytes;
    if (this.#offset === end) this.#end(event);
  }

  /** The length that a transaction's first event tells must end with one of its events. */
  #checkTransaction(event: EventHeader, start: number, end: number): void {
    const open = this.#transaction;
    if (open && (end > open.end || beginsTransaction(event.type))) {
      throw this.#damaged(start, `an event of type ${event.type} in a transaction that ends at ${open.end}`);
    }
  }

  /** Whether the event's body is looked at; one that is too long for its type is malformed. */
  #isRead({ type, sizeBytes }: EventHeader): boolean {
    const isPreviousGtids = type === eventType.previousGtids && this.#options.onPreviousGtids !== undefined;
    const isRead = type === eventType.formatDescription || beginsTransaction(type) || isPreviousGtids;
    const limit = isPreviousGtids ? maxPreviousGtidsBytes : maxReadBytes;
    if (isRead && sizeBytes > limit) {
      throw this.#damaged(this.#offset, `an event of type ${type} and ${sizeBytes} bytes`);
    }
    return isRead;
  }

  #takeBody(bytes: Buffer, at: number, event: EventHeader): number {
    const taken = Math.min(this.#eventEnd - this.#offset, bytes.length - at);
    const part = bytes.subarray(at, at + taken);
    if (this.#options.verifiesChecksums === true) this.#addToSum(part);
    this.#body?.push(Buffer.from(part));
    if (this.#reader) {
      const left = this.#eventEnd - (this.#hasChecksums ? checksumBytes : 0) - this.#offset;
      if (left > 0) this.#reader.take(part.subarray(0, left));
    }
    this.#offset += taken;
    if (this.#offset === this.#eventEnd) this.#end(event);
    return taken;
  }

  #addToSum(part: Buffer): void {
    const sumFrom = this.#eventEnd - checksumBytes;
    const summed = Math.max(0, Math.min(part.length, sumFrom - this.#offset));
    if (summed > 0) this.#sum = crc32(part.subarray(0, summed), this.#sum);
    for (let index = summed; index < part.length; index += 1) {
      const place = this.#offset + index - sumFrom;
      this.#sumRead = (this.#sumRead | ((part[index] ?? 0) << (8 * place))) >>> 0;
    }
  }

  #end(event: EventHeader): void {
    const start = this.#eventStart;
    this.#event = undefined;
    const body = this.#body && Buffer.concat(this.#body);
    this.#body = undefined;
    if (body) this.#read(event, start, body);
    this.#reader?.end();
    this.#reader = undefined;
    const isSummed = this.#hasChecksums || event.type === eventType.formatDescription;
    if (this.#options.verifiesChecksums === true && isSummed && this.#sum !== this.#sumRead) {
      throw this.#damaged(start, `an event of type ${event.type} does not match its checksum`);
    }
    const transaction = this.#transaction;
    if (transaction && transaction.end !== this.#offset) return;
    this.#settledOffset = this.#offset;
    this.#transaction = undefined;
    if (transaction) this.#options.onTransaction?.(transaction);
  }

  #read({ type }: EventHeader, start: number, event: Buffer): void {
    try {
      if (type === eventType.formatDescription) this.#readDescription(event);
      else if (type === eventType.previousGtids) this.#readPreviousGtids(event);
      else this.#readTransaction(start, event);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw this.#damaged(start, `an event of type ${type} that is too short`);
    }
  }

  #readDescription(event: Buffer): void {
    const description = readDescription(event);
    if (!description) throw this.#damaged(this.#eventStart, "its format is none that MySQL 5.6 and later write");
    this.#hasChecksums = description.hasChecksums;
    this.#options.onDescription?.(description);
  }

  #readPreviousGtids(event: Buffer): void {
    const gtids = readPreviousGtids(this.#withoutChecksum(event).subarray(eventHeaderBytes));
    if (!gtids) throw this.#damaged(this.#eventStart, "a malformed set of earlier transactions");
    this.#options.onPreviousGtids?.(gtids);
  }

  #readTransaction(start: number, event: Buffer): void {
    const head = readTransactionHead(this.#withoutChecksum(event));
    if (!head || head.lengthBytes < event.length) throw this.#damaged(start, "a malformed beginning of a transaction");
    const { gtid, commitMicros, lengthBytes } = head;
    this.#transaction = { gtid, commitMicros, start, end: start + lengthBytes };
  }

  #withoutChecksum(event: Buffer): Buffer {
    return this.#hasChecksums ? event.subarray(0, -checksumBytes) : event;
  }

  #damaged(offset: number, what: string): BtarError {
    const { file, damageCode } = this.#options;
    const isStored = damageCode === "OBJECT_DAMAGED";
    return new BtarError(damageCode, {
      message: `binary log ${binlogFileName("", file).slice(1)} is malformed at ${offset}: ${what}`,
      hint: isStored
        ? "use the same log of another location, or another base backup"
        : "check the server's error log and disks; a new base backup starts a new recovery window",
      details: { file, offset },
    });
  }
}

/** Reads a format description event, whole; undefined when it is none. */
export function readDescription(event: Buffer): BinlogDescription | undefined {
  if (event.length < shortestDescriptionBytes || event.readUInt16LE(eventHeaderBytes) !== layoutVersion)
    return undefined;
  const algorithm = event.readUInt8(event.length - algorithmFromEnd);
  if (algorithm > 1) return undefined;
  const version = event.toString("latin1", serverVersionAt, serverVersionAt + serverVersionBytes);
  return {
    serverVersion: version.replace(/\0.*$/s, ""),
    createdSeconds: readEventHeader(event).timeSeconds,
    hasChecksums: algorithm === 1,
  };
}

function beginsTransaction(type: number): boolean {
  return type === eventType.gtid || type === eventType.anonymousGtid || type === eventType.taggedGtid;
}

/** The file's first event says that the file is in use until it is closed; its checksum does not. */
function withoutInUse(head: Buffer): Buffer {
  if (((head[flagsAt] ?? 0) & inUseFlag) === 0) return head;
  const cleared = Buffer.from(head);
  cleared[flagsAt] = (cleared[flagsAt] ?? 0) & ~inUseFlag;
  return cleared;
}
