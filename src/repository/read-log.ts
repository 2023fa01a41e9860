import { isBtarError } from "../domain/errors.ts";
import { systemClock } from "../platform/clock.ts";
import { type LogSpan, logRuns, widestPieces } from "./log-cover.ts";
import { endsFile, type LogPiece, reachOf } from "./log-piece.ts";
import type { LogPieceName } from "./object-names.ts";
import type { Repository } from "./repository.ts";

/** A store may give old listings for a while: then what holds the log is looked for again after these times. */
const lookAgainMs = [0, 1000, 4000, 15_000] as const;

/** Log from a position on. */
export interface LogPart {
  readonly start: string;
  readonly bytes: Buffer;
}

/**
 * The log of a piece that was listed some time ago. It may have been merged since: then it is read from the pieces that
 * hold it now.
 * @throws {BtarError} OBJECT_MISSING when nothing holds it, OBJECT_DAMAGED
 */
export async function readLog(
  repository: Repository,
  piece: LogPieceName,
  options: { readonly signal: AbortSignal },
): Promise<readonly LogPart[]> {
  try {
    return [{ start: piece.start, bytes: await repository.logPiece(piece, options) }];
  } catch (error) {
    if (!isBtarError(error, "OBJECT_MISSING")) throw error;
    for (const waitMs of lookAgainMs) {
      await systemClock.sleep(waitMs, options.signal);
      const parts = await readFromOthers(repository, piece, options);
      if (parts) return parts;
    }
    throw error;
  }
}

/**
 * The stored log from a position on, as much as one piece holds; undefined when none does, or the one that does is
 * damaged.
 */
export async function readLogFrom(
  repository: Repository,
  from: { readonly stream: string; readonly position: string },
  options: { readonly signal: AbortSignal },
): Promise<Buffer | undefined> {
  const { stream, position } = from;
  for await (const piece of widestPieces(repository.logPieces(stream, { ...options, from: position }))) {
    if (piece.start > position) return undefined;
    try {
      const [part] = await readLog(repository, piece, options);
      return part?.bytes.subarray(Number(reachOf({ start: part.start, end: position })));
    } catch (error) {
      if (isBtarError(error) && error.kind === "damaged") return undefined; // verification tells of it
      throw error;
    }
  }
  return undefined;
}

async function readFromOthers(
  repository: Repository,
  wanted: LogPieceName,
  options: { readonly signal: AbortSignal },
): Promise<readonly LogPart[] | undefined> {
  const { stream, start: from, end: to } = wanted;
  const holders: LogPiece[] = [];
  for await (const piece of widestPieces(repository.logPieces(stream, { ...options, from, to }))) holders.push(piece);
  if (!(await isHeld(wanted, holders))) return undefined;
  const parts: LogPart[] = [];
  try {
    for (const holder of holders) {
      parts.push(cut(wanted, { start: holder.start, bytes: await repository.logPiece(holder, options) }, holder));
    }
    return parts;
  } catch (error) {
    if (isBtarError(error, "OBJECT_MISSING")) return undefined;
    throw error;
  }
}

async function isHeld(wanted: LogSpan, holders: readonly LogPiece[]): Promise<boolean> {
  for await (const run of logRuns(holders)) if (run.start <= wanted.start && run.end >= wanted.end) return true;
  return false;
}

/** Leaves out what lies before and behind what is wanted, where positions count bytes; a file's end may lie before theirs. */
function cut(wanted: LogSpan, part: LogPart, holder: LogSpan): LogPart {
  if (reachOf(holder) !== BigInt(part.bytes.length) && !endsFile(holder)) return part;
  const start = holder.start > wanted.start ? holder.start : wanted.start;
  const end = holder.end < wanted.end ? holder.end : wanted.end;
  const offset = Number(reachOf({ start: holder.start, end: start }));
  return { start, bytes: part.bytes.subarray(offset, offset + Number(reachOf({ start, end }))) };
}
