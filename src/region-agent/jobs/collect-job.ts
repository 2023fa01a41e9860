import { performance } from "node:perf_hooks";
import { catalogNow, retentionNow } from "../../catalog/catalog-clock.ts";
import { recordEvent } from "../../catalog/events.ts";
import {
  deletingBackups,
  hasEndingCopies,
  isCloudReachable,
  markExpired,
  recordDeleted,
} from "../../catalog/expiry.ts";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { newestLogRange, retainLog } from "../../catalog/log-ranges.ts";
import { type LocationRetention, logNeedsBesides, retentionByLocation } from "../../catalog/retention.ts";
import { addGoneBytes } from "../../catalog/store-figures.ts";
import { BtarError, isBtarError } from "../../domain/errors.ts";
import type { LogNeed } from "../../domain/log-retention.ts";
import { serverOf } from "../../domain/recovery-window.ts";
import type { ServerDriver } from "../../engine/server.ts";
import { collect } from "../../repository/collect.ts";
import type { ManifestHead } from "../../repository/manifest.ts";
import { objectNames } from "../../repository/object-names.ts";
import { ObjectRemoval } from "../../repository/object-removal.ts";
import type { Repository } from "../../repository/repository.ts";
import { type AgentEnvironment, patientStore, storeOf } from "../environment.ts";
import { loadService, repositoryForReading, type ServiceContext } from "../service-context.ts";
import { StoreHold } from "../store-hold.ts";
import { collectionStrays } from "./collection-strays.ts";
import { removalResult } from "./removal-result.ts";
import { removeLocation } from "./remove-location.ts";
import { waitUntil } from "./wait-until.ts";

const minuteMs = 60_000;
/** Clocks that differ by more are not gone by. */
const mostClockDifferenceMs = 5 * minuteMs;

const longestReleaseMs = 5000;
const longestEndMs = 30_000;

interface Collection {
  readonly env: AgentEnvironment;
  readonly job: RunningJob;
  readonly service: ServiceContext;
  readonly location: { readonly role: "primary" | "secondary" };
}

/**
 * Removes from this cloud's store what is not needed any more of a service: base backups that have expired or were
 * deleted, then what only they needed (M3); or everything, when the location was turned off, or the service deleted,
 * and the grace time is over (D1, D3). Run twice, or cut off, it goes on where it was.
 */
export async function runCollectJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const { db } = env.catalog;
  const collectedAt = await checkClocks(env);
  const isLocation = { service_id: job.serviceId, cloud: env.cloud };
  const location = await db
    .selectFrom("location")
    .select(["role", "state", "delete_after"])
    .where((eb) => eb.and(isLocation))
    .executeTakeFirst();
  if (!location) return { skipped: "the location is gone" };
  const isEnding = location.state === "deleting";
  const isDue = isEnding && (await isOver(env, location.delete_after));
  // What was asked for before the location was turned off is no look at it: the one that is due must not wait for long.
  if (isEnding && !isDue) return { skipped: "its grace time is not over" };
  await db
    .updateTable("location")
    .set({ collected_at: collectedAt })
    .where((eb) => eb.and(isLocation))
    .execute();
  const service = await loadService(env, job.serviceId);
  if (isDue) return await removeLocation(env, job, service);
  return await collectLocation({ env, job, service, location });
}

async function isOver(env: AgentEnvironment, graceEnd: Date | null): Promise<boolean> {
  const now = await retentionNow(env.catalog.db);
  return now !== undefined && graceEnd !== null && graceEnd <= now;
}

/** @returns the catalog's time. @throws {BtarError} CLOCKS_DIFFER */
async function checkClocks(env: AgentEnvironment): Promise<Date> {
  const before = Date.now();
  const now = await catalogNow(env.catalog.db);
  const differenceMs = Math.max(before - now.getTime(), now.getTime() - Date.now());
  if (differenceMs <= mostClockDifferenceMs) return now;
  throw new BtarError("CLOCKS_DIFFER", {
    message: `the clock of agent ${env.agentId} differs from the catalog's by ${Math.round(differenceMs / 1000)} s; nothing is removed`,
    hint: "set both machines' clocks, as with NTP; it goes on by itself",
  });
}

