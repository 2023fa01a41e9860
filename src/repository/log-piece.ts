/** A stored piece of log: everything that its object's name says. */
export interface LogPiece {
  readonly stream: string;
  /** First position in it; sortable text of the engine. */
  readonly start: string;
  /** First position after it. */
  readonly end: string;
  /** Newest commit time in it, microseconds since 1970; undefined if it holds no commit. */
  readonly newestCommitMicros: bigint | undefined;
  readonly sizeBytes: number;
  readonly storedAt: Date;
}
