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
