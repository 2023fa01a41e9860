import { newestCommitOf } from "./log-piece.ts";

/** A part of a stream; positions are sortable texts. */
export interface LogSpan {
  readonly start: string;
  readonly end: string;
}

/** Log without a gap, of one piece or more. */
export interface LogRun extends LogSpan {
  readonly newestCommitMicros: bigint | undefined;
  readonly sizeBytes: number;
  readonly pieceCount: number;
  /** When its last piece was stored. */
  readonly storedAt: Date;
}

type Listed = Omit<LogRun, "pieceCount">;

/**
 * Leaves out pieces that lie within another one: what was merged, and what is to be removed for it.
 * @param pieces of one stream, in order of their names
 */
export async function* widestPieces<T extends LogSpan>(
  pieces: AsyncIterable<T> | Iterable<T>,
): AsyncGenerator<T, void, undefined> {
  let reached = "";
  let widest: T | undefined;
  for await (const piece of pieces) {
    if (widest && piece.start !== widest.start) {
      if (widest.end > reached) {
        yield widest;
        reached = widest.end;
      }
      widest = undefined;
    }
    if (!widest || piece.end > widest.end) widest = piece;
  }
  if (widest && widest.end > reached) yield widest;
}

/** Joins pieces that follow one another, or overlap. They are of one stream, in order of their names. */
export async function* logRuns(pieces: AsyncIterable<Listed> | Iterable<Listed>): AsyncGenerator<LogRun> {
  let run: LogRun | undefined;
  for await (const piece of widestPieces(pieces)) {
    if (run && piece.start > run.end) {
      yield run;
      run = undefined;
    }
    run = run ? joined(run, piece) : { ...piece, pieceCount: 1 };
  }
  if (run) yield run;
}

function joined(run: LogRun, piece: Listed): LogRun {
  return {
    start: run.start,
    end: piece.end > run.end ? piece.end : run.end,
    newestCommitMicros: newestCommitOf([run, piece]),
    sizeBytes: run.sizeBytes + piece.sizeBytes,
    pieceCount: run.pieceCount + 1,
    storedAt: piece.storedAt > run.storedAt ? piece.storedAt : run.storedAt,
  };
}

/**
 * Pieces of one store whose log another one does not hold in full, in whatever pieces it may hold it.
 * @param there runs of the other store's log, in order
 */
export async function* piecesLacking<T extends LogSpan>(
  pieces: AsyncIterable<T> | Iterable<T>,
  there: AsyncIterable<LogSpan> | Iterable<LogSpan>,
): AsyncGenerator<T> {
  const runs = eachOf(there);
  let run = await runs.next();
  for await (const piece of widestPieces(pieces)) {
    while (!run.done && run.value.end <= piece.start) run = await runs.next();
    const isThere = !run.done && run.value.start <= piece.start && piece.end <= run.value.end;
    if (!isThere) yield piece;
  }
}

async function* eachOf<T>(values: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T, void, undefined> {
  yield* values;
}
