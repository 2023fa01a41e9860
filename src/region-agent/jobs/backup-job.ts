import { sql } from "kysely";
import { recordEvent } from "../../catalog/events.ts";
import type { RunningJob } from "../../catalog/job-queue.ts";
import { endOfLogFrom, markSecondariesLacking, newestLogRange } from "../../catalog/log-ranges.ts";
import { addBackupBytes } from "../../catalog/store-figures.ts";
import { damagedPacks } from "../../catalog/verification.ts";
import { BtarError, describeError, isBtarError } from "../../domain/errors.ts";
import type {
  BackupReading,
  BaseBackupFacts,
  ChangedFileSink,
  EarlierBackup,
  ServerIdentity,
  StoredLog,
} from "../../engine/engine.ts";
import { absentPacks, checkNamedObjects } from "../../repository/absent-packs.ts";
import { type BackupManifest, packBytes } from "../../repository/manifest.ts";
import { PreviousBackup } from "../../repository/previous-backup.ts";
import type { Repository } from "../../repository/repository.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import {
  addressOf,
  loadService,
  repositoryForWriting,
  reservationName,
  type ServiceContext,
} from "../service-context.ts";
import { storedLog } from "../stored-log.ts";
import { describeService } from "../service-descriptions.ts";
import { textInput } from "./job-input.ts";
import { removeLeftovers } from "./remove-leftovers.ts";
import { waitUntil } from "./wait-until.ts";

/**
 * Takes a base backup of a service into the store of its cloud: files while they stream from the server, the log that
 * makes them consistent by the archiver, the manifest last (P3). Run twice, it finds the manifest and is done.
 */
export async function runBackupJob(env: AgentEnvironment, job: RunningJob): Promise<Record<string, unknown>> {
  const backupId = textInput(job, "backupId");
  const service = await loadService(env, job.serviceId);
  const store = patientStore(env, env.cloud, (reason) => job.waiting(reason));
  const repository = await repositoryForWriting(env, job.serviceId, store, job.signal);
  try {
    const isThere = (await repository.backupIds({ signal: job.signal })).includes(backupId);
    const taken: TakenBackup = isThere
      ? { manifest: await repository.manifest(backupId, { signal: job.signal }), remarks: [] }
      : await takeBackup({ env, job, service, repository, backupId });
    await recordComplete(env, service, taken);
    const { dataBytes, storedBytes } = taken.manifest;
    return { backupId, dataBytes, storedBytes, remarks: taken.remarks };
  } catch (error) {
    await recordFailure(env, job, service, { backupId, error });
    throw error;
  }
}

interface BackupRun {
  readonly env: AgentEnvironment;
  readonly job: RunningJob;
  readonly service: ServiceContext;
  readonly repository: Repository;
  readonly backupId: string;
}

interface TakenBackup {
  readonly manifest: BackupManifest;
  /** What somebody who looks after the service wants to know of how it was taken. */
  readonly remarks: readonly string[];
}

async function takeBackup(run: BackupRun): Promise<TakenBackup> {
  const { env, job, service, repository, backupId } = run;
  const { signal } = job;
  if (job.attempt > 1) await removeLeftovers(env, repository, job);
  const address = addressOf(env, service);
  job.progress({ phase: "connecting" });
  const { source } = env.engines.of(service.row.engine);
  await source.ensureReservation(address, { reservation: reservationName(job.serviceId), signal });
  const identity = await source.identify(address, { signal });
  const description = await describeService(env, service, address);
  const descriptionVersion = await repository.putDescription(description, { signal });
  const previous = await openPrevious(run, identity);
  const writer = repository.baseBackupWriter({ workers: env.workers, previous, signal });
  const notes: ReadingNotes = { remarks: [], readBy: undefined };
  const facts = await source.takeBaseBackup(address, writer, {
    label: `btar ${backupId}`,
    signal,
    since: previous && earlierBackup(run, previous, writer),
    storedLog: await newestStoredLog(run),
    onReading: (reading) => noteReading(notes, reading),
    onProgress: ({ phase = "reading files", doneBytes: done, totalBytes }) =>
      job.progress({ phase, done, total: Math.max(done, totalBytes), unit: "bytes" }),
  });
  env.archivers.storeThrough(job.serviceId, facts.log.end); // it comes while the last files are stored
  job.progress({ phase: "storing files", done: writer.dataBytes, total: writer.dataBytes, unit: "bytes" });
  const { stored, dataBytes, storedBytes, damage } = await writer.finish();
  const { remarks, readBy } = notes;
  for (const error of damage) remarks.push(`stored anew what the previous backup should hold: ${error.message}`);
  await waitForLog(run, facts);
  const manifest: BackupManifest = {
    ...facts,
    ...stored,
    ...(readBy !== undefined && { readBy }),
    identity,
    backupId,
    serviceId: job.serviceId,
    engine: service.row.engine,
    reason: textInput(job, "reason"),
    completedAt: new Date(),
    descriptionVersion,
    dataBytes,
    storedBytes,
  };
  await checkNamedObjects(repository, manifest, { signal });
  await repository.putManifest(manifest, { signal });
  return { manifest, remarks };
}

