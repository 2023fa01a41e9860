/** Numbers of resource managers: rmgrlist.h. */
export const resource = { xlog: 0, transaction: 1, storage: 2, standby: 8, heap2: 9, heap: 10 } as const;

/** What of a record whoever counts changes needs. */
export interface RecordContent {
  readonly resource: number;
  /** Which operation of the resource manager, with its flags. */
  readonly info: number;
  /** Number of the transaction, or subtransaction; 0: none. */
  readonly xid: number;
  /** The relation of its first block: `TABLESPACE/DATABASE/FILE`; undefined: it names no block. */
  readonly relation: string | undefined;
  readonly data: Buffer;
}

const headerBytes = 24;

// What begins the parts of a record: xlogrecord.h
const maxBlockId = 32;
const topLevelTransaction = 252;
const origin = 253;
const dataLong = 254;
const dataShort = 255;
const hasImage = 0x10;
const sameRelation = 0x80;
const imageHasHole = 0x01;
const locatorBytes = 12;

/** From PostgreSQL 15 on, flags of images tell how they are compressed. */
const magicOf15 = 0xd110;
const compressedBefore15 = 0x02;
const compressedSince15 = 0x04 | 0x08 | 0x10;

/**
 * Takes a record apart.
 * @param record whole, with its header
 * @param pageMagic of the page it lies on
 * @returns undefined when it is malformed
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/access/xlogrecord.h
 */
export function readRecord(record: Buffer, pageMagic: number): RecordContent | undefined {
  const compressed = pageMagic < magicOf15 ? compressedBefore15 : compressedSince15;
  let relation: string | undefined;
  let at = headerBytes;
  /** Of images and data behind the heads. */
  let partBytes = 0;
  let dataBytes = 0;
  while (record.length - at > partBytes) {
    const id = record.readUInt8(at);
    if (id === dataShort || id === dataLong) {
      dataBytes = id === dataShort ? record.readUInt8(at + 1) : record.readUInt32LE(at + 1);
      at += id === dataShort ? 2 : 5;
      partBytes += dataBytes;
      break; // by convention it is the last
    } else if (id === origin) at += 3;
    else if (id === topLevelTransaction) at += 5;
    else if (id > maxBlockId) return undefined;
    else {
      const flags = record.readUInt8(at + 1);
      partBytes += record.readUInt16LE(at + 2);
      at += 4;
      if ((flags & hasImage) !== 0) {
        partBytes += record.readUInt16LE(at);
        const image = record.readUInt8(at + 4);
        at += (image & imageHasHole) !== 0 && (image & compressed) !== 0 ? 7 : 5;
      }
      if ((flags & sameRelation) === 0) {
        relation ??= readRelation(record, at);
        at += locatorBytes;
      }
      at += 4; // number of the block
    }
  }
  if (record.length - at !== partBytes) return undefined;
  return {
    resource: record.readUInt8(17),
    info: record.readUInt8(16),
    xid: record.readUInt32LE(4),
    relation,
    data: record.subarray(record.length - dataBytes),
  };
}

/** A relation's files, as they are named in a data directory: tablespace, database (0: shared), number of the file. */
export function readRelation(bytes: Buffer, at: number): string {
  return `${bytes.readUInt32LE(at)}/${bytes.readUInt32LE(at + 4)}/${bytes.readUInt32LE(at + 8)}`;
}

/** What the end of a transaction tells, beside its time. */
export interface TransactionOutcome {
  /** Number of the prepared transaction that it ends; undefined: it ends its own. */
  readonly preparedXid: number | undefined;
  readonly subtransactions: readonly number[];
  /** Relations whose files go. */
  readonly dropped: readonly string[];
}

// xact.h: what follows the time, by flags
const hasInfo = 0x80;
const hasDatabase = 1 << 0;
const hasSubtransactions = 1 << 1;
const hasRelations = 1 << 2;
const hasInvalidations = 1 << 3;
const hasTwoPhase = 1 << 4;
const hasStatistics = 1 << 8;
const invalidationBytes = 16;
/** In PostgreSQL 18 an object of statistics has 64 bits to its name. */
const magicOf18 = 0xd118;

/**
 * Reads the main data of a commit or abort.
 * @throws {RangeError} when it is malformed
 */
export function readOutcome({ info, data }: RecordContent, pageMagic: number): TransactionOutcome {
  const flags = (info & hasInfo) === 0 ? 0 : data.readUInt32LE(8);
  let at = (info & hasInfo) === 0 ? 8 : 12;
  const list = <T>(isThere: boolean, itemBytes: number, read: (itemAt: number) => T): T[] => {
    if (!isThere) return [];
    const count = data.readInt32LE(at);
    if (count < 0 || at + 4 + count * itemBytes > data.length) throw new RangeError("a list that is too long");
    const from = at + 4;
    at = from + count * itemBytes;
    return Array.from({ length: count }, (_, index) => read(from + index * itemBytes));
  };
  if ((flags & hasDatabase) !== 0) at += 8;
  const subtransactions = list((flags & hasSubtransactions) !== 0, 4, (itemAt) => data.readUInt32LE(itemAt));
  const dropped = list((flags & hasRelations) !== 0, locatorBytes, (itemAt) => readRelation(data, itemAt));
  list((flags & hasStatistics) !== 0, pageMagic < magicOf18 ? 12 : 16, () => undefined);
  list((flags & hasInvalidations) !== 0, invalidationBytes, () => undefined);
  const preparedXid = (flags & hasTwoPhase) === 0 ? undefined : data.readUInt32LE(at);
  return { preparedXid, subtransactions, dropped };
}

/** Transactions that ran when the server noted it. */
export interface RunningTransactions {
  /** Those that were begun later have this number, or a later one. */
  readonly nextXid: number;
}

/** Reads the main data of a note of running transactions: standbydefs.h. @throws {RangeError} when it is malformed */
export function readRunning({ data }: RecordContent): RunningTransactions {
  return { nextXid: data.readUInt32LE(12) };
}
