import { type Static } from "typebox";
import { sql } from "kysely";
import { recoveryByLocation } from "../../catalog/recovery.ts";
import type { forkPlanAnswer, forkPlanBody } from "../../contract/recovery.ts";
import { BtarError } from "../../domain/errors.ts";
import type { ControlPlaneContext } from "../context.ts";
import type { ServiceRow } from "../services/find-service.ts";
import { type ChosenBackup, chooseBackup, forkLocation } from "../services/fork-request.ts";
import { cloudStates } from "../status/cloud-states.ts";

/** What a fork would do. @throws {BtarError} as a fork would, when it would be refused */
export async function forkPlan(
  context: ControlPlaneContext,
  source: ServiceRow,
  body: Static<typeof forkPlanBody>,
): Promise<Static<typeof forkPlanAnswer>> {
  const cloud = await forkLocation(context, source, body.location);
  const chosen = await chooseBackup(context, {
    source,
    cloud,
    time: body.target_time ?? undefined,
    gtid: body.target_gtid ?? undefined,
    backup: body.backup_name ?? undefined,
  });
  const backup = await context.catalog.db
    .selectFrom("base_backup")
    .select(["data_bytes", "consistent_at"])
    .where("id", "=", chosen.backupId)
    .executeTakeFirst();
  if (!backup?.consistent_at) {
    throw new BtarError("NO_BACKUP", { message: `Base backup ${chosen.backupId} was removed meanwhile` });
  }
  const targetAt = await momentOf(context, source, { chosen, consistentAt: backup.consistent_at });
  const states = await cloudStates(context);
  return {
    location: cloud,
    is_up: states.some(({ cloud_name, is_up }) => cloud_name === cloud && is_up),
    backup_name: chosen.backupId,
    target: chosen.target.kind,
    target_at: targetAt?.toISOString() ?? null,
    data_bytes: backup.data_bytes,
    log_seconds: targetAt ? Math.max(0, (targetAt.getTime() - backup.consistent_at.getTime()) / 1000) : 0,
    estimated_seconds: await usualSeconds(context, cloud, backup.data_bytes),
  };
}

async function momentOf(
  context: ControlPlaneContext,
  source: ServiceRow,
  { chosen, consistentAt }: { readonly chosen: ChosenBackup; readonly consistentAt: Date },
): Promise<Date | undefined> {
  if (chosen.target.kind === "gtid") return undefined;
  if (chosen.target.kind === "backup-end") return consistentAt;
  if (chosen.target.kind === "time") return new Date(chosen.target.at);
  const locations = await recoveryByLocation(context.catalog.db, source.id);
  return locations.find(({ cloud }) => cloud === chosen.fromCloud)?.window?.latestAt;
}

/** The median of what earlier forks there took, each stretched to this size if it was smaller. */
async function usualSeconds(
  { catalog }: ControlPlaneContext,
  cloud: string,
  dataBytes: number,
): Promise<number | null> {
  const { rows } = await sql<{ seconds: number | null }>`
    select percentile_cont(0.5) within group (order by seconds * greatest(1, ${dataBytes}::float8 / greatest(1, data_bytes)))
      as seconds
    from (
      select extract(epoch from job.finished_at - job.started_at)::float8 as seconds, base_backup.data_bytes
      from job join base_backup on base_backup.id = job.input ->> 'backupId'
      where job.kind = 'fork' and job.state = 'complete' and job.cloud = ${cloud} and job.started_at is not null
      order by job.finished_at desc limit 20) as earlier`.execute(catalog.db);
  const seconds = rows[0]?.seconds;
  return seconds === undefined || seconds === null ? null : Math.round(seconds);
}
