import type { StoredLog } from "../engine/engine.ts";
import { readLogFrom } from "../repository/read-log.ts";
import type { Repository } from "../repository/repository.ts";

/** Stored log as an engine is told of it, by where it ends. */
export function storedLog(
  repository: Repository,
  end: { readonly stream: string; readonly position: string },
  signal: AbortSignal,
): StoredLog {
  const { stream, position } = end;
  return { stream, position, read: (from) => readLogFrom(repository, { stream, position: from }, { signal }) };
}
