/** First bytes of every binary log. */
export const binlogMagic = Buffer.from([0xfe, 0x62, 0x69, 0x6e]);
/** First bytes of one that the server has encrypted; what it sends is not. */
export const encryptedMagic = Buffer.from([0xfd, 0x62, 0x69, 0x6e]);

export const eventHeaderBytes = 19;

/** Kinds of events that somebody here knows; most others are parts of transactions. */
export const eventType = {
  query: 2,
  stop: 3,
  rotate: 4,
  formatDescription: 15,
  tableMap: 19,
  writeRowsV1: 23,
  updateRowsV1: 24,
  deleteRowsV1: 25,
  heartbeat: 27,
  writeRows: 30,
  updateRows: 31,
  deleteRows: 32,
  gtid: 33,
  anonymousGtid: 34,
  previousGtids: 35,
  partialUpdateRows: 39,
  transactionPayload: 40,
  heartbeatV2: 41,
  taggedGtid: 42,
} as const;

/** The file is being written; cleared when it is closed, so events are sent, and summed, as if it were not set. */
export const inUseFlag = 0x0001;
/** The event is in no file: the server made it for whoever it sends the log to. */
export const artificialFlag = 0x0020;

/**
 * What begins each event: time (seconds since 1970), type, server id, length with this head, position after it in its
 * file (32 bits of it), flags. All little-endian.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html
 */
export interface EventHeader {
  readonly timeSeconds: number;
  readonly type: number;
  readonly sizeBytes: number;
  /** Modulo 2^32. */
  readonly endsAt: number;
  readonly flags: number;
}

/** @param at where it begins in `bytes`, which hold it whole */
export function readEventHeader(bytes: Buffer, at = 0): EventHeader {
  return {
    timeSeconds: bytes.readUInt32LE(at),
    type: bytes.readUInt8(at + 4),
    sizeBytes: bytes.readUInt32LE(at + 9),
    endsAt: bytes.readUInt32LE(at + 13),
    flags: bytes.readUInt16LE(at + 17),
  };
}
