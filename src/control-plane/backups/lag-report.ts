import { sql } from "kysely";
import type { ReportPeriod } from "../../contract/backups.ts";
import type { ControlPlaneContext } from "../context.ts";

/** How far back a report looks, and how finely. */
const periods: Readonly<Record<ReportPeriod, { readonly spanSeconds: number; readonly stepSeconds: number }>> = {
  hour: { spanSeconds: 3600, stepSeconds: 30 },
  day: { spanSeconds: 86_400, stepSeconds: 300 },
  week: { spanSeconds: 7 * 86_400, stepSeconds: 1800 },
  month: { spanSeconds: 30 * 86_400, stepSeconds: 10_800 },
  year: { spanSeconds: 365 * 86_400, stepSeconds: 86_400 },
};

interface Sample {
  readonly at: Date;
  readonly cloud: string;
  readonly lag: number;
  readonly rpo: number | null;
}

/** Lag and data at risk per additional cloud over time (L1, L2), in the shape of the API's charts. */
export async function lagReport(context: ControlPlaneContext, serviceId: string, period: ReportPeriod) {
  const { spanSeconds, stepSeconds } = periods[period];
  const since = new Date(context.clock.now().getTime() - spanSeconds * 1000);
  const { rows } = await sql<Sample>`
    select to_timestamp(floor(extract(epoch from at) / ${stepSeconds}) * ${stepSeconds}) as at, cloud,
           max(lag_seconds) as lag, max(rpo_seconds) as rpo
    from lag_sample
    where service_id = ${serviceId} and at > ${since}
    group by 1, 2 order by 1`.execute(context.catalog.db);
  const clouds = [...new Set(rows.map(({ cloud }) => cloud))].sort();
  if (clouds.length === 0) return {};
  return {
    replication_lag: chart("Replication lag (s)", clouds, rows, ({ lag }) => lag),
    data_at_risk: chart("Data at risk (s)", clouds, rows, ({ rpo }) => rpo),
  };
}

function chart(
  title: string,
  clouds: readonly string[],
  samples: readonly Sample[],
  value: (sample: Sample) => number | null,
) {
  const lines = new Map<string, (string | number | null)[]>();
  for (const sample of samples) {
    const time = sample.at.toISOString().slice(0, 19);
    const line = lines.get(time) ?? [time, ...clouds.map(() => null)];
    line[clouds.indexOf(sample.cloud) + 1] = value(sample);
    lines.set(time, line);
  }
  return {
    hints: { title },
    data: {
      cols: [{ label: "time", type: "date" as const }, ...clouds.map((label) => ({ label, type: "number" as const }))],
      rows: [...lines.values()],
    },
  };
}
