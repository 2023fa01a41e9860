import { recoveryByLocation } from "../catalog/recovery.ts";
import { type LogSpan, logSpans } from "../catalog/log-ranges.ts";
import { type DamagedObject, damagedObjects } from "../catalog/verification.ts";
import { BtarError, isBtarError } from "../domain/errors.ts";
import { parseGtid } from "../domain/gtid.ts";
import { parseTargetTime } from "../domain/recovery-target-time.ts";
import { serverOf } from "../domain/recovery-window.ts";
import type { BaseBackupFacts, LogPieceRef, RecoveryPlan, RecoveryTarget } from "../engine/engine.ts";
import type { LogRestorer, ServerDriver } from "../engine/server.ts";
import { systemClock } from "../platform/clock.ts";
import { releaseMemory } from "../platform/release-memory.ts";
import { widestPieces } from "../repository/log-cover.ts";
import type { LogPiece } from "../repository/log-piece.ts";
import type { BackupManifest } from "../repository/manifest.ts";
import { objectNames } from "../repository/object-names.ts";
import { type LogPart, readLog } from "../repository/read-log.ts";
import type { Repository } from "../repository/repository.ts";
import type { AgentEnvironment } from "./environment.ts";

const piecesReadAtOnce = 4;
/** Stored bytes of log that are fetched ahead, beside one piece; what is read of them is several times as much. */
const aheadBytes = 12 * 1024 * 1024;
/** Waits before log is listed again, in case a store gives old listings for a while. */
const planAgainMs = [0, 1000, 4000, 15_000] as const;

/** Everything that a recovery starts from. */
export interface RecoverySource {
  readonly manifest: BackupManifest;
  /** Of the engine that it is a backup of. */
  readonly server: ServerDriver;
  readonly facts: BaseBackupFacts;
  readonly plan: RecoveryPlan;
  readonly history: ReadonlyMap<string, Uint8Array>;
  /** Stored bytes of log that will be read. */
  readonly logBytes: number;
  /** Those of each piece, by name. */
  readonly pieceBytes: ReadonlyMap<string, number>;
}

/** Reads a job's target: `{kind: latest | backup-end}`, `{kind: time, at}` or `{kind: gtid, gtid}`. */
export function targetOf(input: Readonly<Record<string, unknown>>): RecoveryTarget {
  const target = input["target"];
  const { kind, at, gtid } = (typeof target === "object" && target !== null ? target : {}) as Record<string, unknown>;
  if (kind === "latest" || kind === "backup-end") return { kind };
  if (kind === "time" && typeof at === "string") return { kind, atMicros: parseTargetTime(at) };
  if (kind === "gtid" && typeof gtid === "string") return { kind, gtid: parseGtid(gtid) };
  throw new BtarError("INTERNAL", { message: `a job came with the recovery target ${JSON.stringify(target)}` });
}

/** Reads the manifest and chooses the log, from what is really in the store. */
export async function openRecoverySource(
  env: AgentEnvironment,
  request: {
    readonly repository: Repository;
    readonly fromCloud: string;
    readonly backupId: string;
    readonly target: RecoveryTarget;
    readonly signal: AbortSignal;
  },
): Promise<RecoverySource> {
  const { repository, fromCloud, backupId, target, signal } = request;
  const manifest = await repository.manifest(backupId, { signal });
  const facts: BaseBackupFacts = manifest;
  const { server } = env.engines.of(manifest.engine);
  const { db } = env.catalog;
  const place = { serviceId: repository.serviceId, cloud: fromCloud };
  const damaged = await damagedObjects(db, place);
  const heldLog = () => logSpans(db, place);
  const { plan, pieces, history } = await planLog({ repository, server, facts, target, damaged, heldLog, signal });
  const pieceBytes = new Map(pieces.map((piece) => [nameOf(piece), piece.sizeBytes]));
  const logBytes = plan.pieces.reduce((sum, piece) => sum + (pieceBytes.get(nameOf(piece)) ?? 0), 0);
  return { manifest, server, facts, plan, history, logBytes, pieceBytes };
}

interface PlanRequest {
  readonly repository: Repository;
  readonly server: ServerDriver;
  readonly facts: BaseBackupFacts;
  readonly target: RecoveryTarget;
  /** Objects that are not read: recovery ends where their log begins, unless others hold it. */
  readonly damaged: readonly DamagedObject[];
  /** Log that the location holds without a gap, as far as is known. */
  readonly heldLog: () => Promise<readonly LogSpan[]>;
  readonly signal: AbortSignal;
}

interface PlannedLog {
  readonly plan: RecoveryPlan;
  readonly pieces: readonly LogPiece[];
  readonly history: ReadonlyMap<string, Uint8Array>;
}

/** Log that is merged while the plan is made is listed, and planned, again. */
async function planLog(request: PlanRequest): Promise<PlannedLog> {
  for (const waitMs of planAgainMs) {
    try {
      return await planListedLog(request);
    } catch (error) {
      if (!isBtarError(error, "OBJECT_MISSING")) throw error;
      await systemClock.sleep(waitMs, request.signal);
    }
  }
  return await planListedLog(request);
}

