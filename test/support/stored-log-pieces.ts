import { objectNames, parseLogPieceName } from "../../src/repository/object-names.ts";

export interface StoredLogPiece {
  readonly key: string;
  readonly start: string;
  readonly end: string;
}

/** Those of a store's keys that are pieces of a service's log, in the same order. */
export function logPiecesOf(serviceId: string, keys: readonly string[]): readonly StoredLogPiece[] {
  const prefix = objectNames.log(serviceId);
  return keys.flatMap((key) => {
    if (!key.startsWith(prefix)) return [];
    const [, ...name] = key.slice(prefix.length).split("/");
    const piece = parseLogPieceName(name.join("/"));
    return piece ? [{ key, ...piece }] : [];
  });
}
