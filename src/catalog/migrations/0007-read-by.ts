import type { Kysely } from "kysely";
import { sql } from "kysely";

/** What read base backups that btar did not read itself. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table base_backup add column read_by text`.execute(db);
}
