import { sql } from "kysely";
import { recordEvent } from "../../catalog/events.ts";
import { markSecondariesLacking, newestLogRange, recordCovered, recordLog } from "../../catalog/log-ranges.ts";
import { requestBaseBackup } from "../../catalog/backups.ts";
import { BtarError, describeError } from "../../domain/errors.ts";
import type { LogEvent, LogStream, ServerAddress, StoredLog } from "../../engine/engine.ts";
import { type LogRun, logRuns } from "../../repository/log-cover.ts";
import type { Repository } from "../../repository/repository.ts";
import { type AgentEnvironment, patientStore } from "../environment.ts";
import type { FlushableArchiver } from "../log-archivers.ts";
import {
  addressOf,
  loadService,
  repositoryForWriting,
  reservationName,
  type ServiceContext,
} from "../service-context.ts";
import { storedLog } from "../stored-log.ts";
import { locationWaiting, setLocationTrouble } from "./location-trouble.ts";
import { LogPieceBuilder, type PendingPiece } from "./log-piece-builder.ts";
import { TasksInOrder } from "./tasks-in-order.ts";

const coveredEveryMs = 1000;
/** As many pieces as are stored at once may lie behind one that was not stored when an archiver died. */
const mostStoredAhead = 8;

/**
 * Stores the log of a service in its primary store while it is produced (P2), from where the stored log ends. Ends
 * by throwing when the server or the store fails; the duty is then begun again, and goes on from there.
 */
export async function archiveLog(env: AgentEnvironment, serviceId: string, signal: AbortSignal): Promise<void> {
  const service = await loadService(env, serviceId);
  const store = patientStore(env, env.cloud, locationWaiting(env, serviceId, env.cloud));
  const repository = await repositoryForWriting(env, serviceId, store, signal);
  const request: StreamRequest = { env, service, repository, address: addressOf(env, service), signal };
  try {
    await archiveFrom(request, await resumePosition(request), () => Promise.resolve());
  } catch (error) {
    const beginning = await newBeginning(request, error);
    await archiveFrom(request, undefined, beginning);
  }
}

interface StreamRequest {
  readonly env: AgentEnvironment;
  readonly service: ServiceContext;
  readonly repository: Repository;
  readonly address: ServerAddress;
  readonly signal: AbortSignal;
}

async function archiveFrom(
  request: StreamRequest,
  from: StoredLog | undefined,
  onStreaming: () => Promise<void>,
): Promise<void> {
  const { env, service, address, signal } = request;
  const stream = await env.engines.of(service.row.engine).source.streamLog(address, {
    reservation: reservationName(service.row.id),
    from,
    removesStored: service.row.kind === "managed",
    signal,
  });
  const archiver = new LogArchiver({ ...request, stream });
  env.archivers.add(service.row.id, archiver);
  try {
    await setLocationTrouble(env, service.row.id, env.cloud, undefined);
    await onStreaming();
    await archiver.run();
  } finally {
    env.archivers.remove(service.row.id, archiver);
    await stream.close();
  }
}

/**
 * Prepares to begin anew, where the server can no longer give what follows on the stored log (P5).
 * @returns tells it and asks for a new base backup, once the new log streams
 * @throws the error, when it is none that a new beginning would mend
 */
async function newBeginning(request: StreamRequest, error: unknown): Promise<() => Promise<void>> {
  if (!(error instanceof BtarError)) throw error;
  const isReplaced = error.code === "SYSTEM_IDENTIFIER_CHANGED";
  if (!isReplaced && error.code !== "LOG_GAP") throw error;
  // Log that was removed is a mere gap, and so is log that was lost, where the server goes on in another stream. A
  // server whose history is another one would write other bytes at positions that are stored already: nothing of it
  // must be mixed with what is there.
  const isMereGap = ["removed", "lost"].includes(String(error.details["reason"]));
  if (!isReplaced && !isMereGap) throw await historyChanged(request, error);
  const { env, service, address, signal } = request;
  const reservation = reservationName(service.row.id);
  const { source } = env.engines.of(service.row.engine);
  await source.dropReservation(address, { reservation, signal });
  await source.ensureReservation(address, { reservation, signal });
  const { message } = error;
  if (isReplaced && (await isRestored(request))) return () => Promise.resolve();
  return () => recordNewBeginning(request, isReplaced ? "database_replaced" : "log_gap", message);
}

