import { sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";

/** What stands for the state of a project: where a mark differs from an earlier one, something has changed. */
export interface ChangeMarks {
  /** By the name of the service: itself, its locations, backups, log and damage. */
  readonly services: ReadonlyMap<string, string>;
  readonly jobs: string;
  readonly events: string;
}

/**
 * Sums of hashes do not depend on the order of rows. Agents' signs of life and the like are no changes. Services are put
 * together with their marks here: a join would be planned by statistics that lag behind what is being changed.
 */
export async function changeMarks(db: CatalogDatabase, project: string): Promise<ChangeMarks> {
  const services = await db
    .selectFrom("service")
    .select(["id", "name"])
    .where("project", "=", project)
    .where("deleted_at", "is", null)
    .execute();
  const { rows } = await sql<{ service_id: string; mark: string }>`
    select service_id, sum(mark)::text as mark from (
      select id as service_id, hashtextextended(concat_ws(' ', state, trouble, updated_at, generation, applied_generation,
        host, port, is_powered), 0) as mark from service
      union all select service_id, hashtextextended(concat_ws(' ', cloud, state, retiring_since, is_paused, pause_reason,
        delete_after, oldest_missing_at, trouble, retention_days, verified_until), 1) from location
      union all select service_id, hashtextextended(concat_ws(' ', id, state, trouble, is_kept, kept_until, stored_bytes), 2)
        from base_backup
      union all select service_id, hashtextextended(concat_ws(' ', backup_id, cloud, state, done_bytes, total_bytes,
        trouble), 3) from backup_location
      union all select service_id, hashtextextended(concat_ws(' ', cloud, stream, start_position, end_position,
        covered_until), 4) from log_range
      union all select service_id, hashtextextended(concat_ws(' ', cloud, key, kind), 5) from damaged_object
      union all select service_id, hashtextextended(concat_ws(' ', cloud, structure_at, data_verified_at), 6)
        from verification
    ) as marks group by service_id`.execute(db);
  const marks = new Map(rows.map(({ service_id, mark }) => [service_id, mark]));
  return {
    services: new Map(services.map(({ id, name }) => [name, `${id} ${marks.get(id) ?? ""}`])),
    ...(await marksOfWork(db, project)),
  };
}

async function marksOfWork(db: CatalogDatabase, project: string): Promise<Pick<ChangeMarks, "jobs" | "events">> {
  const whole = await sql<{ jobs: string; events: string }>`
    select
      (select concat_ws(' ', count(*), sum(hashtextextended(concat_ws(' ', id, state, progress, trouble), 0))) from job
        where project = ${project} and (finished_at is null or finished_at > now() - interval '5 minutes')) as jobs,
      (select coalesce(max(id), 0)::text from event where project = ${project}) as events`.execute(db);
  const [row] = whole.rows;
  return { jobs: row?.jobs ?? "", events: row?.events ?? "" };
}
