import { sql } from "kysely";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { type ProtectionFields, protectionsFields } from "../status/protection.ts";
import { type Family, type Sample, timestamp } from "./families.ts";

/** So many services are looked at together. */
const servicesAtOnce = 200;

/** What there is to measure of services and of each place that their backups are in. */
export async function serviceFamilies(context: ControlPlaneContext): Promise<readonly Family[]> {
  const rows = await context.catalog.db.selectFrom("service").selectAll().where("deleted_at", "is", null).execute();
  const services: Measured[] = [];
  for (let at = 0; at < rows.length; at += servicesAtOnce) {
    const some = rows.slice(at, at + servicesAtOnce);
    const protections = await protectionsFields(context, some);
    services.push(...some.flatMap((row, index) => measuredOf(row, protections[index])));
  }
  return [
    ...familiesOfServices(services),
    ...familiesOfLocations(services),
    ...(await familiesOfStores(context)),
    await familyOfFailures(context),
  ];
}

interface Measured {
  readonly row: ServiceRow;
  readonly protection: ProtectionFields;
}

function measuredOf(row: ServiceRow, protection: ProtectionFields | undefined): readonly Measured[] {
  return protection ? [{ row, protection }] : [];
}

function familiesOfServices(services: readonly Measured[]): readonly Family[] {
  const each = (value: (service: Measured) => number): readonly Sample[] =>
    services.map((service) => ({
      labels: { project: service.row.project, service: service.row.name },
      value: value(service),
    }));
  return [
    {
      name: "btar_service_info",
      help: "1; its labels tell what the service is",
      type: "gauge",
      samples: services.map(({ row: { project, name, engine, kind, cloud, version } }) => ({
        labels: { project, service: name, engine, kind, cloud, version },
        value: 1,
      })),
    },
    {
      name: "btar_service_running",
      help: "1 while the service runs as it should, or is powered off on purpose; else 0",
      type: "gauge",
      samples: each(({ row }) => (row.trouble === null && (!row.is_powered || isRunning(row)) ? 1 : 0)),
    },
    {
      name: "btar_service_log_held_back",
      help: "1 while the server holds back more log for btar than it should have to",
      type: "gauge",
      samples: each(({ protection }) => (protection.reservation_warning === null ? 0 : 1)),
    },
  ];
}

function isRunning({ state }: ServiceRow): boolean {
  return state === "RUNNING" || state === "REBALANCING";
}

type Location = ProtectionFields["locations"][number];

function familiesOfLocations(services: readonly Measured[]): readonly Family[] {
  const gauge = (name: string, help: string, value: (location: Location) => number | null): Family => ({
    name: `btar_location_${name}`,
    help,
    type: "gauge",
    samples: services.flatMap(({ row, protection }) =>
      protection.locations.map((location) => ({
        labels: { project: row.project, service: row.name, cloud: location.cloud, role: location.role },
        value: value(location),
      })),
    ),
  });
  return [
    gauge(
      "replication_lag_seconds",
      "Since when an additional cloud lacks something that the primary holds; 0 when it lacks nothing",
      (location) => location.replication_lag_seconds,
    ),
    gauge("data_at_risk_seconds", "Now minus the end of the recovery window (RPO)", ({ rpo_seconds }) => rpo_seconds),
    gauge("recovery_window_start_timestamp_seconds", "Oldest time that can be restored", ({ recovery_window }) =>
      timestamp(recovery_window?.earliest_at ?? null),
    ),
    gauge("recovery_window_end_timestamp_seconds", "Newest time that can be restored", ({ recovery_window }) =>
      timestamp(recovery_window?.latest_at ?? null),
    ),
    gauge("complete_backups", "Base backups that are complete there", ({ complete_backups }) => complete_backups),
    gauge("paused", "1 while copying to it is paused", ({ paused }) => Number(paused)),
    gauge("in_trouble", "1 while it waits for something or fails", ({ trouble }) => Number(trouble !== null)),
    gauge(
      "damaged_objects",
      "Stored objects that are damaged or missing",
      ({ verification }) => verification.damaged.filter(({ kind }) => kind !== "stray").length,
    ),
    gauge("last_verified_timestamp_seconds", "When it was last checked that everything is there", ({ verification }) =>
      timestamp(verification.last_verified_at),
    ),
    gauge("data_verified_timestamp_seconds", "Everything older has been read since", ({ verification }) =>
      timestamp(verification.data_verified_at),
    ),
  ];
}

interface FailedJobs {
  readonly project: string;
  readonly service: string;
  readonly cloud: string;
  readonly kind: string;
  readonly count: number;
}

