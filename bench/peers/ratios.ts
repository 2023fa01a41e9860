import { rounded } from "../statistics.ts";
import type { Comparison, Figures, Measure } from "./comparison.ts";

/** Ratios btar / pgBackRest of medians. */
export type Ratios = Readonly<Record<string, number>>;

interface Goal {
  readonly key: string;
  readonly title: string;
  readonly measure: Measure;
  readonly unit: "s" | "MB";
  readonly value: (figures: Figures) => number;
  readonly must: number;
  readonly aim: number;
}

const wall = (figures: Figures) => figures.seconds;
const cpu = (figures: Figures) => figures.toolCpuSeconds + figures.serverCpuSeconds;
const stored = (figures: Figures) => figures.storedBytes / 1e6;

/** What must be reached, and what is aimed at. */
export const goals: readonly Goal[] = [
  { key: "fullWall", title: "full backup, wall", measure: "full", unit: "s", value: wall, must: 1, aim: 0.75 },
  { key: "fullCpu", title: "full backup, CPU", measure: "full", unit: "s", value: cpu, must: 1.2, aim: 1 },
  { key: "fullStored", title: "full backup, stored", measure: "full", unit: "MB", value: stored, must: 1.05, aim: 1 },
  {
    key: "denseStored",
    title: "2nd, dense, stored",
    measure: "dense",
    unit: "MB",
    value: stored,
    must: 0.5,
    aim: 0.42,
  },
  { key: "denseWall", title: "2nd, dense, wall", measure: "dense", unit: "s", value: wall, must: 0.6, aim: 0.35 },
  {
    key: "sparseStored",
    title: "2nd, sparse, stored",
    measure: "sparse",
    unit: "MB",
    value: stored,
    must: 0.1,
    aim: 0.04,
  },
  { key: "sparseWall", title: "2nd, sparse, wall", measure: "sparse", unit: "s", value: wall, must: 0.3, aim: 0.1 },
  { key: "restoreWall", title: "restore, wall", measure: "restore", unit: "s", value: wall, must: 1, aim: 0.75 },
  {
    key: "nextRestoreWall",
    title: "restore of 2nd, wall",
    measure: "nextRestore",
    unit: "s",
    value: wall,
    must: 1,
    aim: 0.75,
  },
];

export function ratiosOf(comparison: Comparison): Ratios {
  return Object.fromEntries(
    goals.flatMap(({ key, measure, value }) => {
      const of = comparison[measure];
      return of ? [[key, rounded(value(of.btar) / value(of.pgBackRest))]] : [];
    }),
  );
}

/** Bytes that the copy of a second backup sends, against what the backup stored; undefined: none was taken. */
export function crossingRatio({ dense, sparse }: Comparison): number | undefined {
  const figures = (dense ?? sparse)?.btar;
  return figures && rounded(figures.crossedBytes / figures.storedBytes);
}
