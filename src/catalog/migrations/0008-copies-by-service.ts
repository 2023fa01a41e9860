import type { Kysely } from "kysely";
import { sql } from "kysely";

const statements = [
  "create index backup_location_service on backup_location (service_id, cloud)",
  `create index event_reservation on event (service_id, id desc)
     where kind in ('slot_holds_wal', 'slot_released_wal')`,
];

/** What is asked of each service again and again is found without a look at all of them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
