import { sql } from "kysely";
import { recordEvent } from "../../catalog/events.ts";
import { recoveryOf } from "../../catalog/recovery.ts";
import type { ControlPlaneContext } from "../context.ts";
import { lagSeconds, rpoSeconds } from "../status/protection.ts";
import { objectiveChange } from "./lag-objective.ts";

const daySeconds = 86_400;

/** From which age on samples are kept how finely, the finest first: as reports show them. */
const resolutions = [
  { olderThanSeconds: 2 * 3600, everySeconds: 300 },
  { olderThanSeconds: 2 * daySeconds, everySeconds: 1800 },
  { olderThanSeconds: 8 * daySeconds, everySeconds: 10_800 },
  { olderThanSeconds: 40 * daySeconds, everySeconds: daySeconds },
] as const;
const keepSeconds = 366 * daySeconds;

/** So many services are looked at together. */
const servicesAtOnce = 200;

/** Records lag and data at risk of every additional cloud (L1, L2), and tells when one falls behind (L4). */
export async function sampleLag(context: ControlPlaneContext): Promise<void> {
  const { db } = context.catalog;
  const services = await db
    .selectFrom("service")
    .select(["id", "name", "project"])
    .where("deleted_at", "is", null)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom("location")
          .select("cloud")
          .whereRef("location.service_id", "=", "service.id")
          .where("role", "=", "secondary")
          .where("state", "=", "active"),
      ),
    )
    .execute();
  for (let at = 0; at < services.length; at += servicesAtOnce) {
    await sampleServices(context, services.slice(at, at + servicesAtOnce));
  }
}

interface SampledService {
  readonly id: string;
  readonly name: string;
  readonly project: string;
}

async function sampleServices(context: ControlPlaneContext, services: readonly SampledService[]): Promise<void> {
  const { db } = context.catalog;
  const ids = services.map(({ id }) => id);
  const records = await context.catalog.services.of(ids);
  const previous = await newestSamples(context, ids);
  const now = context.clock.now();
  const samples = services.flatMap((service) => {
    const known = records.get(service.id);
    if (!known) return [];
    return recoveryOf(known).flatMap((location) => {
      const { cloud, role, state } = location;
      if (role !== "secondary" || state !== "active") return [];
      const row = known.locations.find((each) => each.cloud === cloud);
      const lag = lagSeconds(row?.oldest_missing_at ?? null, now);
      const pauseReason = row?.is_paused ? row.pause_reason : null;
      return [{ service, cloud, lag, rpo: rpoSeconds(location, now), pauseReason }];
    });
  });
  if (samples.length === 0) return;
  await sql`
    insert into lag_sample (service_id, cloud, at, lag_seconds, rpo_seconds)
    select service_id, cloud, ${now}::timestamptz, lag_seconds, rpo_seconds from unnest(
      ${samples.map(({ service }) => service.id)}::uuid[], ${samples.map(({ cloud }) => cloud)}::text[],
      ${samples.map(({ lag }) => lag)}::float8[], ${samples.map(({ rpo }) => rpo)}::float8[])
      as sample (service_id, cloud, lag_seconds, rpo_seconds)
    on conflict do nothing`.execute(db);
  for (const { service, cloud, lag, pauseReason } of samples) {
    const before = previous.get(`${service.id} ${cloud}`) ?? 0;
    await tellObjective(context, { service, cloud, pauseReason }, { before, now: lag });
  }
}

/** Seconds of lag by `SERVICE CLOUD`. */
async function newestSamples(
  context: ControlPlaneContext,
  serviceIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ service_id: string; cloud: string; lag_seconds: number }>`
    select location.service_id, location.cloud, newest.lag_seconds from location
    join lateral (select lag_seconds from lag_sample
      where service_id = location.service_id and cloud = location.cloud order by at desc limit 1) newest on true
    where location.service_id = any(${serviceIds}::uuid[])`.execute(context.catalog.db);
  return new Map(rows.map(({ service_id, cloud, lag_seconds }) => [`${service_id} ${cloud}`, lag_seconds]));
}

async function tellObjective(
  context: ControlPlaneContext,
  {
    service,
    cloud,
    pauseReason,
  }: { readonly service: SampledService; readonly cloud: string; readonly pauseReason: string | null },
  lag: { readonly before: number; readonly now: number },
): Promise<void> {
  const { name, project } = service;
  const objective = context.configuration.limits.lagObjectiveSeconds;
  const change = objectiveChange(lag, objective);
  if (!change) return;
  const why = pauseReason === null ? "" : `; copying is paused: ${pauseReason}`;
  await recordEvent(context.catalog.db, {
    project,
    service,
    kind: change === "behind" ? "location_behind" : "location_caught_up",
    severity: change === "behind" ? "warning" : "info",
    message:
      change === "behind"
        ? `the copy of ${name} in ${cloud} is ${Math.round(lag.now)} s behind (objective ${objective} s)${why}`
        : `the copy of ${name} in ${cloud} has caught up`,
  });
}

/** Keeps a year of samples, the older the coarser; of those that fall together the worst stays. */
export async function thinSamples({ catalog, clock }: ControlPlaneContext): Promise<void> {
  const before = (seconds: number) => new Date(clock.now().getTime() - seconds * 1000);
  await catalog.db.deleteFrom("lag_sample").where("at", "<", before(keepSeconds)).execute();
  for (const { olderThanSeconds, everySeconds } of resolutions) {
    await sql`
      delete from lag_sample dropped using lag_sample kept
      where dropped.at < ${before(olderThanSeconds)}
        and kept.service_id = dropped.service_id and kept.cloud = dropped.cloud
        and floor(extract(epoch from kept.at) / ${everySeconds})
          = floor(extract(epoch from dropped.at) / ${everySeconds})
        and (kept.lag_seconds > dropped.lag_seconds
          or (kept.lag_seconds = dropped.lag_seconds and kept.at < dropped.at))`.execute(catalog.db);
  }
}