/** Whether it is btar that put another server there: then its first base backup was asked for, and no log came since. */
async function isRestored({ env, service }: StreamRequest): Promise<boolean> {
  const { rows } = await sql<{ restored: boolean }>`
    select exists (select from base_backup where service_id = ${service.row.id} and reason = 'first'
      and started_at > (select max(stored_at) from log_range
        where service_id = ${service.row.id} and cloud = ${env.cloud})) as restored`.execute(env.catalog.db);
  return service.row.kind === "managed" && rows[0]?.restored === true;
}

async function historyChanged({ env, service }: StreamRequest, cause: BtarError): Promise<BtarError> {
  const { row } = service;
  const error = new BtarError("LOG_GAP", {
    message: `${cause.message}; nothing more is stored of ${row.name}`,
    hint: `its backups stay and can be forked; detach it, and attach the server again under another name`,
    cause,
  });
  const told = await env.catalog.db
    .selectFrom("location")
    .select("trouble")
    .where("service_id", "=", row.id)
    .where("role", "=", "primary")
    .executeTakeFirst();
  if (told?.trouble !== describeError(error)) {
    await recordEvent(env.catalog.db, {
      project: row.project,
      service: row,
      kind: "history_changed",
      severity: "error",
      message: describeError(error),
    });
  }
  return error;
}

async function recordNewBeginning(
  { env, service }: StreamRequest,
  kind: "database_replaced" | "log_gap",
  reason: string,
): Promise<void> {
  const { row } = service;
  env.logger.warn({ service: row.name, reason }, "the log begins anew");
  await env.catalog.db.transaction().execute(async (trx) => {
    await recordEvent(trx, {
      project: row.project,
      service: row,
      kind,
      severity: "error",
      message: `${reason}; a new base backup is taken, times in between cannot be restored`,
    });
    await requestBaseBackup(trx, env.jobs, row, "log_gap");
  });
}

/**
 * Where the stored log ends without a gap. The catalog may be behind the store, when the agent died after storing a
 * piece: what the store has beyond it is taken into the catalog first. Pieces are stored several at once; those that
 * came to lie behind one that did not are passed over, and stored once more.
 */
async function resumePosition({ env, service, repository, signal }: StreamRequest): Promise<StoredLog | undefined> {
  const serviceId = service.row.id;
  const known = await newestLogRange(env.catalog.db, { serviceId, cloud: env.cloud });
  const streams = known ? [known.stream] : await repository.logStreams({ signal });
  let end = known && { stream: known.stream, position: known.end };
  for (const stream of streams) {
    const from = known ? { from: known.end } : {};
    for await (const run of logRuns(repository.logPieces(stream, { signal, ...from }))) {
      if (end?.stream === stream && isStoredAhead(run, { after: end.position, isKnown: known !== undefined })) break;
      await recordLog(env.catalog.db, { ...run, serviceId, cloud: env.cloud, stream });
      end = { stream, position: run.end };
    }
  }
  return end && storedLog(repository, end, signal);
}

/** Without a catalog, a few pieces behind a gap are taken for such; the server still has what lies in it. */
function isStoredAhead(
  run: LogRun,
  { after, isKnown }: { readonly after: string; readonly isKnown: boolean },
): boolean {
  return run.start > after && (isKnown || run.pieceCount < mostStoredAhead);
}

interface StoredPiece extends PendingPiece {
  readonly sizeBytes: number;
  readonly storedAt: Date;
}

/**
 * Pieces are sealed and stored while the next one gathers. Only what is stored without a gap is recorded, and
 * acknowledged to the server. Nothing more is received while there is no room for another piece.
 */
class LogArchiver implements FlushableArchiver {
  readonly #env: AgentEnvironment;
  readonly #service: ServiceContext;
  readonly #repository: Repository;
  readonly #stream: LogStream;
  readonly #signal: AbortSignal;
  readonly #pending: LogPieceBuilder;
  readonly #uploads: TasksInOrder<StoredPiece>;
  #submitted: Promise<void> = Promise.resolve();
  #dueTimer: { readonly atMs: number; readonly timer: NodeJS.Timeout } | undefined;
  #stored: { readonly stream: string; readonly end: string } | undefined;
  #coveredAtMs = 0;

