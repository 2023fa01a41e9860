import { BtarError } from "../../domain/errors.ts";
import { formatLsn, type Lsn, walSegmentStart } from "../../domain/lsn.ts";
import { RecordBytes } from "./record-bytes.ts";
import { microsFromTimestamp } from "./wal-message.ts";

/** The end of a transaction, as its record in the WAL says. */
export interface TransactionEnd {
  readonly kind: "commit" | "abort";
  /** COMMIT PREPARED or ROLLBACK PREPARED of a two-phase transaction. */
  readonly isPrepared: boolean;
  /** First byte of the record. */
  readonly start: Lsn;
  /** Where the next record may begin, as `pg_walinspect` says it too. */
  readonly end: Lsn;
  /** When the server took the decision, by its clock: microseconds since 1970. */
  readonly atMicros: bigint;
}

/** A record of the WAL, whole. */
export interface WalRecord {
  /** First byte of it, and where the next record may begin. */
  readonly start: Lsn;
  readonly end: Lsn;
  /** With its header, without padding; valid until the next call. */
  readonly bytes: Buffer;
  /** Of the pages it lies on: tells the server's major version. */
  readonly pageMagic: number;
}

/** Whoever reads records themselves, of some resource managers. */
export interface WalRecordReader {
  /** @param resource number of a resource manager, as in rmgrlist.h */
  readonly wants: (resource: number) => boolean;
  readonly take: (record: WalRecord) => void;
}

export interface WalScannerOptions {
  /** Position of the first byte that will be fed. */
  readonly start: Lsn;
  /** The server's `wal_segment_size`. */
  readonly segmentBytes: number;
  /** What malformed WAL means: SERVER_PROTOCOL as a server sends it, OBJECT_DAMAGED as it is stored. */
  readonly damageCode: "SERVER_PROTOCOL" | "OBJECT_DAMAGED";
  readonly onTransactionEnd?: (end: TransactionEnd) => void;
  readonly records?: WalRecordReader;
}

const pageBytes = 8192;
const pageHeaderBytes = 24;
/** The first page of a segment tells more. */
const longPageHeaderBytes = 40;
const recordHeaderBytes = 24;
const maxRecordBytes = 0x3fff_ffff;
/** A transaction's end is told within this: header, origin (3), top-level transaction (5), length (5), time (8). */
const recordHeadBytes = recordHeaderBytes + 3 + 5 + 5 + 8;

// Flags of a page, and what begins a part of a record: src/include/access/xlog_internal.h, xlogrecord.h
const firstIsContinuation = 0x0001;
const isLongHeader = 0x0002;
const firstIsOverwrittenContinuation = 0x0008;
const dataShort = 255;
const dataLong = 254;
const origin = 253;
const topLevelTransaction = 252;

// Kinds of records: rmgrlist.h, pg_control.h, xact.h
const xlogResource = 0;
const transactionResource = 1;
const switchSegment = 0x40;
const endByOperation: ReadonlyMap<number, Pick<TransactionEnd, "kind" | "isPrepared">> = new Map([
  [0x00, { kind: "commit", isPrepared: false }],
  [0x20, { kind: "abort", isPrepared: false }],
  [0x30, { kind: "commit", isPrepared: true }],
  [0x40, { kind: "abort", isPrepared: true }],
]);

/**
 * Finds the ends of transactions in WAL of PostgreSQL 14 to 18 (little-endian servers). It is fed with consecutive
 * bytes of one timeline, in pieces of any size, from any position: it finds the first record that begins on the first
 * page that it sees the beginning of. Records are passed over by their length; only those of transactions are read.
 *
 * @see https://www.postgresql.org/docs/current/wal-internals.html
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/access/xlogrecord.h
 */
export class WalScanner {
  readonly #options: WalScannerOptions;
  /** Positions below are bytes from here on, the beginning of a segment, as plain numbers. */
  readonly #base: Lsn;
  /** The beginning of a page header or of a record that is not all there yet. */
  readonly #pageHead = new PartialHead();
  readonly #recordHead = new PartialHead();
  #position: number;
  /** Bytes without records that come next. */
  #skipBytes: number;
  #isSynchronized = false;
  #pageMagic = 0;
  /** Where the current record began. */
  #recordStart = 0;
  /** What is left of the current record with its padding to 8 bytes, once its head is known. */
  #recordLeft = 0;
  #recordPadding = 0;
  #transactionEnd: TransactionEnd | undefined;
  #endsSegment = false;
  /** Of the current record, when somebody reads it. */
  #body: RecordBytes | undefined;
  readonly #recordBytes = new RecordBytes();

  constructor(options: WalScannerOptions) {
    this.#options = options;
    this.#base = walSegmentStart(options.start, options.segmentBytes);
    this.#position = Number(options.start - this.#base);
    this.#skipBytes = (pageBytes - (this.#position % pageBytes)) % pageBytes;
  }

  /** Position of the byte that is to be fed next. */
  get position(): Lsn {
    return this.#lsn(this.#position);
  }

