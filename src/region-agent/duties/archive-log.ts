import { recordEvent } from "../../catalog/events.ts";
import { markSecondariesLacking, newestLogRange, recordCovered, recordLogPiece } from "../../catalog/log-ranges.ts";
import { requestBaseBackup } from "../../catalog/backups.ts";
import { BtarError, describeError } from "../../domain/errors.ts";
import type { LogEvent, LogStream, ServerAddress } from "../../engine/engine.ts";
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
import { locationWaiting, setLocationTrouble } from "./location-trouble.ts";
import { LogPieceBuilder } from "./log-piece-builder.ts";

const coveredEveryMs = 1000;

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
  from: { readonly stream: string; readonly position: string } | undefined,
  onStreaming: () => Promise<void>,
): Promise<void> {
  const { env, service, address, signal } = request;
  const stream = await env.sourceDriver.streamLog(address, {
    reservation: reservationName(service.row.id),
    from,
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
  // Only log that was removed is a mere gap. A server whose history is another one would write other bytes at
  // positions that are stored already: nothing of it must be mixed with what is there.
  if (!isReplaced && error.details["reason"] !== "removed") throw await historyChanged(request, error);
  const { env, service, address, signal } = request;
  const reservation = reservationName(service.row.id);
  await env.sourceDriver.dropReservation(address, { reservation, signal });
  await env.sourceDriver.ensureReservation(address, { reservation, signal });
  const { message } = error;
  return () => recordNewBeginning(request, isReplaced ? "database_replaced" : "log_gap", message);
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
 * Where the stored log ends. The catalog may be behind the store, when the agent died after storing a piece: what the
 * store has beyond it is taken into the catalog first.
 */
async function resumePosition({
  env,
  service,
  repository,
  signal,
}: StreamRequest): Promise<{ readonly stream: string; readonly position: string } | undefined> {
  const serviceId = service.row.id;
  const known = await newestLogRange(env.catalog.db, { serviceId, cloud: env.cloud });
  const streams = known ? [known.stream] : await repository.logStreams({ signal });
  for (const stream of streams) {
    for await (const piece of repository.logPieces(stream, { signal })) {
      if (known && piece.end <= known.end) continue;
      await recordLogPiece(env.catalog.db, { ...piece, serviceId, cloud: env.cloud });
    }
  }
  const newest = await newestLogRange(env.catalog.db, { serviceId, cloud: env.cloud });
  return newest && { stream: newest.stream, position: newest.end };
}

class LogArchiver implements FlushableArchiver {
  readonly #env: AgentEnvironment;
  readonly #service: ServiceContext;
  readonly #repository: Repository;
  readonly #stream: LogStream;
  readonly #signal: AbortSignal;
  readonly #pending: LogPieceBuilder;
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
  }

  storeThrough(position: string): void {
    this.#pending.wantThrough(position);
  }

  async run(): Promise<void> {
    for await (const event of this.#stream) {
      await this.#take(event);
      if (this.#pending.isDue(Date.now())) await this.#store();
    }
    await this.#store();
  }

  async #take(event: LogEvent): Promise<void> {
    switch (event.kind) {
      case "stream":
        await this.#store();
        if (event.history) await this.#repository.putLogHistory(event.stream, event.history, { signal: this.#signal });
        this.#pending.beginStream(event.stream);
        this.#stored = { stream: event.stream, end: event.start };
        break;
      case "bytes":
        this.#pending.add(event, Date.now());
        break;
      case "caught-up":
        await this.#covered(event.at);
        break;
      case "flush-wanted":
        await this.#store();
        break;
    }
  }

  /** Without a commit pending, what is stored covers the time up to `at`. */
  async #covered(at: Date): Promise<void> {
    const now = Date.now();
    if (this.#pending.holdsCommit || !this.#stored || now - this.#coveredAtMs < coveredEveryMs) return;
    this.#coveredAtMs = now;
    await recordCovered(this.#env.catalog.db, {
      serviceId: this.#service.row.id,
      cloud: this.#env.cloud,
      stream: this.#stored.stream,
      position: this.#stored.end,
      at,
    });
  }

  /** The object first, then what the catalog says of it, then the server may drop its own. */
  async #store(): Promise<void> {
    const piece = this.#pending.take();
    if (!piece) return;
    const sizeBytes = await this.#repository.putLogPiece(piece, piece.bytes, { signal: this.#signal });
    const storedAt = new Date();
    const serviceId = this.#service.row.id;
    await recordLogPiece(this.#env.catalog.db, { ...piece, serviceId, cloud: this.#env.cloud, sizeBytes, storedAt });
    await markSecondariesLacking(this.#env.catalog.db, serviceId, storedAt);
    this.#stored = { stream: piece.stream, end: piece.end };
    this.#stream.acknowledge(piece.end);
  }
}
