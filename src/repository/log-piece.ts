/** A stored piece of log: everything that its object's name says. */
export interface LogPiece {
  readonly stream: string;
  /** First position in it; sortable text of the engine, 16 upper-case hex digits. */
  readonly start: string;
  /** First position after it. */
  readonly end: string;
  /** Newest commit time in it, microseconds since 1970; undefined if it holds no commit. */
  readonly newestCommitMicros: bigint | undefined;
  readonly sizeBytes: number;
  readonly storedAt: Date;
}

/** The most that a piece reaches from its start, in positions: whoever looks for a position looks back no farther. */
export const maxPieceReach = 128n * 1024n * 1024n;

/** The most that a piece reaches which others are merged to; whoever reads log holds several in memory. */
export const maxMergedReach = 32n * 1024n * 1024n;

/** The earliest start of a piece that may hold what lies at `position`. */
export function earliestStart(position: string): string {
  const earliest = BigInt(`0x${position}`) - maxPieceReach;
  return (earliest > 0n ? earliest : 0n).toString(16).toUpperCase().padStart(16, "0");
}

/** How far a piece reaches, in positions. */
export function reachOf(piece: { readonly start: string; readonly end: string }): bigint {
  return BigInt(`0x${piece.end}`) - BigInt(`0x${piece.start}`);
}

/** The newest commit time of several pieces; undefined if none holds a commit. */
export function newestCommitOf(
  pieces: readonly { readonly newestCommitMicros: bigint | undefined }[],
): bigint | undefined {
  return pieces.reduce<bigint | undefined>(
    (newest, { newestCommitMicros: micros }) =>
      micros !== undefined && (newest === undefined || micros > newest) ? micros : newest,
    undefined,
  );
}