  /** @throws {BtarError} the `damageCode`, with the position, when the bytes cannot be WAL of this position */
  feed(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let offset = 0; offset < bytes.length; ) {
      const pageOffset = this.#position % pageBytes;
      const inPage = Math.min(pageBytes - pageOffset, bytes.length - offset);
      let taken: number;
      if (this.#skipBytes > 0) {
        taken = Math.min(this.#skipBytes, bytes.length - offset);
        this.#skipBytes -= taken;
      } else if (pageOffset < this.#headerBytesAt(this.#position - pageOffset))
        taken = this.#takePageHeader(view, offset, inPage);
      else taken = this.#takeRecords(view, offset, inPage);
      offset += taken;
      this.#position += taken;
    }
  }

  /** @returns the number of bytes taken */
  #takePageHeader(view: DataView, offset: number, available: number): number {
    const pageStart = this.#position - (this.#position % pageBytes);
    const wanted = this.#headerBytesAt(pageStart);
    if (available >= wanted && this.#pageHead.length === 0) {
      this.#beginPage(view, offset, pageStart);
      return wanted;
    }
    const taken = Math.min(available, wanted - this.#pageHead.length);
    this.#pageHead.add(view, offset, taken);
    if (this.#pageHead.length === wanted) {
      this.#pageHead.length = 0;
      this.#beginPage(this.#pageHead.view, 0, pageStart);
    }
    return taken;
  }

  #beginPage(view: DataView, at: number, pageStart: number): void {
    const magic = view.getUint16(at, true);
    const flags = view.getUint16(at + 2, true);
    const continuationBytes = view.getUint32(at + 16, true);
    const bodyBytes = pageBytes - this.#headerBytesAt(pageStart);
    // Behind a switch to the next segment, pages are zeros, their headers too.
    if (!this.#isSynchronized && magic === 0 && view.getBigUint64(at + 8, true) === 0n) this.#skipBytes = bodyBytes;
    else {
      this.#checkPage(view, at, pageStart);
      const isContinuation = (flags & firstIsContinuation) !== 0;
      if (this.#isSynchronized) this.#continueRecord(flags, isContinuation ? continuationBytes : 0, pageStart);
      else if (!isContinuation) this.#isSynchronized = true;
      else if (padded(continuationBytes) >= bodyBytes) this.#skipBytes = bodyBytes;
      else {
        this.#skipBytes = padded(continuationBytes);
        this.#isSynchronized = true;
      }
    }
  }

  #checkPage(view: DataView, at: number, pageStart: number): void {
    const magic = view.getUint16(at, true);
    this.#pageMagic ||= magic;
    const address = view.getBigUint64(at + 8, true);
    if (magic !== this.#pageMagic || address !== this.#lsn(pageStart)) {
      throw this.#damaged(pageStart, `the page says that it is ${formatLsn(address)}`);
    }
    const isLong = (view.getUint16(at + 2, true) & isLongHeader) !== 0;
    if (isLong !== (pageStart % this.#options.segmentBytes === 0)) {
      throw this.#damaged(pageStart, "the page header is of the wrong length");
    }
    if (!isLong) return;
    const segmentBytes = view.getUint32(at + 32, true);
    const blockBytes = view.getUint32(at + 36, true);
    if (segmentBytes !== this.#options.segmentBytes || blockBytes !== pageBytes) {
      throw this.#damaged(pageStart, `the segment says that it has ${segmentBytes} bytes in blocks of ${blockBytes}`);
    }
  }

  /** A record that does not fit on its page goes on after the header of the next one. */
  #continueRecord(flags: number, continuationBytes: number, pageStart: number): void {
    const { length } = this.#recordHead;
    const missing =
      length > 0 ? this.#recordHead.view.getUint32(0, true) - length : this.#recordLeft - this.#recordPadding;
    if (missing > 0 && (flags & firstIsOverwrittenContinuation) !== 0) {
      // The server crashed before it had written the rest: the record does not count.
      this.#recordLeft = 0;
      this.#recordHead.length = 0;
      this.#transactionEnd = undefined;
      this.#body = undefined;
    } else if (Math.max(0, missing) !== continuationBytes) {
      throw this.#damaged(pageStart, `the record before the page goes on for ${continuationBytes} bytes`);
    }
  }

  /** @returns the number of bytes taken */
  #takeRecords(view: DataView, offset: number, available: number): number {
    const end = offset + available;
    let at = offset;
    while (at < end && this.#skipBytes === 0) {
      if (this.#recordLeft > 0) {
        const step = Math.min(this.#recordLeft, end - at);
        this.#body?.add(view, at, step);
        this.#recordLeft -= step;
        at += step;
      } else if (this.#recordHead.length === 0) {
        this.#recordStart = this.#position + at - offset;
        if (end - at >= recordHeadBytes) this.#beginRecord(view, at, 0);
        else at += this.#collectRecordHead(view, at, end);
      } else at += this.#collectRecordHead(view, at, end);
      const isEnded = this.#recordLeft === 0 && this.#recordHead.length === 0;
      if (isEnded) this.#endRecord(this.#position + at - offset);
    }
    return at - offset;
  }

  /** Collects what of a record's beginning has come in parts: the header, and more when it tells of a transaction. */
  #collectRecordHead(view: DataView, at: number, end: number): number {
    const head = this.#recordHead;
    const isHeaderKnown = head.length >= recordHeaderBytes;
    const wanted = isHeaderKnown ? Math.min(recordHeadBytes, head.view.getUint32(0, true)) : recordHeaderBytes;
    const taken = Math.min(end - at, wanted - head.length);
    head.add(view, at, taken);
    if (head.length < wanted) return taken;
    const isAllKnown = isHeaderKnown || head.view.getUint8(17) !== transactionResource;
    if (isAllKnown || head.view.getUint32(0, true) <= recordHeaderBytes) {
      const { length } = head;
      head.length = 0;
      this.#beginRecord(head.view, 0, length);
    }
    return taken;
  }

