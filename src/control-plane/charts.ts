import type { ReportPeriod } from "../contract/charts.ts";

/** How far back a report looks, and how finely. */
export const reportPeriods: Readonly<
  Record<ReportPeriod, { readonly spanSeconds: number; readonly stepSeconds: number }>
> = {
  hour: { spanSeconds: 3600, stepSeconds: 30 },
  day: { spanSeconds: 86_400, stepSeconds: 300 },
  week: { spanSeconds: 7 * 86_400, stepSeconds: 1800 },
  month: { spanSeconds: 30 * 86_400, stepSeconds: 10_800 },
  year: { spanSeconds: 365 * 86_400, stepSeconds: 86_400 },
};

const daySeconds = 86_400;

/** From which age on samples are kept how finely, the finest first: as reports show them. */
export const sampleResolutions = [
  { olderThanSeconds: 2 * 3600, everySeconds: 300 },
  { olderThanSeconds: 2 * daySeconds, everySeconds: 1800 },
  { olderThanSeconds: 8 * daySeconds, everySeconds: 10_800 },
  { olderThanSeconds: 40 * daySeconds, everySeconds: daySeconds },
] as const;

/** Samples that are older are removed. */
export const keepSamplesSeconds = 366 * daySeconds;

/** Values of one column at one time. */
export interface ChartPoint {
  readonly at: Date;
  readonly column: string;
  readonly value: number | null;
}

/** Values over time, in the shape of the API's charts. @param points in the order of time */
export function chart(title: string, columns: readonly string[], points: readonly ChartPoint[]) {
  const lines = new Map<string, (string | number | null)[]>();
  for (const { at, column, value } of points) {
    const time = at.toISOString().slice(0, 19);
    const line = lines.get(time) ?? [time, ...columns.map(() => null)];
    line[columns.indexOf(column) + 1] = value;
    lines.set(time, line);
  }
  return {
    hints: { title },
    data: {
      cols: [{ label: "time", type: "date" as const }, ...columns.map((label) => ({ label, type: "number" as const }))],
      rows: [...lines.values()],
    },
  };
}
