import { BtarError } from "../../domain/errors.ts";
import { formatLsn, type Lsn, lsnFromSortable, type TimelineId, walSegmentStart } from "../../domain/lsn.ts";
import type { LogStreamOptions } from "../engine.ts";
import type { Reservation } from "./reservation.ts";
import type { WalPosition } from "./server-description.ts";
import { parseStreamName } from "./stream-name.ts";
import { type TimelineHistory, timelineAt, timelineEnd } from "./timeline-history.ts";

/** Where streaming begins. */
export interface LogStart {
  readonly timeline: TimelineId;
  /** Position of the first byte to give out. */
  readonly start: Lsn;
  /** All before it is stored already, as far as this server's history goes; 0 when nothing is known to be. */
  readonly stored: Lsn;
}

/**
 * Decides where to go on, from what is stored and where the server is.
 * @param history of the server's timeline
 * @throws {BtarError} SYSTEM_IDENTIFIER_CHANGED when it is another database; LOG_GAP when the stored log goes on
 *   beyond what this server has, but SERVER_UNREACHABLE when it is a standby: it may just have started, and get there
 */
export function chooseLogStart(
  from: LogStreamOptions["from"],
  server: {
    readonly position: WalPosition;
    readonly history: TimelineHistory;
    readonly segmentBytes: number;
    readonly reservation: Reservation;
  },
): LogStart {
  const { position, history, segmentBytes } = server;
  if (!from) {
    const { restartLsn } = server.reservation;
    const start = walSegmentStart(restartLsn, segmentBytes);
    return { timeline: timelineAt(history, position.timeline, restartLsn), start, stored: 0n };
  }
  const { systemId, timeline } = parseStreamName(from.stream);
  const stored = lsnFromSortable(from.position);
  if (systemId !== position.systemId) throw systemChanged(systemId, position.systemId);
  const { isStandby } = server.reservation;
  if (timeline > position.timeline && isStandby) throw standbyBehind(from.stream, stored, position);
  if (timeline === position.timeline) {
    if (stored > position.flushed && isStandby) throw standbyBehind(from.stream, stored, position);
    if (stored > position.flushed) throw behindStored(from.stream, stored, position);
    return { timeline, start: stored, stored };
  }
  const left = timelineEnd(history, timeline, position.timeline);
  if (!left) throw otherBranch(from.stream, stored, position);
  if (stored < left.end) return { timeline, start: stored, stored };
  // What is stored beyond the end of the timeline is a branch that the server's history does not contain.
  return {
    timeline: left.next,
    start: startOfTimeline(left.end, segmentBytes),
    stored: left.end < stored ? 0n : stored,
  };
}

/**
 * Where the stream of a new timeline begins: at the beginning of the segment in which the old one was left. That
 * segment exists again under the new timeline's name, with a copy of what came before, and recovery reads it there;
 * so the new stream holds all of its own segments.
 */
export function startOfTimeline(endOfLast: Lsn, segmentBytes: number): Lsn {
  return walSegmentStart(endOfLast, segmentBytes);
}

/** @param from what the server no longer has begins here */
export function logRemoved(stream: string, from: Lsn, resumesAt: Lsn | undefined): BtarError {
  const until = resumesAt === undefined ? "" : `; it keeps WAL from ${formatLsn(resumesAt)} on`;
  return new BtarError("LOG_GAP", {
    message: `the server has removed the WAL of ${stream} from ${formatLsn(from)} on before it was stored${until}`,
    hint: "a new base backup starts a new recovery window; raise max_slot_wal_keep_size to keep more WAL",
    details: { reason: "removed", stream, position: formatLsn(from) },
  });
}

function systemChanged(stored: string, found: string): BtarError {
  return new BtarError("SYSTEM_IDENTIFIER_CHANGED", {
    message: `the server is another database: its system identifier is ${found}, and the stored log is of ${stored}`,
    hint: "if the database was replaced on purpose, protect it as a new service",
    details: { stored, found },
  });
}

function behindStored(stream: string, stored: Lsn, server: WalPosition): BtarError {
  return new BtarError("LOG_GAP", {
    message:
      `the server is at ${formatLsn(server.flushed)}, before the end of the stored log of ${stream} at ` +
      `${formatLsn(stored)}: it has lost WAL (a crash without fsync, a restore of an older copy, or a fail-over)`,
    hint: "a new base backup starts a new recovery window",
    details: {
      reason: "server-behind",
      stream,
      position: formatLsn(stored),
      serverPosition: formatLsn(server.flushed),
    },
  });
}

function standbyBehind(stream: string, stored: Lsn, server: WalPosition): BtarError {
  return new BtarError("SERVER_UNREACHABLE", {
    message:
      `the server is a standby at ${formatLsn(server.flushed)} on timeline ${server.timeline}, and the stored log of ` +
      `${stream} ends at ${formatLsn(stored)}: it has not got there yet`,
    hint: "check that it receives the log of its primary",
  });
}

function otherBranch(stream: string, stored: Lsn, server: WalPosition): BtarError {
  return new BtarError("LOG_GAP", {
    message:
      `the server is on timeline ${server.timeline}, whose history does not contain the stored log of ${stream}, ` +
      `which ends at ${formatLsn(stored)}: it was restored from an older copy, or another branch was promoted`,
    hint: "a new base backup starts a new recovery window",
    details: { reason: "other-branch", stream, position: formatLsn(stored) },
  });
}
