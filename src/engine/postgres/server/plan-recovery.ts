import { BtarError } from "../../../domain/errors.ts";
import { formatGtid } from "../../../domain/gtid.ts";
import { formatLsn, type Lsn, lsnFromSortable, lsnToSortable } from "../../../domain/lsn.ts";
import { formatMicros } from "../../../domain/recovery-target-time.ts";
import type { BaseBackupFacts, LogPieceRef, RecoveryPlan, RecoveryTarget } from "../../engine.ts";
import { recoveryFacts } from "./backup-facts.ts";
import { commitsIn, type PieceSource } from "./commit-search.ts";
import { chainOfLog, type LogChain } from "./log-chain.ts";

export interface RecoveryRequest {
  readonly facts: BaseBackupFacts;
  readonly target: RecoveryTarget;
  /** In order of their names. */
  readonly pieces: readonly LogPieceRef[];
  /** Timeline histories by stream name. */
  readonly history: ReadonlyMap<string, Uint8Array>;
  readonly readPiece: (piece: LogPieceRef) => Promise<Uint8Array>;
}

/** How much of a chain a recovery takes. */
interface Stop {
  readonly position: Lsn;
  /** The last piece that is needed: it holds all of what ends before `position`, and the record there if any. */
  readonly lastPiece: number;
}

/**
 * Chooses the log of a recovery, and where it ends.
 *
 * A time is turned into a position here, by reading the commit records themselves: a server that is given a time, and
 * finds no later commit, does not end its recovery at all. What is left out begins with the first commit in log order
 * that is later than the time.
 * @throws {BtarError} LOG_GAP, RECOVERY_TARGET_UNREACHABLE, OBJECT_DAMAGED
 */
export async function planRecovery(request: RecoveryRequest): Promise<RecoveryPlan> {
  const facts = recoveryFacts(request.facts);
  const chain = chainOfLog(facts, request.pieces, request.history);
  if (chain.end < facts.logEnd) throw gap(request, chain, facts.logEnd);
  const source = { segmentBytes: facts.walSegmentBytes, readPiece: request.readPiece };
  const stop = await findStop(request, chain, facts.logEnd, source);
  const used = stop ? chain.pieces.slice(0, stop.lastPiece + 1) : chain.pieces;
  const stream = used.findLast((piece) => stop && piece.from <= stop.position)?.ref.stream ?? request.facts.log.stream;
  return {
    pieces: used.map((piece) => piece.ref),
    stopBefore: stop && { stream, position: lsnToSortable(stop.position) },
    lastCommitMicros: await lastCommitBefore(chain, stop, source),
  };
}

async function findStop(
  request: RecoveryRequest,
  chain: LogChain,
  logEnd: Lsn,
  source: PieceSource,
): Promise<Stop | undefined> {
  const { target } = request;
  switch (target.kind) {
    case "latest":
      return undefined;
    case "backup-end":
      return { position: logEnd, lastPiece: chain.pieces.findIndex((piece) => piece.to >= logEnd) };
    case "time":
      return await firstCommitAfter(request.facts, target.atMicros, chain, source);
    case "gtid":
      throw new BtarError("INVALID_INPUT", {
        message: `PostgreSQL has no transaction ${formatGtid(target.gtid)}: GTIDs are MySQL's`,
        hint: "give a time, or a base backup",
      });
  }
}

async function firstCommitAfter(
  facts: BaseBackupFacts,
  atMicros: bigint,
  chain: LogChain,
  source: PieceSource,
): Promise<Stop | undefined> {
  for (const [index, piece] of chain.pieces.entries()) {
    if (!((piece.ref.newestCommitMicros ?? atMicros) > atMicros)) continue;
    const commits = await commitsIn(chain, index, source);
    const commit = commits.find((each) => each.atMicros > atMicros);
    if (!commit) continue; // it lies in a part of the piece that does not count
    refuseBeforeConsistency(facts, atMicros, commit.end);
    return { position: commit.start, lastPiece: index };
  }
  return undefined;
}

/**
 * Only from `consistentAt` on is a prefix of the log sure to make the files consistent; the log up to `log.end` may
 * reach a little further.
 */
function refuseBeforeConsistency(facts: BaseBackupFacts, atMicros: bigint, commitEnd: Lsn): void {
  const consistentMicros = BigInt(facts.consistentAt.getTime()) * 1000n;
  if (atMicros >= consistentMicros || commitEnd > lsnFromSortable(facts.log.end)) return;
  throw new BtarError("RECOVERY_TARGET_UNREACHABLE", {
    message: `the base backup cannot be recovered to ${formatMicros(atMicros)}: it holds later transactions`,
    hint: `choose a time from ${formatMicros(consistentMicros)} on, or an older base backup`,
    details: { target: formatMicros(atMicros), earliest: formatMicros(consistentMicros) },
  });
}

/** Commit time of the last transaction in what is taken of a chain, as far as the log tells. */
async function lastCommitBefore(
  chain: LogChain,
  stop: Stop | undefined,
  source: PieceSource,
): Promise<bigint | undefined> {
  for (let index = stop?.lastPiece ?? chain.pieces.length - 1; index >= 0; index -= 1) {
    const piece = chain.pieces[index];
    if (piece?.ref.newestCommitMicros === undefined) continue;
    const commits = await commitsIn(chain, index, source);
    const last = commits.findLast((commit) => stop === undefined || commit.end <= stop.position);
    if (last) return last.atMicros;
  }
  return undefined;
}

function gap(request: RecoveryRequest, chain: LogChain, logEnd: Lsn): BtarError {
  const { stream } = request.facts.log;
  const next = request.pieces
    .filter((piece) => piece.stream === stream)
    .map((piece) => lsnFromSortable(piece.start))
    .find((start) => start > chain.end);
  const until = next === undefined || next > logEnd ? logEnd : next;
  return new BtarError("LOG_GAP", {
    message: `log ${stream} is missing from ${formatLsn(chain.end)} to ${formatLsn(until)}, which the base backup needs`,
    hint: "use another base backup, or the same one of another location",
    details: { stream, from: lsnToSortable(chain.end), to: lsnToSortable(until) },
  });
}
