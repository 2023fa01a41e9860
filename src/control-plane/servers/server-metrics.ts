import { metricPoints, metrics, metricTitles, thinMetricSamples } from "../../catalog/metric-samples.ts";
import type { ReportPeriod } from "../../contract/charts.ts";
import { chart, keepSamplesSeconds, reportPeriods, sampleResolutions } from "../charts.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { nodeName } from "../services/service-fields.ts";

/** What a managed server needed over time; what could not be measured is absent. */
export async function serverMetrics(context: ControlPlaneContext, row: ServiceRow, period: ReportPeriod) {
  const { spanSeconds, stepSeconds } = reportPeriods[period];
  const since = new Date(context.clock.now().getTime() - spanSeconds * 1000);
  const points = await metricPoints(context.catalog.db, { serviceId: row.id, since, stepSeconds });
  const column = `${nodeName(row)} (master)`;
  const charts = metrics.flatMap((metric) => {
    if (points.every((point) => point[metric] === null)) return [];
    const values = points.map((point) => ({ at: point.at, column, value: point[metric] }));
    return [[metric, chart(metricTitles[metric], [column], values)] as const];
  });
  return Object.fromEntries(charts);
}

/** Keeps a year of samples, the older the coarser. */
export async function thinServerMetrics({
  catalog,
  clock,
}: Pick<ControlPlaneContext, "catalog" | "clock">): Promise<void> {
  const before = (seconds: number) => new Date(clock.now().getTime() - seconds * 1000);
  await catalog.db.deleteFrom("metric_sample").where("at", "<", before(keepSamplesSeconds)).execute();
  for (const { olderThanSeconds, everySeconds } of sampleResolutions) {
    await thinMetricSamples(catalog.db, { before: before(olderThanSeconds), stepSeconds: everySeconds });
  }
}
