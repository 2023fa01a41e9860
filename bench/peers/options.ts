import { type ComparedPart, comparedParts } from "./comparison.ts";

const aloneParts = ["log", "wal", "sizes", "incompressible", "floor"] as const;
export type Part = ComparedPart | (typeof aloneParts)[number];
export const parts: readonly Part[] = [...comparedParts, ...aloneParts];

export interface PeersBenchOptions {
  readonly parts: ReadonlySet<Part>;
  /** pgbench scale: 100 000 accounts each, about 15 MB. */
  readonly scale: number;
  readonly rounds: number;
  /** zstd levels; the first one's figures are the run's. */
  readonly levels: readonly number[];
  readonly logSeconds: number;
  /** GB. */
  readonly sizes: readonly number[];
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}
