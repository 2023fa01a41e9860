import { sql } from "kysely";
import { advanceRetentionClock } from "../domain/retention.ts";
import type { CatalogDatabase } from "./catalog.ts";

const retentionClockKey = "retention-clock";

/** The time of the catalog's server. */
export async function catalogNow(db: CatalogDatabase): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  const [row] = rows;
  return row?.now ?? new Date(Number.NaN);
}

/** The time that retention goes by; undefined before a server has set it. */
export async function retentionNow(db: CatalogDatabase): Promise<Date | undefined> {
  const row = await db.selectFrom("setting").select("value").where("key", "=", retentionClockKey).executeTakeFirst();
  return row && new Date(row.value);
}

/**
 * Moves the time that retention goes by towards that of the catalog's server.
 * @param elapsedMs that really passed since the last time, by a clock that nobody sets
 */
export async function moveRetentionClock(
  db: CatalogDatabase,
  elapsedMs: number,
): Promise<ReturnType<typeof advanceRetentionClock>> {
  const moved = advanceRetentionClock({ previous: await retentionNow(db), now: await catalogNow(db), elapsedMs });
  const value = moved.at.toISOString();
  await db
    .insertInto("setting")
    .values({ key: retentionClockKey, value })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ value }))
    .execute();
  return moved;
}