  /** @param taken bytes of the record that were taken already */
  #beginRecord(view: DataView, at: number, taken: number): void {
    const totalBytes = view.getUint32(at, true);
    if (totalBytes < recordHeaderBytes || totalBytes > maxRecordBytes) {
      throw this.#damaged(this.#recordStart, `a record of ${totalBytes} bytes`);
    }
    this.#recordLeft = padded(totalBytes) - taken;
    this.#recordPadding = padded(totalBytes) - totalBytes;
    const resource = view.getUint8(at + 17);
    if (this.#options.records?.wants(resource) === true) {
      this.#body = this.#recordBytes.begin(totalBytes);
      this.#body.add(view, at, taken);
    }
    if (resource === transactionResource) this.#readTransaction(view, at, totalBytes);
    else if (resource === xlogResource) this.#endsSegment = (view.getUint8(at + 16) & 0xf0) === switchSegment;
  }

  #readTransaction(view: DataView, at: number, totalBytes: number): void {
    const ending = endByOperation.get(view.getUint8(at + 16) & 0x70);
    if (!ending) return;
    const end = Math.min(at + totalBytes, view.byteLength);
    const timeAt = mainDataOffset(view, at + recordHeaderBytes, end);
    if (timeAt === undefined || timeAt + 8 > end) {
      throw this.#damaged(this.#recordStart, `a ${ending.kind} record without a time`);
    }
    const atMicros = microsFromTimestamp(view.getBigInt64(timeAt, true));
    const start = this.#lsn(this.#recordStart);
    this.#transactionEnd = { ...ending, start, end: start, atMicros };
  }

  #endRecord(position: number): void {
    if (this.#transactionEnd) {
      this.#options.onTransactionEnd?.({ ...this.#transactionEnd, end: this.#lsn(position) });
      this.#transactionEnd = undefined;
    }
    if (this.#body) {
      const [start, end] = [this.#lsn(this.#recordStart), this.#lsn(position)];
      this.#options.records?.take({ start, end, bytes: this.#body.bytes, pageMagic: this.#pageMagic });
      this.#body = undefined;
    }
    if (this.#endsSegment) {
      const { segmentBytes } = this.#options;
      this.#skipBytes = (segmentBytes - (position % segmentBytes)) % segmentBytes;
      this.#endsSegment = false;
    }
  }

  #headerBytesAt(pageStart: number): number {
    return pageStart % this.#options.segmentBytes === 0 ? longPageHeaderBytes : pageHeaderBytes;
  }

  #lsn(position: number): Lsn {
    return this.#base + BigInt(position);
  }

  #damaged(position: number, what: string): BtarError {
    return new BtarError(this.#options.damageCode, {
      message: `the WAL at ${formatLsn(this.#lsn(position))} is malformed: ${what}`,
      hint: "take a new base backup; if it happens again, check the server's disks and memory",
      details: { position: formatLsn(this.#lsn(position)) },
    });
  }
}

/** The beginning of a structure, collected until it is whole. */
class PartialHead {
  length = 0;
  readonly #bytes = new Uint8Array(Math.max(longPageHeaderBytes, recordHeadBytes));
  readonly view = new DataView(this.#bytes.buffer);

  add(source: DataView, offset: number, count: number): void {
    this.#bytes.set(new Uint8Array(source.buffer, source.byteOffset + offset, count), this.length);
    this.length += count;
  }
}

/** Where a record's main data begins; `at` is behind its header. Records of transactions name no blocks. */
function mainDataOffset(view: DataView, at: number, end: number): number | undefined {
  switch (at < end ? view.getUint8(at) : undefined) {
    case origin:
      return mainDataOffset(view, at + 3, end);
    case topLevelTransaction:
      return mainDataOffset(view, at + 5, end);
    case dataShort:
      return at + 2;
    case dataLong:
      return at + 5;
    default:
      return undefined;
  }
}

/** Records begin at multiples of 8. */
function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
