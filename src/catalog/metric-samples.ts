import type { Insertable } from "kysely";
import { sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";
import type { MetricSampleTable } from "./backup-tables.ts";

/** What is measured of a managed server, in the API's words, with a title and unit for people. */
export const metricTitles = {
  cpu_usage: "CPU usage (% of the plan)",
  mem_usage: "Memory usage (% of the plan)",
  disk_usage: "Disk usage (% of the disk space)",
  diskio_read: "Disk reads (bytes/s)",
  diskio_writes: "Disk writes (bytes/s)",
  load_average: "Load average of the host",
} as const;

export type Metric = keyof typeof metricTitles;
export const metrics = Object.keys(metricTitles) as readonly Metric[];

export async function insertMetricSamples(
  db: CatalogDatabase,
  samples: readonly Insertable<MetricSampleTable>[],
): Promise<void> {
  if (samples.length === 0) return;
  await db
    .insertInto("metric_sample")
    .values([...samples])
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Samples of a service at one time: their mean, where there are several. */
export type MetricPoint = Readonly<Record<Metric, number | null>> & { readonly at: Date };

/** What was measured of a service since a time, in steps, oldest first. */
export async function metricPoints(
  db: CatalogDatabase,
  asked: { readonly serviceId: string; readonly since: Date; readonly stepSeconds: number },
): Promise<readonly MetricPoint[]> {
  const { serviceId, since, stepSeconds } = asked;
  const { rows } = await sql<MetricPoint>`
    select ${bucket(stepSeconds)} as at, ${means}
    from metric_sample where service_id = ${serviceId} and at > ${since}
    group by 1 order by 1`.execute(db);
  return rows;
}

/** Replaces samples by their means, one for each step, where all of the step is older than `before`. */
export async function thinMetricSamples(
  db: CatalogDatabase,
  thinning: { readonly before: Date; readonly stepSeconds: number },
): Promise<void> {
  const { before, stepSeconds } = thinning;
  const end = new Date(Math.floor(before.getTime() / 1000 / stepSeconds) * stepSeconds * 1000);
  await sql`
    with crowded as (
      select service_id, ${bucket(stepSeconds)} as step from metric_sample
      where at < ${end} group by 1, 2 having count(*) > 1),
    thinned as (
      delete from metric_sample using crowded
      where metric_sample.service_id = crowded.service_id and ${bucket(stepSeconds)} = crowded.step
      returning metric_sample.*)
    insert into metric_sample (service_id, at, ${columns})
    select service_id, ${bucket(stepSeconds)}, ${means} from thinned group by 1, 2`.execute(db);
}

const columns = sql.join(metrics.map((metric) => sql.ref(metric)));
const means = sql.join(metrics.map((metric) => sql`avg(${sql.ref(metric)}) as ${sql.ref(metric)}`));

function bucket(seconds: number) {
  return sql<Date>`to_timestamp(floor(extract(epoch from at) / ${sql.lit(seconds)}) * ${sql.lit(seconds)})`;
}
