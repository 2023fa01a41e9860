import type { Kysely } from "kysely";
import { sql } from "kysely";

const statements = [
  "alter table base_backup add column gtids_at_least text",
  "alter table base_backup add column gtids_at_most text",
];

/** Which transactions base backups of MySQL hold. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
