import type { ObjectStore } from "../object-store/object-store.ts";
import { historyName, objectNames, parseLogPieceName } from "../repository/object-names.ts";
import { checkSealedObject } from "../repository/sealed-object.ts";
import { copyObject } from "./copy-object.ts";

/** A log object that the source has and the destination lacks. */
export interface MissingLogObject {
  readonly key: string;
  readonly stream: string;
  /** Undefined for the stream's history. */
  readonly piece:
    | { readonly start: string; readonly end: string; readonly newestCommitMicros: bigint | undefined }
    | undefined;
  readonly sizeBytes: number;
  readonly storedAt: Date;
}

/**
 * What the destination lacks of a service's log, stream by stream in order of position.
 * @param options.after per stream, the key after which to look; the listing before it is not read again
 */
export async function* missingLog(options: {
  readonly source: ObjectStore;
  readonly destination: ObjectStore;
  readonly serviceId: string;
  readonly after: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}): AsyncGenerator<MissingLogObject> {
  const { source, destination, serviceId, signal } = options;
  const streams = await source.listFolders(objectNames.log(serviceId), { signal });
  for (const stream of streams) {
    const prefix = objectNames.logStream(serviceId, stream);
    const after = options.after.get(stream);
    const from = after === undefined ? { signal } : { signal, after };
    const there = destination.list(prefix, from)[Symbol.asyncIterator]();
    let next = await there.next();
    for await (const object of source.list(prefix, from)) {
      while (!next.done && next.value.key < object.key) next = await there.next();
      if (!next.done && next.value.key === object.key) continue;
      const name = object.key.slice(prefix.length);
      const piece = name === historyName ? undefined : parseLogPieceName(name);
      yield { key: object.key, stream, piece, sizeBytes: object.sizeBytes, storedAt: object.storedAt };
    }
    await there.return?.();
  }
}

/** Copies one log object and verifies it at the destination (C4, C6). Returns the bytes sent. */
export async function copyLogObject(options: {
  readonly source: ObjectStore;
  readonly destination: ObjectStore;
  readonly key: string;
  readonly signal: AbortSignal;
}): Promise<number> {
  const { key } = options;
  return await copyObject(options, { kind: "embedded", check: (bytes) => checkSealedObject(key, bytes) });
}

/**
 * The order to copy in: what the newest base backup needs first, in log order, so that the destination soon holds
 * something that can be restored to a recent time; then the rest, newest first (E5).
 */
export function orderLogCopies(
  missing: readonly MissingLogObject[],
  newestBackup: { readonly stream: string; readonly start: string } | undefined,
): readonly MissingLogObject[] {
  if (!newestBackup) return missing;
  const isNeeded = (object: MissingLogObject) =>
    object.stream > newestBackup.stream ||
    (object.stream === newestBackup.stream && (!object.piece || object.piece.end > newestBackup.start));
  const needed = missing.filter(isNeeded);
  const older = missing.filter((object) => !isNeeded(object)).reverse();
  return [...needed, ...older];
}
