import type { ObjectStore } from "../object-store/object-store.ts";
import { logRuns, type LogSpan, piecesLacking } from "../repository/log-cover.ts";
import type { LogPiece } from "../repository/log-piece.ts";
import { objectNames } from "../repository/object-names.ts";
import { listLogPieces } from "../repository/repository.ts";
import { checkSealedObject } from "../repository/sealed-object.ts";
import { copyObject, type CopyObjectRequest } from "./copy-object.ts";

/** A log object that the source has and the destination lacks. */
export interface MissingLogObject {
  readonly key: string;
  readonly stream: string;
  /** Undefined for the stream's history. */
  readonly piece: LogPiece | undefined;
  readonly storedAt: Date;
}

interface Comparison {
  readonly source: ObjectStore;
  readonly destination: ObjectStore;
  readonly serviceId: string;
  readonly signal: AbortSignal;
}

/**
 * What the destination lacks of a service's log, stream by stream, the history first, then pieces by position. It
 * lacks a piece when it does not hold that log, in whatever pieces: both stores merge theirs by themselves.
 */
export async function* missingLog(comparison: Comparison): AsyncGenerator<MissingLogObject> {
  const { source, destination, serviceId, signal } = comparison;
  for (const stream of await source.listFolders(objectNames.log(serviceId), { signal })) {
    yield* missingHistory(comparison, stream);
    const listing = { serviceId, stream, signal };
    yield* lacking(listLogPieces(source, listing), logRuns(listLogPieces(destination, listing)), serviceId);
  }
}

/** The same of one stream, from a position up to which the destination is known to hold all. */
export async function* missingLogFrom(
  { source, serviceId, signal }: Omit<Comparison, "destination">,
  position: { readonly stream: string; readonly end: string },
): AsyncGenerator<MissingLogObject> {
  const { stream, end } = position;
  const pieces = listLogPieces(source, { serviceId, stream, from: end, signal });
  yield* lacking(pieces, [{ start: "", end }], serviceId);
}

async function* lacking(
  pieces: AsyncIterable<LogPiece>,
  there: AsyncIterable<LogSpan> | Iterable<LogSpan>,
  serviceId: string,
): AsyncGenerator<MissingLogObject> {
  for await (const piece of piecesLacking(pieces, there)) {
    const { stream, storedAt } = piece;
    yield { key: objectNames.logPiece(serviceId, piece), stream, piece, storedAt };
  }
}

async function* missingHistory(comparison: Comparison, stream: string): AsyncGenerator<MissingLogObject> {
  const { source, destination, serviceId, signal } = comparison;
  const key = objectNames.logHistory(serviceId, stream);
  const history = await source.head(key, { signal });
  if (!history || (await destination.head(key, { signal }))) return;
  yield { key, stream, piece: undefined, storedAt: history.storedAt };
}

/** Copies one log object and verifies it at the destination (C4, C6). Returns the bytes sent. */
export async function copyLogObject(options: CopyObjectRequest): Promise<number> {
  const { key } = options;
  return await copyObject(options, { kind: "embedded", check: (bytes) => checkSealedObject(key, bytes) });
}

/**
 * The order to copy in (E5). First, in log order, what the newest base backup needs, so that the destination soon holds
 * something that can be restored to a recent time. Then the rest, newest first, which can wait for log that comes.
 */
export function orderLogCopies(
  missing: readonly MissingLogObject[],
  newestBackup: { readonly stream: string; readonly start: string } | undefined,
): { readonly first: readonly MissingLogObject[]; readonly later: readonly MissingLogObject[] } {
  const isNeeded = (object: MissingLogObject) =>
    !newestBackup ||
    object.stream > newestBackup.stream ||
    (object.stream === newestBackup.stream && (!object.piece || object.piece.end > newestBackup.start));
  const first = missing.filter(isNeeded);
  const later = missing.filter((object) => !isNeeded(object)).reverse();
  return { first, later };
}
