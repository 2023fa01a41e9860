import { sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";

/** What stands for the state of a project: where a mark differs from an earlier one, something has changed. */
export interface ChangeMarks {
  /** By the name of the service: itself, its locations, backups, log and damage. */
  readonly services: ReadonlyMap<string, string>;
  readonly jobs: string;
  readonly events: string;
}

/** Sums of hashes do not depend on the order of rows. Agents' signs of life and the like are no changes. */
export async function changeMarks(db: CatalogDatabase, project: string): Promise<ChangeMarks> {
  const parts = await sql<{ name: string; mark: string }>`
    with mine as (select id, name from service where project = ${project} and deleted_at is null),
    marks as (
      select id as service_id, hashtextextended(concat_ws(' ', state, trouble, updated_at, generation, applied_generation,
        host, port, is_powered), 0) as mark from service where project = ${project} and deleted_at is null
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
    )
    select mine.name, sum(marks.mark)::text as mark from marks join mine on mine.id = marks.service_id group by mine.name`.execute(
    db,
  );
  const whole = await sql<{ jobs: string; events: string }>`
    select
      (select concat_ws(' ', count(*), sum(hashtextextended(concat_ws(' ', id, state, progress, trouble), 0))) from job
        where project = ${project} and (finished_at is null or finished_at > now() - interval '5 minutes')) as jobs,
      (select coalesce(max(id), 0)::text from event where project = ${project}) as events`.execute(db);
  const [row] = whole.rows;
  return {
    services: new Map(parts.rows.map(({ name, mark }) => [name, mark])),
    jobs: row?.jobs ?? "",
    events: row?.events ?? "",
  };
}
