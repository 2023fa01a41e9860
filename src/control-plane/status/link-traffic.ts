import { sql } from "kysely";
import type { Static } from "typebox";
import type { statusAnswer } from "../../contract/status.ts";
import type { ControlPlaneContext } from "../context.ts";

type LinkTraffic = Static<typeof statusAnswer>["links"][number];

/** What arrives now is measured over the time since a sample that is at least as old. */
const recentSeconds = 60;

/**
 * What crosses from the clouds of primary backups to those of their copies, for all services of a project together.
 * Base backups that are being copied count with what was sent so far.
 */
export async function linkTraffic(
  { catalog, clock, configuration }: ControlPlaneContext,
  project: string,
): Promise<readonly LinkTraffic[]> {
  const now = clock.now();
  const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
  /** What had arrived by then: by a sample, else nothing for what is younger; of older places, by the first sample. */
  const arrivedBy = (at: Date) => sql`
    left join lateral (select coalesce(
      (select log_bytes + backup_bytes from store_sample sample where sample.service_id = place.service_id
        and sample.cloud = place.cloud and sample.at <= ${at} order by sample.at desc limit 1),
      (select log_bytes + backup_bytes from store_sample sample where sample.service_id = place.service_id
        and sample.cloud = place.cloud and place.created_at <= ${at} order by sample.at limit 1),
      0) as bytes)`;
  const { rows } = await sql<Omit<LinkTraffic, "bandwidth_limit">>`
    select origin.cloud as from_cloud, place.cloud as to_cloud, count(*) as copies,
      sum(coalesce((place.log_bytes_total - recent.log_bytes) / greatest(1, extract(epoch from ${now} - recent.at)), 0)
        + running.rate)::double precision as bytes_per_second,
      sum(place.log_bytes_total + place.backup_bytes_total - hour.bytes + running.sent)::bigint as bytes_last_hour,
      sum(place.log_bytes_total + place.backup_bytes_total - day.bytes + running.sent)::bigint as bytes_last_day
    from location place
    join service on service.id = place.service_id and service.project = ${project} and service.deleted_at is null
    join location origin on origin.service_id = place.service_id and origin.role = 'primary'
    left join lateral (select at, log_bytes from store_sample sample where sample.service_id = place.service_id
      and sample.cloud = place.cloud and sample.at <= ${ago(recentSeconds)} order by sample.at desc limit 1) recent on true
    left join lateral (select coalesce(sum(sent_bytes), 0) as sent,
        coalesce(sum(sent_bytes / greatest(1, extract(epoch from ${now} - started_at))), 0) as rate
      from backup_location copy where copy.service_id = place.service_id and copy.cloud = place.cloud
        and copy.state = 'copying') running on true
    ${arrivedBy(ago(3600))} hour on true
    ${arrivedBy(ago(86_400))} day on true
    where place.role = 'secondary' and place.state = 'active'
    group by 1, 2 order by 1, 2`.execute(catalog.db);
  return rows.map((row) => {
    const limit = configuration.limits.bandwidth.find(({ from, to }) => from === row.from_cloud && to === row.to_cloud);
    return { ...row, bandwidth_limit: limit?.bytesPerSecond ?? null };
  });
}
