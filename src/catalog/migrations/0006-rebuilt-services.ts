import type { Kysely } from "kysely";
import { sql } from "kysely";

/** Services that a catalog knows from a store alone (R3). */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table service add column rebuilt_at timestamptz`.execute(db);
}
