import { rounded } from "../statistics.ts";
import type { Limits } from "../verdict.ts";
import type { Comparison, Figures, Measure, Tool } from "./comparison.ts";

/** Ratios of medians: btar's to another tool's, or of its second backup to its first. */
export type Ratios = Partial<Record<RatioName, number>>;
export type RatioName = "baseVsClone" | "baseVsDump" | "secondStored" | "restoreVsReload";

interface Side {
  readonly measure: Measure;
  readonly tool: Tool;
}

/** A ratio of which something is asked, or which tells more of one that is. */
export interface Goal {
  readonly key?: RatioName;
  readonly title: string;
  readonly ours: Side;
  readonly against: Side;
  /** What the other column is, for people. */
  readonly againstName: string;
  readonly unit: "s" | "MB";
  readonly value: (figures: Figures) => number;
  readonly limits?: Limits;
}

const wall = (figures: Figures) => figures.seconds;
const cpu = (figures: Figures) => figures.toolCpuSeconds + figures.serverCpuSeconds;
const stored = (figures: Figures) => figures.storedBytes / 1e6;

const base = { measure: "base", tool: "btar" } as const;
const clone = { ours: base, against: { measure: "base", tool: "clone" }, againstName: "clone" } as const;
const dump = { ours: base, against: { measure: "base", tool: "dump" }, againstName: "dump" } as const;
const second = {
  ours: { measure: "second", tool: "btar" },
  against: base,
  againstName: "the first",
} as const;
const reload = {
  ours: { measure: "restore", tool: "btar" },
  against: { measure: "restore", tool: "dump" },
  againstName: "reload",
} as const;

/** What is measured, and what must be reached of it and is aimed at. */
export const goals: readonly Goal[] = [
  {
    key: "baseVsClone",
    title: "base backup, wall",
    ...clone,
    unit: "s",
    value: wall,
    limits: { must: 1.5, aim: 1 },
  },
  { title: "base backup, CPU", ...clone, unit: "s", value: cpu },
  { key: "baseVsDump", title: "base backup, wall", ...dump, unit: "s", value: wall, limits: { aim: 0.3 } },
  { title: "base backup, CPU", ...dump, unit: "s", value: cpu },
  { title: "base backup, stored", ...dump, unit: "MB", value: stored },
  { key: "secondStored", title: "2nd, stored", ...second, unit: "MB", value: stored, limits: { aim: 0.05 } },
  { title: "2nd, wall", ...second, unit: "s", value: wall },
  { key: "restoreVsReload", title: "restore, wall", ...reload, unit: "s", value: wall, limits: { aim: 0.1 } },
  { title: "restore, CPU", ...reload, unit: "s", value: cpu },
];

/** Undefined where one of the two was not measured. */
export function sidesOf(
  goal: Goal,
  medians: Comparison,
): { readonly ours: number; readonly theirs: number } | undefined {
  const [ours, theirs] = [goal.ours, goal.against].map(({ measure, tool }) => medians[measure]?.[tool]);
  return ours && theirs && { ours: goal.value(ours), theirs: goal.value(theirs) };
}

export function ratiosOf(medians: Comparison): Ratios {
  return Object.fromEntries(
    goals.flatMap((goal) => {
      const sides = sidesOf(goal, medians);
      return goal.key && sides ? [[goal.key, rounded(sides.ours / sides.theirs)]] : [];
    }),
  );
}
