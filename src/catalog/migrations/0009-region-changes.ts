import type { Kysely } from "kysely";
import { sql } from "kysely";

const statements = [
  "alter table location add column retiring_since timestamptz",
  "alter table service add column regions_changed_at timestamptz",
  `update service set regions_changed_at = (select max(created_at) from location
     where location.service_id = service.id and location.role = 'secondary')`,
];

/** Additional clouds make way only when others have what they have, and not too often. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
