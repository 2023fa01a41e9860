import { type BtarError, isBtarError } from "../domain/errors.ts";
import type { LogSpan } from "./log-cover.ts";

/** Something in a store that is not as it must be. */
export interface Finding {
  /** The object's name; for log that no object holds, where it would be. */
  readonly key: string;
  /** `stray`: something that btar did not put there. It harms nothing, and is left alone. */
  readonly kind: "missing" | "damaged" | "stray";
  /** What is wrong, in words. */
  readonly what: string;
  /** Base backups that cannot be restored because of it. */
  readonly backups: readonly string[];
  /** Log that cannot be read because of it. */
  readonly log?: DamagedLog | undefined;
}

export interface DamagedLog extends LogSpan {
  readonly stream: string;
  /** The newest commit that lies before it; undefined if that is not known. */
  readonly after: Date | undefined;
}

/** Whether an error says that what is stored cannot be used; others are about the store, or whoever asks. */
export function isUnsound(error: unknown): error is BtarError {
  return isBtarError(error) && (error.kind === "damaged" || error.code === "KEY_UNAVAILABLE");
}

/** What an object that cannot be read is noted as. */
export function findingOf(key: string, error: BtarError, backups: readonly string[]): Finding {
  const kind = error.code === "OBJECT_MISSING" ? "missing" : "damaged";
  return { key, kind, what: error.message, backups };
}
