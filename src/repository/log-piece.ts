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

/** The most bytes that a piece has: whoever looks for what lies at a position looks back no farther. */
export const maxPieceBytes = 128 * 1024 * 1024;

/** The most that a piece reaches which others are merged to; whoever reads log holds several in memory. */
export const maxMergedReach = 32n * 1024n * 1024n;

/**
 * The earliest start of a piece that may hold what lies at `position`.
 *
 * From a piece's start on, positions count its bytes. Only the last piece of a file (MySQL) ends farther away than its
 * bytes reach: where the next file begins. No log lies in between, so nobody looks for a position there, and from the
 * next file's beginning on, the piece holds nothing.
 */
export function earliestStart(position: string): string {
  const earliest = BigInt(`0x${position}`) - BigInt(maxPieceBytes);
  return (earliest > 0n ? earliest : 0n).toString(16).toUpperCase().padStart(16, "0");
}

/** How far a piece reaches, in positions: as many as it has bytes, unless it is the last one of a file. */
export function reachOf(piece: { readonly start: string; readonly end: string }): bigint {
  return BigInt(`0x${piece.end}`) - BigInt(`0x${piece.start}`);
}

/** Whether a piece is the last one of a file: it reaches farther than a piece can have bytes. */
export function endsFile(piece: { readonly start: string; readonly end: string }): boolean {
  return reachOf(piece) > BigInt(maxPieceBytes);
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