/**
 * Long work for a service that failed for good. What never failed is told as 0 where it is done again and again: of a
 * figure that begins with 1, nobody can tell that it has grown.
 */
async function familyOfFailures({ catalog }: ControlPlaneContext): Promise<Family> {
  const { rows } = await sql<FailedJobs>`
    select service.project, service.name as service, failures.cloud, failures.kind, sum(count)::bigint as count from (
        select service_id, cloud, kind, count(*) as count from job where state = 'failed' group by 1, 2, 3
        union all
        select service_id, cloud, unnest(array[case role when 'primary' then 'backup' else 'copy' end, 'verify', 'collect']), 0
        from location where state = 'active') failures
    join service on service.id = failures.service_id and service.deleted_at is null
    group by 1, 2, 3, 4`.execute(catalog.db);
  return {
    name: "btar_service_failed_jobs_total",
    help: "Jobs for the service that failed for good",
    type: "counter",
    samples: rows.map(({ count, ...labels }) => ({ labels, value: count })),
  };
}

interface StoreRow {
  readonly project: string;
  readonly service: string;
  readonly cloud: string;
  readonly role: string;
  readonly newest: Date | null;
  readonly backup_bytes: number;
  readonly log_bytes: number;
  readonly restored: Date | null;
  readonly log_arrived: number;
  readonly backups_arrived: number;
  readonly held: number | null;
  readonly lacking: number | null;
}

async function familiesOfStores({ catalog }: ControlPlaneContext): Promise<readonly Family[]> {
  const { rows } = await sql<StoreRow>`
    select service.project, service.name as service, location.cloud, location.role, copies.newest,
      coalesce(copies.bytes, 0) as backup_bytes, coalesce(log.bytes, 0) as log_bytes, restores.newest as restored,
      location.log_bytes_total as log_arrived, location.backup_bytes_total as backups_arrived,
      sample.held_bytes as held, sample.lacking_bytes as lacking
    from location join service on service.id = location.service_id and service.deleted_at is null
    left join (select copy.service_id, copy.cloud, max(backup.consistent_at) as newest,
        sum(case when copy.role = 'primary' then backup.stored_bytes else copy.sent_bytes end)::bigint as bytes
      from backup_location copy join base_backup backup on backup.id = copy.backup_id
      where copy.state = 'complete' group by 1, 2) copies
      on copies.service_id = location.service_id and copies.cloud = location.cloud
    left join lateral (select held_bytes, lacking_bytes from store_sample
      where store_sample.service_id = location.service_id and store_sample.cloud = location.cloud
      order by at desc limit 1) sample on true
    left join (select service_id, cloud, sum(stored_bytes)::bigint as bytes from log_range group by 1, 2) log
      on log.service_id = location.service_id and log.cloud = location.cloud
    left join (select coalesce(input -> 'source' ->> 'serviceId', service_id::text) as source,
        input ->> 'fromCloud' as cloud, max(finished_at) as newest
      from job where kind in ('fork', 'restore') and state = 'complete' group by 1, 2) restores
      on restores.source = location.service_id::text and restores.cloud = location.cloud`.execute(catalog.db);
  const gauge = (name: string, help: string, value: (row: StoreRow) => number | null): Family => ({
    name: `btar_location_${name}`,
    help,
    type: "gauge",
    samples: rows.map((row) => {
      const { project, service, cloud, role } = row;
      return { labels: { project, service, cloud, role }, value: value(row) };
    }),
  });
  const seconds = (at: Date | null) => timestamp(at?.toISOString() ?? null);
  return [
    gauge("newest_backup_timestamp_seconds", "Moment of the newest base backup that is complete there", ({ newest }) =>
      seconds(newest),
    ),
    gauge("backup_bytes", "Bytes that the base backups there have added or sent", (row) => row.backup_bytes),
    gauge("log_bytes", "Bytes of log that were stored there", (row) => row.log_bytes),
    {
      name: "btar_location_received_bytes_total",
      help: "Bytes that have ever been stored at or copied to the place, by what they are of: log or backups",
      type: "counter",
      samples: rows.flatMap(({ project, service, cloud, role, log_arrived, backups_arrived }) => [
        { labels: { project, service, cloud, role, of: "log" }, value: log_arrived },
        { labels: { project, service, cloud, role, of: "backups" }, value: backups_arrived },
      ]),
    },
    gauge("stored_bytes", "Bytes that the place holds, as of the last minute", ({ held }) => held),
    gauge("bytes_to_copy", "Bytes that an additional cloud lacks, as of the last minute", ({ lacking }) => lacking),
    gauge("last_restored_timestamp_seconds", "When a fork or restore from there was complete last", ({ restored }) =>
      seconds(restored),
    ),
  ];
}