async function planListedLog(request: PlanRequest): Promise<PlannedLog> {
  const { repository, server, facts, target, damaged, signal } = request;
  const held = await request.heldLog(); // before the store is listed, which may get more meanwhile
  const own = facts.log.stream;
  const from = server.firstLogPosition(facts);
  const pieces: LogPiece[] = [];
  const history = new Map<string, Uint8Array>();
  for (const stream of await repository.logStreams({ signal })) {
    // Earlier timelines, and databases that were at the same address, do not lead on from the backup.
    if (serverOf(stream) !== serverOf(own) || stream < own) continue;
    const text = await repository.logHistory(stream, { signal });
    if (text) history.set(stream, text);
    const listed = soundPieces(repository, repository.logPieces(stream, { signal, from }), damaged);
    for await (const piece of widestPieces(listed)) pieces.push(piece);
  }
  const readPiece = (piece: LogPieceRef) => repository.logPiece(piece, { signal });
  const plan = await server.planRecovery({ facts, target, pieces, history, readPiece });
  refuseMissingLog(plan, held, damaged);
  return { plan, pieces, history };
}

async function* soundPieces(
  { serviceId }: Repository,
  pieces: AsyncIterable<LogPiece>,
  damaged: readonly DamagedObject[],
): AsyncGenerator<LogPiece, void, undefined> {
  const keys = new Set(damaged.map(({ key }) => key));
  for await (const piece of pieces) if (!keys.has(objectNames.logPiece(serviceId, piece))) yield piece;
}

/**
 * A recovery that takes all the log that is there, and ends before the log of the location should, would hold less than
 * was asked for. Where it is known that log cannot be read, no more was offered.
 */
function refuseMissingLog(plan: RecoveryPlan, held: readonly LogSpan[], damaged: readonly DamagedObject[]): void {
  const last = plan.stopBefore ? undefined : plan.pieces.at(-1);
  if (!last) return;
  const { stream, end } = last;
  const span = held.find((each) => each.stream === stream && each.start <= end && end < each.end);
  if (!span) return;
  const isKnown = damaged.some(({ log_stream, log_start, log_end }) => {
    return log_stream === stream && (log_start ?? end) <= end && end < (log_end ?? end);
  });
  if (isKnown) return;
  throw new BtarError("OBJECT_MISSING", {
    message: `log ${stream} is missing from ${end} on; the location should hold it up to ${span.end}`,
    hint: "use another location, or verify this one with `btar verify`, which heals it where it can",
    details: { stream, from: end, to: span.end },
  });
}

/** Fetches the chosen log, several pieces at once, and hands it to the engine. */
export async function restoreLog(request: {
  readonly repository: Repository;
  readonly source: RecoverySource;
  readonly restorer: LogRestorer;
  readonly signal: AbortSignal;
  /** Is told the stored bytes of what was handed on. */
  readonly onProgress?: (doneBytes: number) => void;
}): Promise<void> {
  const { repository, source, restorer, signal, onProgress } = request;
  const streams = new Set(source.plan.pieces.map((piece) => piece.stream));
  for (const [stream, text] of source.history) {
    if (streams.has(stream)) await restorer.history(stream, text);
  }
  const ahead: { readonly piece: LogPieceRef; readonly parts: Promise<readonly LogPart[]> }[] = [];
  const storedBytes = (piece: LogPieceRef) => source.pieceBytes.get(nameOf(piece)) ?? 0;
  let doneBytes = 0;
  const writeNext = async () => {
    const next = ahead.shift();
    if (!next) return;
    for (const { start, bytes } of await next.parts) {
      await restorer.write(next.piece.stream, start, bytes);
      releaseMemory(bytes);
    }
    doneBytes += storedBytes(next.piece);
    onProgress?.(doneBytes);
  };
  const isFarAhead = () =>
    ahead.length >= piecesReadAtOnce || ahead.reduce((sum, { piece }) => sum + storedBytes(piece), 0) > aheadBytes;
  try {
    for (const piece of source.plan.pieces) {
      const parts = readLog(repository, piece, { signal });
      parts.catch(() => undefined); // thrown by writeNext in its turn
      ahead.push({ piece, parts });
      while (isFarAhead()) await writeNext();
    }
    while (ahead.length > 0) await writeNext();
  } finally {
    await Promise.allSettled(ahead.map(({ parts }) => parts));
  }
  await restorer.finish();
}

/**
 * Adds to an error about damaged data what else could be used: other base backups here, and other locations (X3).
 */
export async function withAlternatives(
  env: AgentEnvironment,
  failure: {
    readonly error: unknown;
    readonly sourceServiceId: string;
    readonly fromCloud: string;
    readonly backupId: string;
    /** What is there now, for people. */
    readonly left?: string;
  },
): Promise<unknown> {
  const { error, sourceServiceId, fromCloud, backupId, left = "nothing was left behind" } = failure;
  if (!(error instanceof BtarError) || error.kind !== "damaged") return error;
  const locations = await recoveryByLocation(env.catalog.db, sourceServiceId);
  const others = locations.flatMap(({ cloud, reach }) =>
    reach
      .filter((window) => window.backupId !== backupId || cloud !== fromCloud)
      .map((window) => `${window.backupId} in ${cloud}`),
  );
  const hint =
    others.length > 0
      ? `${left}; base backups that may do instead: ${others.slice(0, 5).join(", ")}`
      : `${left}; no other complete base backup of the service is known`;
  return new BtarError(error.code, { message: error.message, hint, details: error.details, cause: error });
}

function nameOf(piece: LogPieceRef): string {
  return `${piece.stream} ${piece.start} ${piece.end}`;
}
