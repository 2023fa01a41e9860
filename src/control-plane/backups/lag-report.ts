import { sql } from "kysely";
import type { ReportPeriod } from "../../contract/charts.ts";
import { chart, reportPeriods } from "../charts.ts";
import type { ControlPlaneContext } from "../context.ts";

interface Sample {
  readonly at: Date;
  readonly cloud: string;
  readonly lag: number;
  readonly rpo: number | null;
}

/** Lag and data at risk per additional cloud over time (L1, L2), in the shape of the API's charts. */
export async function lagReport(context: ControlPlaneContext, serviceId: string, period: ReportPeriod) {
  const { spanSeconds, stepSeconds } = reportPeriods[period];
  const since = new Date(context.clock.now().getTime() - spanSeconds * 1000);
  const { rows } = await sql<Sample>`
    select to_timestamp(floor(extract(epoch from at) / ${stepSeconds}) * ${stepSeconds}) as at, cloud,
           max(lag_seconds) as lag, max(rpo_seconds) as rpo
    from lag_sample
    where service_id = ${serviceId} and at > ${since}
    group by 1, 2 order by 1`.execute(context.catalog.db);
  const clouds = [...new Set(rows.map(({ cloud }) => cloud))].sort();
  if (clouds.length === 0) return {};
  const points = (value: (sample: Sample) => number | null) =>
    rows.map((sample) => ({ at: sample.at, column: sample.cloud, value: value(sample) }));
  return {
    replication_lag: chart(
      "Replication lag (s)",
      clouds,
      points(({ lag }) => lag),
    ),
    data_at_risk: chart(
      "Data at risk (s)",
      clouds,
      points(({ rpo }) => rpo),
    ),
  };
}
