import { type ComparedPart, comparedParts } from "./comparison.ts";

const aloneParts = ["log", "replay"] as const;
export type Part = ComparedPart | (typeof aloneParts)[number];
export const parts: readonly Part[] = [...comparedParts, ...aloneParts];

export interface MysqlBenchOptions {
  readonly parts: ReadonlySet<Part>;
  readonly rounds: number;
  /** GB of tables. The figures of the last one are the run's; log and replay are measured with the first. */
  readonly sizes: readonly number[];
  readonly logSeconds: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}
