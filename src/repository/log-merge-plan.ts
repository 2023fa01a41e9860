import { endsFile, type LogPiece, maxMergedReach, reachOf } from "./log-piece.ts";

/** Digits of a position that pieces have in common which are to become one: 16 MiB of PostgreSQL's log. */
const slotDigits = 10;

/** How many pieces that follow one another are worth being merged. */
const fewestPieces = { finished: 4, growing: 64 } as const;

/** Pieces that begin in the same slot, in order of their names. */
export interface LogSlot {
  /** First position of the slot. */
  readonly start: string;
  readonly pieces: readonly LogPiece[];
  /** `growing`: more pieces will begin in it. */
  readonly state: keyof typeof fewestPieces;
}

/** A piece, and the one that holds the same log. */
export interface CoveredPiece {
  readonly piece: LogPiece;
  readonly cover: LogPiece;
}

/** First position of the slot that a position lies in. */
export function slotStart(position: string): string {
  return position.slice(0, slotDigits).padEnd(position.length, "0");
}

/** Rows of pieces, each without a gap or overlap, that are to become one piece each. */
export function piecesToMerge({ pieces, state }: LogSlot): readonly (readonly LogPiece[])[] {
  const widest = new Map<string, LogPiece>();
  for (const piece of pieces) widest.set(piece.start, piece); // the last of a start is the widest
  const chains: LogPiece[][] = [];
  let reached = "";
  for (const first of widest.values()) {
    if (first.start < reached) continue;
    const chain = chainFrom(first, widest);
    reached = chain.at(-1)?.end ?? reached;
    chains.push(chain);
  }
  return chains.filter((chain) => chain.length >= fewestPieces[state]);
}

function chainFrom(first: LogPiece, widest: ReadonlyMap<string, LogPiece>): LogPiece[] {
  const chain = [first];
  let next = widest.get(first.end);
  while (next && isReadable(first, next)) {
    chain.push(next);
    next = widest.get(next.end);
  }
  return chain;
}

/** Whether readers can hold what reaches from one piece to the end of another. */
function isReadable(first: LogPiece, last: LogPiece): boolean {
  if (!endsFile(last)) return reachOf({ start: first.start, end: last.end }) <= maxMergedReach;
  // How many bytes the last piece of a file has, its name does not say; pieces begin with up to 16 MiB.
  return reachOf({ start: first.start, end: last.start }) <= maxMergedReach / 2n;
}

/**
 * Pieces that lie within another one.
 * @param before the piece of earlier slots that reaches the farthest
 */
export function coveredPieces({ pieces }: LogSlot, before: LogPiece | undefined): readonly CoveredPiece[] {
  const widestFirst = [...pieces].sort((a, b) => compare(a.start, b.start) || compare(b.end, a.end));
  const covered: CoveredPiece[] = [];
  let cover = before;
  for (const piece of widestFirst) {
    if (cover && piece.end <= cover.end) covered.push({ piece, cover });
    else cover = piece;
  }
  return covered;
}

/** The piece that reaches the farthest. */
export function farthest(pieces: readonly LogPiece[], before: LogPiece | undefined): LogPiece | undefined {
  return pieces.reduce((best, piece) => (best && best.end >= piece.end ? best : piece), before);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
