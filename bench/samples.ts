import { median } from "./statistics.ts";

/** Medians over the rounds, of each tool, for what was measured. */
export type Medians<Measure extends string, Tool extends string, Figures> = Partial<
  Record<Measure, Readonly<Record<Tool, Figures>>>
>;

/** Figures of runs, by what was measured and with which tool. */
export class Samples<
  Measure extends string,
  Tool extends string,
  Figures extends Readonly<Record<keyof Figures, number>>,
> {
  readonly #runs = new Map<Measure, Map<Tool, Figures[]>>();

  add(measure: Measure, tool: Tool, figures: Figures): void {
    const ofMeasure = this.#runs.get(measure) ?? new Map<Tool, Figures[]>();
    this.#runs.set(measure, ofMeasure);
    ofMeasure.set(tool, [...(ofMeasure.get(tool) ?? []), figures]);
  }

  medians(): Medians<Measure, Tool, Figures> {
    return Object.fromEntries(
      [...this.#runs].map(([measure, tools]) => [
        measure,
        Object.fromEntries([...tools].map(([tool, runs]) => [tool, mediansOf(runs)])),
      ]),
    ) as Medians<Measure, Tool, Figures>;
  }
}

function mediansOf<Figures extends Readonly<Record<keyof Figures, number>>>(runs: readonly Figures[]): Figures {
  const keys = Object.keys(runs[0] ?? {}) as (keyof Figures)[];
  return Object.fromEntries(keys.map((key) => [key, median(runs.map((run) => run[key]))])) as Figures;
}
