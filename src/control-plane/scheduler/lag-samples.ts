import { sql } from "kysely";
import { recordEvent } from "../../catalog/events.ts";
import { recoveryByLocation } from "../../catalog/recovery.ts";
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

/** Records lag and data at risk of every additional cloud (L1, L2), and tells when one falls behind (L4). */
export async function sampleLag(context: ControlPlaneContext): Promise<void> {
  const { db } = context.catalog;
  const locations = await db
    .selectFrom("location")
    .innerJoin("service", "service.id", "location.service_id")
    .select(["location.service_id", "location.cloud", "location.oldest_missing_at", "service.name", "service.project"])
    .where("location.role", "=", "secondary")
    .where("location.state", "=", "active")
    .where("service.deleted_at", "is", null)
    .execute();
  const now = context.clock.now();
  for (const location of locations) {
    const { service_id, cloud, oldest_missing_at } = location;
    const recovery = (await recoveryByLocation(db, service_id)).find((at) => at.cloud === cloud);
    if (!recovery) continue; // removed meanwhile
    const lag = lagSeconds(oldest_missing_at, now);
    const previous = await newestSample(context, service_id, cloud);
    await db
      .insertInto("lag_sample")
      .values({ service_id, cloud, at: now, lag_seconds: lag, rpo_seconds: rpoSeconds(recovery, now) })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await tellObjective(context, location, { before: previous ?? 0, now: lag });
  }
}

async function newestSample(
  context: ControlPlaneContext,
  serviceId: string,
  cloud: string,
): Promise<number | undefined> {
  const row = await context.catalog.db
    .selectFrom("lag_sample")
    .select("lag_seconds")
    .where("service_id", "=", serviceId)
    .where("cloud", "=", cloud)
    .orderBy("at", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.lag_seconds;
}

async function tellObjective(
  context: ControlPlaneContext,
  location: { readonly service_id: string; readonly cloud: string; readonly name: string; readonly project: string },
  lag: { readonly before: number; readonly now: number },
): Promise<void> {
  const { service_id, cloud, name, project } = location;
  const objective = context.configuration.limits.lagObjectiveSeconds;
  const change = objectiveChange(lag, objective);
  if (!change) return;
  await recordEvent(context.catalog.db, {
    project,
    service: { id: service_id, name },
    kind: change === "behind" ? "location_behind" : "location_caught_up",
    severity: change === "behind" ? "warning" : "info",
    message:
      change === "behind"
        ? `the copy of ${name} in ${cloud} is ${Math.round(lag.now)} s behind (objective ${objective} s)`
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
