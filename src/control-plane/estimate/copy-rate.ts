import { sql } from "kysely";
import type { ControlPlaneContext } from "../context.ts";

/** Copies that sent less say little of how fast it goes. */
const leastBytes = 2 ** 20;
const recentDays = 30;

export interface CopyRate {
  readonly bytesPerSecond: number;
  readonly source: "measured" | "limit";
  /** What it rests on, for people. */
  readonly text: string;
}

/** How fast one base backup is copied between two clouds: as it was lately, and not faster than the limit (C7). */
export async function copyRate(
  context: ControlPlaneContext,
  pair: { readonly from: string; readonly to: string },
): Promise<CopyRate | undefined> {
  const { from, to } = pair;
  const limit = context.configuration.limits.bandwidth.find((each) => each.from === from && each.to === to);
  const measured = (await measuredRate(context, pair)) ?? (await measuredRate(context, undefined));
  if (limit && (!measured || limit.bytesPerSecond <= measured.bytesPerSecond)) {
    const text = `copying from ${from} to ${to} is limited by the configuration`;
    return { bytesPerSecond: limit.bytesPerSecond, source: "limit", text };
  }
  return measured;
}

/** @param pair undefined: of all clouds */
async function measuredRate(
  { catalog, clock }: ControlPlaneContext,
  pair: { readonly from: string; readonly to: string } | undefined,
): Promise<CopyRate | undefined> {
  const since = new Date(clock.now().getTime() - recentDays * 86_400_000);
  const between = pair ? sql`origin.cloud = ${pair.from} and copy.cloud = ${pair.to}` : sql`true`;
  const { rows } = await sql<{ copies: number; bytes: number | null; seconds: number | null }>`
    select count(*) as copies, sum(copy.sent_bytes)::bigint as bytes,
      sum(extract(epoch from copy.completed_at - copy.started_at))::double precision as seconds
    from backup_location copy
    join location origin on origin.service_id = copy.service_id and origin.role = 'primary'
    where copy.role = 'secondary' and copy.state = 'complete' and copy.sent_bytes >= ${leastBytes}
      and copy.completed_at > copy.started_at and copy.completed_at > ${since} and ${between}`.execute(catalog.db);
  const [{ copies, bytes, seconds } = { copies: 0, bytes: null, seconds: null }] = rows;
  if (bytes === null || seconds === null || seconds === 0) return undefined;
  const where = pair ? `from ${pair.from} to ${pair.to}` : "between other clouds, none between these";
  const what = copies === 1 ? "the one base backup that was" : `the ${copies} base backups that were`;
  const text = `speed: ${what} copied ${where} in the last ${recentDays} days, each by itself`;
  return { bytesPerSecond: bytes / seconds, source: "measured", text };
}
