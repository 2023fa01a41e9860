import { isOutside, type LogNeed, type RetainedSpan, retainedLog } from "../domain/log-retention.ts";
import type { LogPiece } from "./log-piece.ts";
import { objectNames } from "./object-names.ts";
import type { ObjectRemoval } from "./object-removal.ts";
import type { Repository } from "./repository.ts";

export interface LogExpiryRequest {
  readonly repository: Repository;
  readonly removal: ObjectRemoval;
  /** Of all base backups in the store, and of those that are to come there. */
  readonly needs: readonly LogNeed[];
  /** Streams that get log now, whether or not a base backup needs them yet. */
  readonly current: ReadonlySet<string>;
  /** Told what stays of a stream, before anything of it is removed. */
  readonly onExpiringLog: (stream: string, retained: readonly RetainedSpan[]) => Promise<void>;
  /** A stream that got log within this time stays, even if no base backup is of its server. */
  readonly minAgeMs: number;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/**
 * Removes log that no base backup needs, oldest first; whole pieces only. A stream's history goes last.
 */
export async function expireLog(request: LogExpiryRequest): Promise<void> {
  for (const stream of await request.repository.logStreams({ signal: request.signal })) {
    const retained = retainedLog(stream, request.needs) ?? (await retainedUnknown(request, stream));
    if (retained) await expireStream(request, stream, retained);
  }
}

/** A stream that no base backup is of: a new server's whose first one is not complete, or one that is over. */
async function retainedUnknown(
  request: LogExpiryRequest,
  stream: string,
): Promise<readonly RetainedSpan[] | undefined> {
  const { repository, current, minAgeMs, now, signal, needs } = request;
  if (current.has(stream) || needs.length === 0) return undefined;
  for await (const piece of repository.logPieces(stream, { signal })) {
    if (now.getTime() - piece.storedAt.getTime() < minAgeMs) return undefined;
  }
  return [];
}

async function expireStream(
  request: LogExpiryRequest,
  stream: string,
  retained: readonly RetainedSpan[],
): Promise<void> {
  const { repository, removal } = request;
  await request.onExpiringLog(stream, retained);
  await removal.removeAll(outsidePieces(request, stream, retained));
  if (retained.length > 0) return;
  await removal.removeOne({ key: objectNames.logHistory(repository.serviceId, stream), sizeBytes: 0 });
}

async function* outsidePieces(
  { repository, signal }: LogExpiryRequest,
  stream: string,
  retained: readonly RetainedSpan[],
): AsyncGenerator<{ readonly key: string; readonly sizeBytes: number }> {
  const last = retained.at(-1);
  const until = last && last.end === undefined ? last.start : undefined;
  if (until === "") return;
  const pieces: AsyncIterable<LogPiece> = repository.logPieces(stream, {
    signal,
    ...(until === undefined ? {} : { to: until }),
  });
  for await (const piece of pieces) {
    if (!isOutside(piece, retained)) continue;
    yield { key: objectNames.logPiece(repository.serviceId, piece), sizeBytes: piece.sizeBytes };
  }
}
