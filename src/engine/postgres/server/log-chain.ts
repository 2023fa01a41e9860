import { type Lsn, lsnFromSortable, walSegmentStart } from "../../../domain/lsn.ts";
import type { LogPieceRef } from "../../engine.ts";
import { formatStreamName, parseStreamName } from "../stream-name.ts";
import { parseTimelineHistory } from "../timeline-history.ts";
import type { RecoveryFacts } from "./backup-facts.ts";

/** A stored piece, and the part of it that counts: what an earlier piece holds, or a promotion cut off, does not. */
export interface ChainPiece {
  readonly ref: LogPieceRef;
  readonly from: Lsn;
  readonly to: Lsn;
}

/** Unbroken log from the first byte that a recovery reads. */
export interface LogChain {
  readonly start: Lsn;
  readonly end: Lsn;
  readonly pieces: readonly ChainPiece[];
}

/** A part of a server's history that lies in one stream. */
interface Leg {
  readonly stream: string;
  /** Where the server went on to the next timeline. */
  readonly until: Lsn | undefined;
}

/**
 * The longest unbroken log that follows from a base backup: its own stream from the beginning of the segment in which
 * it started, and the timelines that came after it, the newest that can be reached. `history` tells where one went on
 * from another; a timeline without it is not followed.
 */
export function chainOfLog(
  facts: RecoveryFacts,
  pieces: readonly LogPieceRef[],
  history: ReadonlyMap<string, Uint8Array>,
): LogChain {
  const start = walSegmentStart(facts.logStart, facts.walSegmentBytes);
  for (const legs of ways(facts, history)) {
    const chain = follow(start, legs, pieces);
    const newest = legs.at(-1)?.stream;
    if (chain.pieces.some((piece) => piece.ref.stream === newest)) return chain;
  }
  return follow(start, [{ stream: formatStreamName(facts.stream), until: undefined }], pieces);
}

/** Ways through the timelines that lead on from the backup, those to the newest timeline first. */
function ways(facts: RecoveryFacts, history: ReadonlyMap<string, Uint8Array>): readonly (readonly Leg[])[] {
  const { systemId, timeline } = facts.stream;
  const later = [...history]
    .map(([name, content]) => ({ ...parseStreamName(name), content }))
    .filter((stream) => stream.systemId === systemId && stream.timeline > timeline)
    .sort((a, b) => b.timeline - a.timeline);
  return later.flatMap((stream) => {
    const ancestors = parseTimelineHistory(stream.timeline, Buffer.from(stream.content).toString("utf8"));
    const own = ancestors.findIndex((ancestor) => ancestor.timeline === timeline);
    const leftAt = ancestors[own]?.end;
    // Log that the server left before the backup was complete does not lead to it.
    if (leftAt === undefined || leftAt < facts.logEnd) return [];
    const legs: Leg[] = ancestors.slice(own).map((ancestor) => ({
      stream: formatStreamName({ systemId, timeline: ancestor.timeline }),
      until: ancestor.end,
    }));
    return [[...legs, { stream: formatStreamName({ systemId, timeline: stream.timeline }), until: undefined }]];
  });
}

function follow(start: Lsn, legs: readonly Leg[], pieces: readonly LogPieceRef[]): LogChain {
  const chosen: ChainPiece[] = [];
  let end = start;
  for (const leg of legs) {
    if (leg.until !== undefined && leg.until <= end) continue;
    const ofLeg = cover(end, leg, pieces);
    chosen.push(...ofLeg);
    end = ofLeg.at(-1)?.to ?? end;
    if (leg.until !== undefined && end < leg.until) break; // a gap: what comes later cannot be reached
  }
  return { start, end, pieces: chosen };
}

/** Pieces of one stream without a gap from `start` on, each reaching as far as any that begins in time. */
function cover(start: Lsn, leg: Leg, pieces: readonly LogPieceRef[]): ChainPiece[] {
  const chosen: ChainPiece[] = [];
  const limit = leg.until;
  let end = start;
  let best: LogPieceRef | undefined;
  let bestEnd = start;
  const take = () => {
    if (!best || (limit !== undefined && end >= limit)) return;
    const to = limit !== undefined && bestEnd > limit ? limit : bestEnd;
    chosen.push({ ref: best, from: end, to });
    end = to;
    best = undefined;
  };
  for (const piece of pieces) {
    if (piece.stream !== leg.stream) continue;
    const [pieceStart, pieceEnd] = [lsnFromSortable(piece.start), lsnFromSortable(piece.end)];
    if (pieceStart > end) take();
    if (pieceStart > end) break;
    if (pieceEnd > bestEnd) {
      best = piece;
      bestEnd = pieceEnd;
    }
  }
  take();
  return chosen;
}
