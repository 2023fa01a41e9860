import { type Selectable, sql } from "kysely";
import type { RetainedSpan } from "../domain/log-retention.ts";
import type { CatalogDatabase } from "./catalog.ts";
import type { LogRangeTable } from "./backup-tables.ts";

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
    await lockStream(trx, log);
    const ranges = await trx
      .selectFrom("log_range")
      .selectAll()
      .where("service_id", "=", log.serviceId)
      .where("cloud", "=", log.cloud)
      .where("stream", "=", log.stream)
      .where("start_position", "<=", log.end)
      .where("end_position", ">=", log.start)
      .orderBy("start_position")
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
    await trx
      .updateTable("location")
      .set((eb) => ({ log_bytes_total: eb("log_bytes_total", "+", log.sizeBytes) }))
      .where("service_id", "=", log.serviceId)
      .where("cloud", "=", log.cloud)
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

/** Log without a gap. */
export interface LogSpan {
  readonly stream: string;
  readonly start: string;
  readonly end: string;
}

/** All log that a location holds. */
export async function logSpans(
  db: CatalogDatabase,
  where: { readonly serviceId: string; readonly cloud: string },
): Promise<readonly LogSpan[]> {
  return await db
    .selectFrom("log_range")
    .select(["stream", "start_position as start", "end_position as end"])
    .where("service_id", "=", where.serviceId)
    .where("cloud", "=", where.cloud)
    .execute();
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
            and s.stream = p.stream and s.end_position >= p.end_position)
          -- log that has expired there does not come any more
          and not exists (select 1 from log_retention r where r.service_id = p.service_id and r.cloud = ${cloud}
            and r.stream = p.stream and not exists (select 1 from jsonb_to_recordset(r.spans)
              as span(start text, "end" text) where p.end_position > span.start collate "C"
                and (span."end" is null or p.start_position < span."end" collate "C")))))
    where service_id = ${serviceId} and cloud = ${cloud}`.execute(db);
}

/**
 * Records what stays of a stream's log at a location: known ranges are cut to it, and nothing else of it is copied
 * there any more.
 */
export async function retainLog(
  db: CatalogDatabase,
  where: { readonly serviceId: string; readonly cloud: string; readonly stream: string },
  spans: readonly RetainedSpan[],
): Promise<void> {
  const { serviceId, cloud, stream } = where;
  await db.transaction().execute(async (trx) => {
    await lockStream(trx, where);
    const value = JSON.stringify(spans);
    await trx
      .insertInto("log_retention")
      .values({ service_id: serviceId, cloud, stream, spans: value })
      .onConflict((conflict) => conflict.columns(["service_id", "cloud", "stream"]).doUpdateSet({ spans: value }))
      .execute();
    const ranges = await trx
      .selectFrom("log_range")
      .selectAll()
      .where("service_id", "=", serviceId)
      .where("cloud", "=", cloud)
      .where("stream", "=", stream)
      .execute();
    for (const range of ranges) await cutRange(trx, range, spans);
  });
}

/** Whoever changes what is known of the stream at the same moment waits until the transaction has ended. */
async function lockStream(
  trx: CatalogDatabase,
  { serviceId, cloud, stream }: { readonly serviceId: string; readonly cloud: string; readonly stream: string },
): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`log ${serviceId} ${cloud} ${stream}`}, 0))`.execute(trx);
}

async function cutRange(
  trx: CatalogDatabase,
  range: Selectable<LogRangeTable>,
  spans: readonly RetainedSpan[],
): Promise<void> {
  const parts = spans.flatMap((span) => cutTo(range, span));
  await trx
    .deleteFrom("log_range")
    .where("service_id", "=", range.service_id)
    .where("cloud", "=", range.cloud)
    .where("stream", "=", range.stream)
    .where("start_position", "=", range.start_position)
    .execute();
  if (parts.length > 0) await trx.insertInto("log_range").values(parts).execute();
}

/** The part of a range that lies in a span. Only the part that has its end says up to when it covers. */
function cutTo(range: Selectable<LogRangeTable>, { start, end }: RetainedSpan): readonly Selectable<LogRangeTable>[] {
  const from = range.start_position > start ? range.start_position : start;
  const to = end === undefined || range.end_position < end ? range.end_position : end;
  if (from >= to) return [];
  const hasEnd = to === range.end_position;
  const { newest_commit_micros, covered_until } = hasEnd ? range : { newest_commit_micros: null, covered_until: null };
  return [{ ...range, start_position: from, end_position: to, newest_commit_micros, covered_until }];
}

/** What is kept of a service's log at a location, by stream; nothing was decided of streams that are not in it. */
export async function retainedSpans(
  db: CatalogDatabase,
  where: { readonly serviceId: string; readonly cloud: string },
): Promise<ReadonlyMap<string, readonly RetainedSpan[]>> {
  const rows = await db
    .selectFrom("log_retention")
    .select(["stream", "spans"])
    .where("service_id", "=", where.serviceId)
    .where("cloud", "=", where.cloud)
    .execute();
  return new Map(rows.map(({ stream, spans }) => [stream, spans.map(({ start, end }) => ({ start, end }))]));
}
