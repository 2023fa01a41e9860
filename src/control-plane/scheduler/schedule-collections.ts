import { performance } from "node:perf_hooks";
import { sql } from "kysely";
import { moveRetentionClock, retentionNow } from "../../catalog/catalog-clock.ts";
import type { CatalogDatabase } from "../../catalog/catalog.ts";
import { recordEvent } from "../../catalog/events.ts";
import { forgetDeletedServices } from "../../catalog/removal.ts";
import { retentionByLocation } from "../../catalog/retention.ts";
import type { ControlPlaneContext } from "../context.ts";

const hourMs = 3_600_000;

interface Place {
  readonly service_id: string;
  readonly service_name: string;
  readonly project: string;
  readonly cloud: string;
}

/** Asks for collections: after each base backup or copy, when something has expired, and when a grace time is over. */
export class CollectionSchedule {
  readonly #context: ControlPlaneContext;
  #movedAtMs = performance.now();
  #wasHeldBack = false;

  constructor(context: ControlPlaneContext) {
    this.#context = context;
  }

  /** Moves the clock that retention goes by, and tells once when the catalog's has jumped ahead of it. */
  async #moveClock(): Promise<Date> {
    const nowMs = performance.now();
    const { at, isHeldBack } = await moveRetentionClock(this.#context.catalog.db, nowMs - this.#movedAtMs);
    this.#movedAtMs = nowMs;
    if (isHeldBack === this.#wasHeldBack) return at;
    this.#wasHeldBack = isHeldBack;
    const { logger } = this.#context;
    if (!isHeldBack) logger.info({ at }, "backups expire by the clock again");
    else logger.warn({ at }, "the clock is far ahead of the last time; backups expire as if it went on from there");
    return at;
  }

  /**
   * What a backup or copy that has just ended has made superfluous, and locations whose grace time is over.
   * @returns when a grace time is over next
   */
  async collectAfterChanges(): Promise<Date | undefined> {
    const { db } = this.#context.catalog;
    const now = await this.#moveClock();
    await endDeletedServices(this.#context, now);
    await forgetDeletedServices(db); // whose servers went after their backups
    const { rows } = await sql<Place>`
      select location.service_id, service.name as service_name, service.project, location.cloud
      from location join service on service.id = location.service_id
      where ${hasNoCollection} and (
        (location.state = 'active' and service.deleted_at is null and service.rebuilt_at is null
          and exists (select from backup_location l where l.service_id = service.id and l.cloud = location.cloud
            and l.state = 'complete' and l.completed_at > coalesce(location.collected_at, '-infinity')))
        or (location.state = 'deleting' and location.delete_after <= ${now}
          and (location.collected_at is null or location.collected_at < location.delete_after
            or location.collected_at < clock_timestamp() - interval '1 hour')))`.execute(db);
    for (const place of rows) await this.#request(place);
    return await this.#nextGraceEnd();
  }

  async #nextGraceEnd(): Promise<Date | undefined> {
    const { catalog, configuration } = this.#context;
    const { rows } = await sql<{ next: Date | null }>`select least(
      (select min(delete_after) from location where ${hasNoCollection} and state = 'deleting'
        and (collected_at is null or collected_at < delete_after)),
      (select min(deleted_at) + make_interval(secs => ${configuration.limits.deleteGraceHours * 3600}) from service
        where exists (select from location where service_id = service.id and state = 'active'))) as next`.execute(
      catalog.db,
    );
    return rows[0]?.next ?? undefined;
  }

  /** What has expired by the passing of time, or was left by work that did not end well; once a day in any case. */
  async collectExpired(): Promise<void> {
    const { catalog, configuration } = this.#context;
    const { db } = catalog;
    const now = await retentionNow(db);
    if (!now) return;
    const { rows } = await sql<Place & { readonly is_due: boolean }>`
      select location.service_id, service.name as service_name, service.project, location.cloud,
        (coalesce(location.collected_at, '-infinity') < clock_timestamp() - interval '24 hours'
          or exists (select from backup_location l where l.service_id = service.id and l.cloud = location.cloud
            and l.state = 'deleting')
          or exists (select from job where job.service_id = service.id and job.cloud = location.cloud
            and job.kind in ('backup', 'copy') and (job.state in ('failed', 'cancelled') or job.attempts > 1)
            and job.finished_at > coalesce(location.collected_at, '-infinity')
              - make_interval(secs => ${configuration.backups.leftoverHours * 3600}))) as is_due
      from location join service on service.id = location.service_id
      where ${hasNoCollection} and location.state = 'active' and service.deleted_at is null
        and service.rebuilt_at is null`.execute(db);
    for (const place of rows) {
      if (place.is_due || (await this.#hasExpired(place, now))) await this.#request(place);
    }
  }

  async #hasExpired({ service_id, cloud }: Place, now: Date): Promise<boolean> {
    const { catalog, configuration } = this.#context;
    const service = await catalog.db.selectFrom("service").selectAll().where("id", "=", service_id).executeTakeFirst();
    if (!service) return false;
    const options = { now, defaultDays: configuration.backups.retentionDays };
    const retention = await retentionByLocation(catalog.db, service, options);
    const decisions = retention.find((location) => location.cloud === cloud)?.decisions ?? [];
    return decisions.some(({ reason }) => reason === "expired");
  }

  async #request({ service_id, service_name, project, cloud }: Place): Promise<void> {
    const service = { id: service_id, name: service_name };
    await this.#context.jobs.enqueue({ kind: "collect", cloud, project, service, input: {} });
  }
}

const hasNoCollection = sql`not exists (select from job where job.service_id = location.service_id
  and job.kind = 'collect' and job.cloud = location.cloud and job.state in ('queued', 'running', 'waiting'))`;

/** D3: when the grace time of a deleted service is over, so is that of all its locations. */
async function endDeletedServices(context: ControlPlaneContext, now: Date): Promise<void> {
  const { catalog, configuration, jobs } = context;
  const deletedBefore = new Date(now.getTime() - configuration.limits.deleteGraceHours * hourMs);
  const services = await catalog.db
    .selectFrom("service")
    .select(["id", "name", "project"])
    .where("deleted_at", "<=", deletedBefore)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom("location")
          .select("cloud")
          .whereRef("location.service_id", "=", "service.id")
          .where("state", "=", "active"),
      ),
    )
    .execute();
  for (const service of services) {
    await catalog.db.transaction().execute((trx) => endDeletedService(trx, service, now));
    const copies = await catalog.db
      .selectFrom("job")
      .select("id")
      .where("service_id", "=", service.id)
      .where("kind", "=", "copy")
      .where("state", "in", ["queued", "running", "waiting"])
      .execute();
    for (const { id } of copies) await jobs.cancel(id);
  }
}

async function endDeletedService(
  trx: CatalogDatabase,
  service: { readonly id: string; readonly name: string; readonly project: string },
  now: Date,
): Promise<void> {
  await trx
    .updateTable("location")
    .set({ state: "deleting", delete_after: now, oldest_missing_at: null, trouble: null })
    .where("service_id", "=", service.id)
    .where("state", "=", "active")
    .execute();
  await recordEvent(trx, {
    project: service.project,
    service,
    kind: "service_backups_ending",
    severity: "info",
    message: `the backups of ${service.name}, which was deleted, are removed now: their grace time is over`,
  });
}