async function collectLocation(run: Collection): Promise<Record<string, unknown>> {
  const { env, job, service, location } = run;
  const { db } = env.catalog;
  const store = patientStore(env, env.cloud, (reason) => job.waiting(reason));
  const repository = await openIfThere(() => repositoryForReading(env, job.serviceId, store, job.signal));
  if (!repository) return { skipped: "the store holds nothing of it yet" };
  const now = await retentionNow(db);
  const options = { now, defaultDays: env.configuration.backups.retentionDays };
  const remarks: string[] = [];
  if (service.row.rebuilt_at !== null) {
    remarks.push("nothing expires of a service that was rebuilt from a store");
  } else if (location.role === "primary" || (await isPrimaryReachable(run))) {
    await markExpired(db, service.row, { ...options, cloud: env.cloud });
  } else {
    remarks.push("nothing expires here while the primary cannot be reached");
  }
  const retention = await retentionByLocation(db, service.row, options);
  const own = retention.find(({ cloud }) => cloud === env.cloud);
  if (!own) return { skipped: "the location is gone" };
  const removed = await collectStore(run, repository, { own, retention });
  return { ...removed, remarks: [...remarks, ...removed.remarks] };
}

async function openIfThere(open: () => Promise<Repository>): Promise<Repository | undefined> {
  try {
    return await open();
  } catch (error) {
    if (isBtarError(error, "NO_BACKUP")) return undefined;
    throw error;
  }
}

async function isPrimaryReachable({ env, job }: Collection): Promise<boolean> {
  const primary = await env.catalog.db
    .selectFrom("location")
    .select("cloud")
    .where("service_id", "=", job.serviceId)
    .where("role", "=", "primary")
    .executeTakeFirst();
  return primary !== undefined && (await isCloudReachable(env.catalog.db, primary.cloud));
}

async function collectStore(
  run: Collection,
  repository: Repository,
  { own, retention }: { readonly own: LocationRetention; readonly retention: readonly LocationRetention[] },
) {
  const { env, job, service } = run;
  const { db } = env.catalog;
  const place = { serviceId: job.serviceId, cloud: env.cloud };
  await waitForEndingCopies(run);
  const deleting = await deletingBackups(db, place);
  const besides = await logNeedsBesides(db, service.row, { retention, cloud: env.cloud });
  let hold: StoreHold | undefined;
  const gone = { log: 0, packs: 0 };
  const removal = new ObjectRemoval({
    store: storeOf(env, env.cloud),
    signal: job.signal,
    mayGoOn: () => hold?.check(),
    onProgress: ({ removedObjects }) =>
      job.progress({ phase: "removing what is not needed", done: removedObjects, unit: "objects" }),
    onRemoved: ({ key, sizeBytes }) => {
      gone[key.startsWith(objectNames.log(job.serviceId)) ? "log" : "packs"] += sizeBytes;
    },
  });
  const removedBackups: string[] = [];
  const collection = collect({
    repository,
    removal,
    known: new Set(own.decisions.map(({ id }) => id)),
    expired: deleting.map(({ id }) => id),
    isStray: await collectionStrays(db, place),
    onRemoved: async (backupId, outcome) => {
      if (outcome === "removed") removedBackups.push(backupId);
      const reason = deleting.find(({ id }) => id === backupId)?.reason;
      if (reason) await recordOutcome(run, { backupId, reason, outcome, refusal: removal.counts.refusal });
    },
    logNeeds: (heads) => logNeeds(env.engines.of(service.row.engine).server, heads, { own, besides }),
    onExpiringLog: (stream, spans) => retainLog(db, { ...place, stream }, spans),
    currentStreams: await currentStreams(run, retention),
    whileUnused: async (work) => {
      hold = await takeStore(run);
      if (!hold) return "in-use";
      try {
        await work();
        return "done";
      } finally {
        const held = hold;
        hold = undefined;
        await held.release();
      }
    },
    minAgeMs: env.configuration.backups.leftoverHours * 60 * minuteMs,
    now: new Date(),
    signal: job.signal,
  });
  try {
    const { packs } = await collection;
    return { removedBackups, ...removalResult(removal.counts), remarks: remarksOf(packs) };
  } finally {
    await addGoneBytes(db, { ...place, logBytes: gone.log, packBytes: gone.packs });
  }
}

