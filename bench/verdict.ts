/** What a ratio must be, if that is said, and what it is aimed to be. */
export interface Limits {
  readonly must?: number;
  readonly aim: number;
}

/** The last columns of a table of ratios: the ratio, its limits, and what to think of it. */
export function verdictColumns(ratio: number, { must, aim }: Limits): readonly string[] {
  return [ratio.toFixed(2), must === undefined ? "" : `${must}`, `${aim}`, verdict(ratio, { must: must ?? aim, aim })];
}

function verdict(ratio: number, { must, aim }: Required<Limits>): string {
  if (ratio <= aim) return "aim reached";
  return ratio <= must ? "reached" : "MISSED";
}
