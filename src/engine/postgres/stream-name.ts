import { BtarError } from "../../domain/errors.ts";
import { type TimelineId, timelineToHex } from "../../domain/lsn.ts";

/** What a log stream of PostgreSQL is: the WAL of one cluster on one timeline. */
export interface WalStream {
  /** The system identifier, a decimal number as text. */
  readonly systemId: string;
  readonly timeline: TimelineId;
}

/** `SYSTEMID-TTTTTTTT`: the system identifier, and the timeline as eight upper-case hex digits. */
export function formatStreamName(stream: WalStream): string {
  return `${stream.systemId}-${timelineToHex(stream.timeline)}`;
}

/** @throws {BtarError} INVALID_INPUT */
export function parseStreamName(name: string): WalStream {
  const match = /^(\d{1,20})-([0-9A-F]{8})$/.exec(name);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new BtarError("INVALID_INPUT", {
      message: `"${name}" is not the name of a PostgreSQL log stream`,
      hint: "the form is SYSTEM-IDENTIFIER, a dash, and the timeline as eight hexadecimal digits",
    });
  }
  return { systemId: match[1], timeline: Number.parseInt(match[2], 16) };
}
