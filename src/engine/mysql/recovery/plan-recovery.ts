import { BtarError } from "../../../domain/errors.ts";
import { formatMicros } from "../../../domain/recovery-target-time.ts";
import type { BaseBackupFacts, LogPieceRef, RecoveryPlan, RecoveryTarget } from "../../engine.ts";
import { formatPosition, packPosition, unpackPosition } from "../binlog/binlog-position.ts";
import type { BinlogTransaction } from "../binlog/event-scanner.ts";
import { endOfTransaction } from "./gtid-search.ts";
import { type ChainedPiece, LogFiles } from "./log-files.ts";

export interface RecoveryRequest {
  readonly facts: BaseBackupFacts;
  readonly target: RecoveryTarget;
  /** In order of their names; all end after `firstLogPosition`. */
  readonly pieces: readonly LogPieceRef[];
  readonly readPiece: (piece: LogPieceRef) => Promise<Uint8Array>;
}

interface Stop {
  readonly position: string;
  /** Of the transaction before it. */
  readonly commitBefore: bigint | undefined;
}

/** A replay reads whole files: it begins with the one that holds the backup's start. */
export function firstLogPosition({ log }: Pick<BaseBackupFacts, "log">): string {
  return packPosition({ file: unpackPosition(log.start).file, offset: 0 });
}

/**
 * Chooses the log of a recovery, and where it ends: before the first transaction in log order that was committed later
 * than the target (`immediate_commit_timestamp`), or behind the one that is the target, or else behind the last one that
 * is whole.
 * @throws {BtarError} LOG_GAP, RECOVERY_TARGET_UNREACHABLE, OBJECT_DAMAGED
 */
export async function planRecovery(request: RecoveryRequest): Promise<RecoveryPlan> {
  const { facts, target } = request;
  const { stream, end: logEnd } = facts.log;
  const chain = chainFrom(firstLogPosition(facts), ofStream(request));
  const reached = chain.at(-1)?.ref.end ?? firstLogPosition(facts);
  if (reached < logEnd) throw gap(request, reached);
  switch (target.kind) {
    case "latest":
      return { pieces: refsOf(chain), stopBefore: undefined, lastCommitMicros: newestCommit(chain) };
    case "backup-end": {
      const used = chain.filter(({ from }) => from < logEnd);
      return { pieces: refsOf(used), stopBefore: { stream, position: logEnd }, lastCommitMicros: newestCommit(used) };
    }
    case "time": {
      const stop = await firstCommitAfter(request, chain, target.atMicros);
      if (!stop) return { pieces: refsOf(chain), stopBefore: undefined, lastCommitMicros: newestCommit(chain) };
      const used = chain.filter(({ from }) => from < stop.position);
      const { position, commitBefore } = stop;
      return { pieces: refsOf(used), stopBefore: { stream, position }, lastCommitMicros: commitBefore };
    }
    case "gtid": {
      const log = new LogFiles(chain, request.readPiece);
      const newestCommitMicros = newestCommit(chain);
      const { position, commitMicros } = await endOfTransaction({ facts, gtid: target.gtid, log, newestCommitMicros });
      const used = chain.filter(({ from }) => from < position);
      return { pieces: refsOf(used), stopBefore: { stream, position }, lastCommitMicros: commitMicros };
    }
  }
}

/** Another generation of the server's logs is another history. */
function ofStream({ facts, pieces }: RecoveryRequest): readonly LogPieceRef[] {
  return pieces.filter(({ stream }) => stream === facts.log.stream);
}

/** Pieces without a gap from a position on; what others hold already is left out. */
function chainFrom(position: string, pieces: readonly LogPieceRef[]): readonly ChainedPiece[] {
  const chain: ChainedPiece[] = [];
  let reached = position;
  for (const ref of pieces) {
    if (ref.start > reached) break;
    if (ref.end <= reached) continue;
    chain.push({ ref, from: reached });
    reached = ref.end;
  }
  return chain;
}

async function firstCommitAfter(
  { facts, readPiece }: RecoveryRequest,
  chain: readonly ChainedPiece[],
  atMicros: bigint,
): Promise<Stop | undefined> {
  const log = new LogFiles(chain, readPiece);
  const files = chain
    .filter(({ ref }) => (ref.newestCommitMicros ?? atMicros) > atMicros)
    .map(({ from }) => unpackPosition(from).file);
  for (const file of new Set(files)) {
    let before: BinlogTransaction | undefined;
    for await (const transactions of log.transactions(file)) {
      const index = transactions.findIndex(({ commitMicros }) => BigInt(commitMicros) > atMicros);
      before = transactions[index === -1 ? transactions.length - 1 : index - 1] ?? before;
      const later = transactions[index];
      if (!later) continue;
      const position = packPosition({ file, offset: later.start });
      refuseBeforeConsistency(facts, atMicros, position);
      before ??= await lastBefore(log, file);
      return { position, commitBefore: before && BigInt(before.commitMicros) };
    }
  }
  return undefined;
}

async function lastBefore(log: LogFiles, file: number): Promise<BinlogTransaction | undefined> {
  for (const earlier of log.numbers.filter((number) => number < file).reverse()) {
    let last: BinlogTransaction | undefined;
    for await (const transactions of log.transactions(earlier)) last = transactions.at(-1) ?? last;
    if (last) return last;
  }
  return undefined;
}

/** The files hold nothing that was committed after `consistentAt`, but they may hold all that was committed before. */
function refuseBeforeConsistency(facts: BaseBackupFacts, atMicros: bigint, position: string): void {
  const consistentMicros = BigInt(facts.consistentAt.getTime()) * 1000n;
  if (atMicros >= consistentMicros || position >= facts.log.end) return;
  throw new BtarError("RECOVERY_TARGET_UNREACHABLE", {
    message: `the base backup cannot be recovered to ${formatMicros(atMicros)}: it holds later transactions`,
    hint: `choose a time from ${formatMicros(consistentMicros)} on, or an older base backup`,
    details: { target: formatMicros(atMicros), earliest: formatMicros(consistentMicros) },
  });
}

function refsOf(chain: readonly ChainedPiece[]): readonly LogPieceRef[] {
  return chain.map(({ ref }) => ref);
}

function newestCommit(chain: readonly ChainedPiece[]): bigint | undefined {
  return chain.findLast(({ ref }) => ref.newestCommitMicros !== undefined)?.ref.newestCommitMicros;
}

function gap(request: RecoveryRequest, reached: string): BtarError {
  const { stream, end } = request.facts.log;
  const next = ofStream(request)
    .map(({ start }) => start)
    .find((start) => start > reached);
  const until = next === undefined || next > end ? end : next;
  const told = (position: string) => formatPosition("binlog", unpackPosition(position));
  return new BtarError("LOG_GAP", {
    message: `log ${stream} is missing from ${told(reached)} to ${told(until)}, which the base backup needs`,
    hint: "use another base backup, or the same one of another location",
    details: { stream, from: reached, to: until },
  });
}
