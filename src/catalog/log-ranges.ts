import { sql } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";

/** Log without a gap that was stored at a location: a piece, or several. */
export interface RecordedLog {
  readonly serviceId: string;
  readonly cloud: string;
  readonly stream: string;
  readonly start: string;
  readonly end: string;
  readonly newestCommitMicros: bigint | undefined;
  readonly sizeBytes: number;
  readonly pieceCount: number;
  readonly storedAt: Date;
}

/**
 * Records that log is stored at a location: extends the range that it follows on, joins it with the one that begins
 * where it ends, or begins a new range after a gap. Recording it twice changes nothing.
 */
export async function recordLog(db: CatalogDatabase, log: RecordedLog): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const ranges = await trx
      .selectFrom("log_range")
      .selectAll()
      .where("service_id", "=", log.serviceId)
      .where("cloud", "=", log.cloud)
      .where("stream", "=", log.stream)
      .where("start_position", "<=", log.end)
      .where("end_position", ">=", log.start)
      .orderBy("start_position")
      .forUpdate()
      .execute();
    if (ranges.some((range) => range.start_position <= log.start && range.end_position >= log.end)) return;
    const first = ranges[0];
    const start = first && first.start_position < log.start ? first.start_position : log.start;
    const last = ranges.at(-1);
    const end = last && last.end_position > log.end ? last.end_position : log.end;
    const commits = [...ranges.map((range) => range.newest_commit_micros), log.newestCommitMicros ?? null].flatMap(
      (micros) => (micros === null ? [] : [BigInt(micros)]),
    );
    const newest = commits.reduce<bigint | undefined>((a, b) => (a === undefined || b > a ? b : a), undefined);
    const covered = [
      ...ranges.map((range) => range.covered_until?.getTime() ?? 0),
      newest ? Number(newest / 1000n) : 0,
    ];
    const coveredUntil = Math.max(...covered);
    await trx
      .deleteFrom("log_range")
      .where("service_id", "=", log.serviceId)
      .where("cloud", "=", log.cloud)
      .where("stream", "=", log.stream)
      .where("start_position", "in", [...ranges.map((range) => range.start_position), ""])
      .execute();
    await trx
      .insertInto("log_range")
      .values({
        service_id: log.serviceId,
        cloud: log.cloud,
        stream: log.stream,
        start_position: start,
        end_position: end,
        newest_commit_micros: newest === undefined ? null : String(newest),
        covered_until: coveredUntil === 0 ? null : new Date(coveredUntil),
        stored_at: log.storedAt,
        piece_count: ranges.reduce((sum, range) => sum + range.piece_count, log.pieceCount),
        stored_bytes: ranges.reduce((sum, range) => sum + range.stored_bytes, log.sizeBytes),
      })
      .execute();
  });
}

/** The end of the stored log of a stream at a location; undefined if nothing of it is there. */
export async function newestLogRange(
  db: CatalogDatabase,
  where: { readonly serviceId: string; readonly cloud: string },
): Promise<
  | { readonly stream: string; readonly start: string; readonly end: string; readonly coveredUntil: Date | null }
  | undefined
> {
  const row = await db
    .selectFrom("log_range")
    .select(["stream", "start_position", "end_position", "covered_until"])
    .where("service_id", "=", where.serviceId)
    .where("cloud", "=", where.cloud)
    .orderBy("stored_at", "desc")
    .orderBy("end_position", "desc")
    .limit(1)
    .executeTakeFirst();
  return (
    row && { stream: row.stream, start: row.start_position, end: row.end_position, coveredUntil: row.covered_until }
  );
}

/** Up to where a location holds a stream's log without a gap from a position on; undefined: it does not hold that. */
export async function endOfLogFrom(
  db: CatalogDatabase,
  from: { readonly serviceId: string; readonly cloud: string; readonly stream: string; readonly position: string },
): Promise<string | undefined> {
  const row = await db
    .selectFrom("log_range")
    .select("end_position")
    .where("service_id", "=", from.serviceId)
    .where("cloud", "=", from.cloud)
    .where("stream", "=", from.stream)
    .where("start_position", "<=", from.position)
    .where("end_position", ">=", from.position)
    .executeTakeFirst();
  return row?.end_position;
}

/**
 * Notes that everything committed by `at` lies before `position`, which is stored at the location: the recovery
 * window of an idle service goes on.
 */
export async function recordCovered(
  db: CatalogDatabase,
  covered: {
    readonly serviceId: string;
    readonly cloud: string;
    readonly stream: string;
    readonly position: string;
    readonly at: Date;
  },
): Promise<void> {
  await db
    .updateTable("log_range")
    .set({ covered_until: covered.at })
    .where("service_id", "=", covered.serviceId)
    .where("cloud", "=", covered.cloud)
    .where("stream", "=", covered.stream)
    .where("end_position", ">=", covered.position)
    .where((eb) => eb.or([eb("covered_until", "is", null), eb("covered_until", "<", covered.at)]))
    .execute();
}

/** Marks the additional clouds of a service as lacking something that was stored in the primary at `storedAt` (L1). */
export async function markSecondariesLacking(db: CatalogDatabase, serviceId: string, storedAt: Date): Promise<void> {
  await db
    .updateTable("location")
    .set({ oldest_missing_at: storedAt })
    .where("service_id", "=", serviceId)
    .where("role", "=", "secondary")
    .where("oldest_missing_at", "is", null)
    .execute();
}

/**
 * Recomputes since when a secondary lacks something, after something was copied: the oldest base backup that is not
 * complete there, or log that it does not have yet.
 * @param oldestMissingLog when the oldest log object it still lacks was stored in the primary, as the copier saw it
 */
export async function settleMissing(
  db: CatalogDatabase,
  where: { readonly serviceId: string; readonly cloud: string },
  oldestMissingLog: Date | undefined,
): Promise<void> {
  const { serviceId, cloud } = where;
  await sql`
    update location set oldest_missing_at = least(
      ${oldestMissingLog ?? null}::timestamptz,
      (select min(b.completed_at) from base_backup b join backup_location l on l.backup_id = b.id
        where b.service_id = ${serviceId} and b.state = 'complete' and l.cloud = ${cloud}
          and l.state in ('waiting', 'copying', 'failed')),
      -- log stored in the primary since the copier looked
      (select min(p.stored_at) from log_range p
        where p.service_id = ${serviceId} and p.cloud = (select cloud from location
            where service_id = ${serviceId} and role = 'primary')
          and not exists (select 1 from log_range s where s.service_id = p.service_id and s.cloud = ${cloud}
            and s.stream = p.stream and s.end_position >= p.end_position)))
    where service_id = ${serviceId} and cloud = ${cloud}`.execute(db);
}
