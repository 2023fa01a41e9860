import { BtarError } from "./errors.ts";

/** A position in PostgreSQL's WAL: bytes since its start, 64 bits. */
export type Lsn = bigint & { readonly __lsn?: never };

/** Branch of a cluster's WAL history; 1 at birth, one more with each promotion. */
export type TimelineId = number;

const lsnText = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/**
 * Reads PostgreSQL's own notation, such as `16/B374D848`.
 * @throws {BtarError} INVALID_LSN
 */
export function parseLsn(text: string): Lsn {
  const match = lsnText.exec(text);
  if (!match) {
    throw new BtarError("INVALID_LSN", {
      message: `"${text}" is not an LSN`,
      hint: "an LSN is two hexadecimal numbers with a slash, such as 16/B374D848",
    });
  }
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** PostgreSQL's notation of a position: `16/B374D848`. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

/** 16 upper-case hex digits, so that text order is position order. Used in object names. */
export function lsnToSortable(lsn: Lsn): string {
  return lsn.toString(16).toUpperCase().padStart(16, "0");
}

/** @throws {BtarError} INVALID_LSN */
export function lsnFromSortable(text: string): Lsn {
  if (!/^[0-9A-F]{16}$/.test(text)) {
    throw new BtarError("INVALID_LSN", {
      message: `"${text}" is not a sortable LSN`,
      hint: "16 upper-case hexadecimal digits",
    });
  }
  return BigInt(`0x${text}`);
}

/** Eight upper-case hex digits, as in WAL file names. */
export function timelineToHex(timeline: TimelineId): string {
  return timeline.toString(16).toUpperCase().padStart(8, "0");
}

/**
 * Names the WAL segment that holds a position.
 * @param timeline 1 and up
 * @param lsn a boundary belongs to the segment that starts there
 * @param segmentBytes the server's `wal_segment_size`: a power of two, 1 MiB to 1 GiB
 * @returns 24 upper-case hex digits
 * @see https://www.postgresql.org/docs/current/wal-internals.html
 */
export function walSegmentName(timeline: TimelineId, lsn: Lsn, segmentBytes: number): string {
  const perLogicalFile = 0x1_0000_0000n / BigInt(segmentBytes);
  const segment = lsn / BigInt(segmentBytes);
  const high = (segment / perLogicalFile).toString(16).toUpperCase().padStart(8, "0");
  const low = (segment % perLogicalFile).toString(16).toUpperCase().padStart(8, "0");
  return `${timelineToHex(timeline)}${high}${low}`;
}

/** First byte of the WAL segment that holds `lsn`. */
export function walSegmentStart(lsn: Lsn, segmentBytes: number): Lsn {
  return lsn - (lsn % BigInt(segmentBytes));
}
