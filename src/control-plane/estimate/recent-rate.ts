import type { BackupRecords, LocationRow } from "../../catalog/backup-records.ts";
import type { CopyFacts } from "../../domain/copy-estimate.ts";
import type { ControlPlaneContext } from "../context.ts";

const dayMs = 86_400_000;
const recentDays = 7;
/** Of what came in less time, nothing is concluded: a new service may just be filled. */
const leastSeconds = 900;

/** Log that the primary got lately, in a week at most. */
export async function recentLog(
  { catalog, clock }: ControlPlaneContext,
  primary: LocationRow,
): Promise<CopyFacts["log"]> {
  const now = clock.now().getTime();
  const earliest = await catalog.db
    .selectFrom("store_sample")
    .select(["at", "log_bytes"])
    .where("service_id", "=", primary.service_id)
    .where("cloud", "=", primary.cloud)
    .where("at", ">", new Date(now - recentDays * dayMs))
    .orderBy("at")
    .limit(1)
    .executeTakeFirst();
  if (!earliest) return undefined;
  const seconds = (now - earliest.at.getTime()) / 1000;
  return seconds >= leastSeconds ? { bytes: primary.log_bytes_total - earliest.log_bytes, seconds } : undefined;
}

/** What base backups have added lately, of which the first one, which holds everything, says nothing. */
export function recentAdditions({ backups }: BackupRecords, now: Date): CopyFacts["added"] {
  const complete = backups.filter(({ state }) => state === "complete");
  const later = complete.filter(
    ({ reason, started_at, pack_bytes, stored_bytes }, index) =>
      started_at.getTime() > now.getTime() - recentDays * dayMs &&
      reason !== "first" &&
      // The oldest that is left may have been the first one.
      (index < complete.length - 1 || (pack_bytes !== null && stored_bytes < pack_bytes)),
  );
  if (later.length === 0) return undefined;
  return { bytes: later.reduce((sum, { stored_bytes }) => sum + stored_bytes, 0), backups: later.length };
}
