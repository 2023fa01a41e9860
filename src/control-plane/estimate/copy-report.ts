import { sql } from "kysely";
import type { ReportPeriod } from "../../contract/charts.ts";
import { daysPerMonth, gigabyte } from "../../domain/copy-estimate.ts";
import { type ChartPoint, chart, reportPeriods } from "../charts.ts";
import type { ControlPlaneContext } from "../context.ts";
import { pricesFor } from "./prices.ts";

const daySeconds = 86_400;

interface Step {
  readonly at: Date;
  readonly cloud: string;
  readonly primary_cloud: string | null;
  readonly held: number;
  readonly lacking: number | null;
  readonly copied: number | null;
  readonly seconds: number | null;
}

/** What an estimate says beforehand, as it was: copied, held and lacking bytes, and money, per additional cloud. */
export async function copyReport(context: ControlPlaneContext, serviceId: string, period: ReportPeriod) {
  const steps = await stepsOf(context, serviceId, period);
  const clouds = [...new Set(steps.map(({ cloud }) => cloud))].sort();
  if (clouds.length === 0) return {};
  const { currency } = context.configuration.prices;
  const oneChart = (title: string, value: (step: Step) => number | null) =>
    chart(
      title,
      clouds,
      steps.map((step): ChartPoint => ({ at: step.at, column: step.cloud, value: value(step) })),
    );
  const costs = steps.map((step) => monthlyCost(context, step));
  return {
    bytes_copied: oneChart("Copied (bytes a day)", perDay),
    bytes_to_copy: oneChart("Left to copy (bytes)", ({ lacking }) => lacking),
    stored_bytes: oneChart("Stored (bytes)", ({ held }) => held),
    ...(costs.some((cost) => cost !== null) && {
      cost: oneChart(`Cost (${currency} a month)`, (step) => costs[steps.indexOf(step)] ?? null),
    }),
  };
}

async function stepsOf(
  { catalog, clock }: ControlPlaneContext,
  serviceId: string,
  period: ReportPeriod,
): Promise<readonly Step[]> {
  const { spanSeconds, stepSeconds } = reportPeriods[period];
  const since = new Date(clock.now().getTime() - spanSeconds * 1000);
  const { rows } = await sql<Step>`
    with steps as (
      select distinct on (sample.cloud, bucket) sample.cloud, sample.at as sampled_at, held_bytes, lacking_bytes,
        sample.log_bytes + sample.backup_bytes as arrived,
        to_timestamp(floor(extract(epoch from sample.at) / ${stepSeconds}) * ${stepSeconds}) as bucket
      from store_sample sample
      join location on location.service_id = sample.service_id and location.cloud = sample.cloud
      where sample.service_id = ${serviceId} and location.role = 'secondary' and sample.at > ${since}
      order by sample.cloud, bucket, sample.at desc)
    select bucket as at, cloud, held_bytes as held, lacking_bytes as lacking,
      (select cloud from location where service_id = ${serviceId} and role = 'primary') as primary_cloud,
      greatest(0, arrived - lag(arrived) over same_cloud) as copied,
      extract(epoch from sampled_at - lag(sampled_at) over same_cloud)::double precision as seconds
    from steps window same_cloud as (partition by cloud order by sampled_at)
    order by bucket, cloud`.execute(catalog.db);
  return rows;
}

function perDay({ copied, seconds }: Step): number | null {
  return copied === null || seconds === null || seconds === 0 ? null : Math.round((copied / seconds) * daySeconds);
}

/** At the price of what is held, and of what was copied in the step; null where nothing has a price. */
function monthlyCost({ configuration }: ControlPlaneContext, step: Step): number | null {
  const prices = pricesFor(configuration, { from: step.primary_cloud ?? "", to: step.cloud });
  if (!prices) return null;
  const { storedGbMonth = 0, transferredGb = 0 } = prices;
  return (step.held * storedGbMonth + (perDay(step) ?? 0) * daysPerMonth * transferredGb) / gigabyte;
}