  constructor(options: {
    readonly env: AgentEnvironment;
    readonly service: ServiceContext;
    readonly repository: Repository;
    readonly stream: LogStream;
    readonly signal: AbortSignal;
  }) {
    this.#env = options.env;
    this.#service = options.service;
    this.#repository = options.repository;
    this.#stream = options.stream;
    this.#signal = options.signal;
    this.#pending = new LogPieceBuilder(options.env.configuration.log);
    this.#uploads = new TasksInOrder({
      room: options.env.archivers.uploadRoom,
      deliver: (pieces) => this.#record(pieces),
    });
  }

  storeThrough(position: string): void {
    this.#pending.wantThrough(position);
    this.#watchAge();
  }

  async run(): Promise<void> {
    try {
      for await (const event of this.#stream) {
        await this.#take(event);
        this.#watchAge();
        await this.#submitted;
        this.#uploads.check();
      }
      await this.#storeAll();
    } catch (error) {
      // The server is gone, perhaps for good: what it has sent is stored all the same.
      if (!this.#signal.aborted) await this.#storeAll();
      throw error;
    } finally {
      clearTimeout(this.#dueTimer?.timer);
      await this.#uploads.close();
    }
  }

  async #take(event: LogEvent): Promise<void> {
    switch (event.kind) {
      case "stream":
        await this.#storeAll();
        if (event.history) await this.#repository.putLogHistory(event.stream, event.history, { signal: this.#signal });
        this.#pending.beginStream(event.stream);
        this.#stored = { stream: event.stream, end: event.start };
        break;
      case "bytes":
        this.#pending.add(event, performance.now());
        break;
      case "caught-up":
        await this.#covered(event.at);
        break;
      case "flush-wanted":
        this.#store();
        break;
    }
  }

  /** Without a commit on its way, what is stored covers the time up to `at`. */
  async #covered(at: Date): Promise<void> {
    const now = performance.now();
    const isAllStored = !this.#pending.holdsCommit && this.#uploads.isIdle;
    if (!isAllStored || !this.#stored || now - this.#coveredAtMs < coveredEveryMs) return;
    this.#coveredAtMs = now;
    await recordCovered(this.#env.catalog.db, {
      serviceId: this.#service.row.id,
      cloud: this.#env.cloud,
      stream: this.#stored.stream,
      position: this.#stored.end,
      at,
    });
  }

  /** Makes a piece of what is pending when that is due, now or later. */
  #watchAge(): void {
    const atMs = this.#pending.dueAtMs;
    if (atMs === this.#dueTimer?.atMs) return;
    clearTimeout(this.#dueTimer?.timer);
    this.#dueTimer = undefined;
    if (atMs === undefined) return;
    const leftMs = atMs - performance.now();
    if (leftMs <= 0) this.#store();
    else this.#dueTimer = { atMs, timer: setTimeout(() => this.#store(), leftMs) };
  }

  async #storeAll(): Promise<void> {
    this.#store();
    await this.#submitted;
    await this.#uploads.finish();
  }

  /** Has what is pending stored, as soon as there is room for it. */
  #store(): void {
    const piece = this.#pending.take();
    if (!piece) return;
    const submitted = this.#submitted.then(() => this.#uploads.add(() => this.#put(piece)));
    submitted.catch(() => undefined); // whoever takes the next event awaits it
    this.#submitted = submitted;
  }

  async #put(piece: PendingPiece): Promise<StoredPiece> {
    const beganAtMs = performance.now();
    const sizeBytes = await this.#repository.putLogPiece(piece, piece.bytes, { signal: this.#signal });
    this.#pending.stored(piece, performance.now() - beganAtMs);
    return { ...piece, sizeBytes, storedAt: new Date() };
  }

  /** The objects first, then what the catalog says of them, then the server may drop its own. */
  async #record(pieces: readonly StoredPiece[]): Promise<void> {
    const { db } = this.#env.catalog;
    const serviceId = this.#service.row.id;
    for await (const run of logRuns(pieces)) {
      const stream = pieces[0]?.stream ?? "";
      await recordLog(db, { ...run, serviceId, cloud: this.#env.cloud, stream });
      await markSecondariesLacking(db, serviceId, pieces[0]?.storedAt ?? run.storedAt);
      this.#stored = { stream, end: run.end };
      this.#stream.acknowledge(run.end);
    }
  }
}