/** What is to be told of how a base backup is read. */
interface ReadingNotes {
  readonly remarks: string[];
  readBy: string | undefined;
}

function noteReading(notes: ReadingNotes, reading: BackupReading): void {
  const { remarks } = notes;
  if (reading.kind === "changes") {
    remarks.push("the server sent what changed since the previous backup");
    return;
  }
  if (reading.reason !== undefined) remarks.push(`everything was read: ${reading.reason}`);
  if (reading.by === undefined) return;
  remarks.push(`it was read by ${reading.by}`);
  notes.readBy = reading.by;
}

async function newestStoredLog({ env, job, repository }: BackupRun): Promise<StoredLog | undefined> {
  const newest = await newestLogRange(env.catalog.db, { serviceId: job.serviceId, cloud: env.cloud });
  return newest && storedLog(repository, { stream: newest.stream, position: newest.end }, job.signal);
}

/** The newest base backup in the store, if it is of the same database cluster. */
async function openPrevious(run: BackupRun, { systemId }: ServerIdentity): Promise<PreviousBackup | undefined> {
  const { env, repository, job } = run;
  const { signal } = job;
  const newest = (await repository.backupIds({ signal })).at(-1);
  if (newest === undefined) return undefined;
  const manifest = await readableManifest(run, newest);
  if (manifest?.identity.systemId !== systemId) return undefined;
  const absent = await absentPacks(repository, manifest.packs, { signal });
  const damaged = await damagedPacks(env.catalog.db, { serviceId: job.serviceId, cloud: env.cloud });
  return new PreviousBackup(repository, manifest, { distrusted: new Set([...absent, ...damaged]), signal });
}

/** A base backup whose manifest is damaged is not built on: verification tells of it. */
async function readableManifest({ env, repository, job }: BackupRun, id: string): Promise<BackupManifest | undefined> {
  try {
    return await repository.manifest(id, { signal: job.signal });
  } catch (error) {
    if (!isBtarError(error) || error.kind !== "damaged") throw error;
    env.logger.warn({ backup: id, reason: describeError(error) }, "nothing is built on a damaged base backup");
    return undefined;
  }
}

/**
 * What the server may build on, so that it sends less. An attempt that is a second one reads everything, since the
 * first may have failed for that; so does one whose previous backup has lost something.
 */
function earlierBackup({ job }: BackupRun, previous: PreviousBackup, sink: ChangedFileSink): EarlierBackup | undefined {
  if (job.attempt > 1 || previous.isDistrusted) return undefined;
  const { log, engineFacts, files } = previous.manifest;
  return { log, engineFacts, files: files.map(({ path }) => path), sink };
}

/** A backup is complete only with the log that makes its files consistent; the archiver stores that. */
async function waitForLog({ env, job, service }: BackupRun, { log }: BaseBackupFacts): Promise<void> {
  job.progress({ phase: "waiting for the log that completes it", detail: log.end });
  await waitUntil({ signal: job.signal, everyMs: 200 }, async () => {
    env.archivers.storeThrough(job.serviceId, log.end);
    const where = { serviceId: job.serviceId, cloud: env.cloud, stream: log.stream, position: log.start };
    const end = await endOfLogFrom(env.catalog.db, where);
    if (end !== undefined && end >= log.end) return true;
    await refuseIfStreamMoved({ env, job, service }, log.stream, log.start);
    return false;
  });
}