/** What has just completed a backup or copy is about to let the store go; others are not waited for. */
async function takeStore({ env, job }: Collection): Promise<StoreHold | undefined> {
  const holder = `${env.agentId} ${job.id}`;
  const use = { serviceId: job.serviceId, cloud: env.cloud, holder, purpose: "collect" as const };
  return await StoreHold.takeWithin(env, use, { patienceMs: longestReleaseMs, signal: job.signal });
}

/** A copy of a backup that was deleted ends within seconds, unless its agent is gone: then it is left for later. */
async function waitForEndingCopies({ env, job }: Collection): Promise<void> {
  const place = { serviceId: job.serviceId, cloud: env.cloud };
  const untilMs = performance.now() + longestEndMs;
  await waitUntil({ signal: job.signal, everyMs: 200 }, async () => {
    return performance.now() > untilMs || !(await hasEndingCopies(env.catalog.db, place));
  });
}

function remarksOf(packs: "done" | "in-use"): readonly string[] {
  return packs === "done" ? [] : ["files are removed later: a base backup is being taken or copied here"];
}

/** What is needed of the log: by base backups in the store, and by those that are to come. */
function logNeeds(
  server: ServerDriver,
  heads: readonly ManifestHead[],
  { own, besides }: { readonly own: LocationRetention; readonly besides: readonly LogNeed[] },
): readonly LogNeed[] {
  const needs = heads.map((head): LogNeed => {
    const isOnlyKept = own.decisions.some(({ id, reason }) => id === head.backupId && reason === "kept");
    const { stream, end } = head.log;
    const start = server.firstLogPosition(head);
    return { stream, start, end, reach: isOnlyKept ? "itself" : "onwards" };
  });
  const coming = besides.map((need): LogNeed => {
    // Where a restore begins to read depends on facts of the server, which its backups have in common.
    const head = heads.find(({ log }) => serverOf(log.stream) === serverOf(need.stream));
    return { ...need, start: head ? server.firstLogPosition({ ...head, log: need }) : "" };
  });
  return [...needs, ...coming];
}

/** The streams that get log here now, or soon, being those of the primary. */
async function currentStreams(
  { env, job }: Collection,
  retention: readonly LocationRetention[],
): Promise<ReadonlySet<string>> {
  const clouds = [env.cloud, ...retention.filter(({ role }) => role === "primary").map(({ cloud }) => cloud)];
  const streams = new Set<string>();
  for (const cloud of clouds) {
    const newest = await newestLogRange(env.catalog.db, { serviceId: job.serviceId, cloud });
    if (newest) streams.add(newest.stream);
  }
  return streams;
}

async function recordOutcome(
  { env, job, service }: Collection,
  removed: {
    readonly backupId: string;
    readonly reason: "retention" | "request";
    readonly outcome: "removed" | "refused";
    readonly refusal: string | undefined;
  },
): Promise<void> {
  const { backupId, reason, outcome, refusal } = removed;
  const { project, name } = service.row;
  const about = { project, service: service.row };
  if (outcome === "removed") {
    await env.catalog.db.transaction().execute(async (trx) => {
      await recordDeleted(trx, { serviceId: job.serviceId, cloud: env.cloud, backupId });
      const message = `base backup ${backupId} of ${name} in ${env.cloud} ${reason === "retention" ? "has expired" : "was deleted"}`;
      const kind = reason === "retention" ? "backup_expired" : "backup_deleted";
      await recordEvent(trx, { ...about, kind, severity: "info", message });
    });
    return;
  }
  const trouble = `the store refuses to remove it: ${refusal ?? "it does not say why"}`;
  const before = await env.catalog.db
    .selectFrom("backup_location")
    .select("trouble")
    .where("backup_id", "=", backupId)
    .where("cloud", "=", env.cloud)
    .executeTakeFirst();
  // It is there, and can be restored; the next collection tries again.
  await env.catalog.db
    .updateTable("backup_location")
    .set({ state: "complete", delete_reason: null, trouble })
    .where("backup_id", "=", backupId)
    .where("cloud", "=", env.cloud)
    .where("state", "=", "deleting")
    .execute();
  if (before?.trouble === trouble) return;
  const message = `base backup ${backupId} of ${name} stays in ${env.cloud}: ${trouble}`;
  await recordEvent(env.catalog.db, { ...about, kind: "removal_refused", severity: "warning", message });
}