/** The log can no more become whole when the archiver had to begin anew after this backup's start. */
async function refuseIfStreamMoved(
  { env, job, service }: Pick<BackupRun, "env" | "job" | "service">,
  stream: string,
  start: string,
): Promise<void> {
  const newest = await env.catalog.db
    .selectFrom("log_range")
    .select(["stream", "start_position"])
    .where("service_id", "=", job.serviceId)
    .where("cloud", "=", env.cloud)
    .orderBy("stored_at", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!newest || (newest.stream === stream && newest.start_position <= start)) return;
  if (newest.stream < stream) return; // the archiver has not reached the new stream yet
  throw new BtarError("SERVER_REFUSED", {
    message: `the log of service ${service.row.name} has a gap after this backup's start, so that it cannot become consistent`,
    hint: "it is taken again by itself",
  });
}

async function recordComplete(
  env: AgentEnvironment,
  { row }: ServiceContext,
  { manifest, remarks }: TakenBackup,
): Promise<void> {
  const gtids = env.engines.of(row.engine).server.gtidBounds(manifest);
  await env.catalog.db.transaction().execute(async (trx) => {
    const completed = await trx
      .updateTable("base_backup")
      .set({
        state: "complete",
        trouble: null,
        engine_version: manifest.identity.version,
        read_by: manifest.readBy ?? null,
        started_at: manifest.startedAt,
        consistent_at: manifest.consistentAt,
        completed_at: manifest.completedAt,
        log_stream: manifest.log.stream,
        log_start: manifest.log.start,
        log_end: manifest.log.end,
        gtids_at_least: gtids?.atLeast.format() ?? null,
        gtids_at_most: gtids?.atMost.format() ?? null,
        data_bytes: manifest.dataBytes,
        stored_bytes: manifest.storedBytes,
        pack_bytes: packBytes(manifest),
        file_count: manifest.files.length,
      })
      .where("id", "=", manifest.backupId)
      .where("state", "in", ["running", "complete"])
      .returning("id")
      .executeTakeFirst();
    if (!completed) return; // it was given up meanwhile: a collection removes it
    const before = await trx
      .selectFrom("backup_location")
      .select("state")
      .where("backup_id", "=", manifest.backupId)
      .where("role", "=", "primary")
      .forUpdate()
      .executeTakeFirst();
    if (before?.state !== "complete") {
      await addBackupBytes(trx, { serviceId: row.id, cloud: env.cloud, bytes: manifest.storedBytes });
    }
    await trx
      .updateTable("backup_location")
      .set({
        state: "complete",
        trouble: null,
        done_bytes: manifest.storedBytes,
        total_bytes: manifest.storedBytes,
        sent_bytes: manifest.storedBytes,
        completed_at: sql`clock_timestamp()`, // by the clock of those who look for what is new
      })
      .where("backup_id", "=", manifest.backupId)
      .where("role", "=", "primary")
      .execute();
    await markSecondariesLacking(trx, row.id, manifest.completedAt);
    await recordEvent(trx, {
      project: row.project,
      service: row,
      kind: "backup_complete",
      severity: "info",
      message: [`base backup ${manifest.backupId} of ${row.name} is complete in ${env.cloud}`, ...remarks].join("; "),
    });
  });
}

async function recordFailure(
  env: AgentEnvironment,
  job: RunningJob,
  service: ServiceContext,
  failure: { readonly backupId: string; readonly error: unknown },
): Promise<void> {
  const { error, backupId } = failure;
  const willRunAgain = !(error instanceof BtarError) || error.isRetryable || job.signal.aborted;
  const trouble = describeError(error);
  await env.catalog.db
    .updateTable("base_backup")
    .set({ trouble, ...(willRunAgain ? {} : { state: "failed" as const }) })
    .where("id", "=", backupId)
    .where("state", "=", "running")
    .execute();
  if (willRunAgain) return;
  await env.catalog.db
    .updateTable("backup_location")
    .set({ state: "failed", trouble })
    .where("backup_id", "=", backupId)
    .execute();
  await recordEvent(env.catalog.db, {
    project: service.row.project,
    service: service.row,
    kind: "backup_failed",
    severity: "error",
    message: `base backup ${backupId} of ${service.row.name} failed: ${trouble}`,
  });
}
