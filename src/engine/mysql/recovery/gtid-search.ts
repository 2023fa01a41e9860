import { BtarError } from "../../../domain/errors.ts";
import { formatGtid, type Gtid } from "../../../domain/gtid.ts";
import { GtidSet } from "../../../domain/gtid-set.ts";
import { formatMicros } from "../../../domain/recovery-target-time.ts";
import type { BaseBackupFacts } from "../../engine.ts";
import { packPosition } from "../binlog/binlog-position.ts";
import type { BinlogTransaction } from "../binlog/event-scanner.ts";
import { gtidBounds } from "./gtid-bounds.ts";
import type { LogFiles } from "./log-files.ts";

export interface GtidRequest {
  readonly facts: BaseBackupFacts;
  readonly gtid: Gtid;
  /** From the file on that the base backup began in. */
  readonly log: LogFiles;
  /** Commit time of the log's last transaction. */
  readonly newestCommitMicros: bigint | undefined;
}

/** Where a transaction ends in the log, and when it was committed. */
export interface TransactionEnd {
  readonly position: string;
  readonly commitMicros: bigint;
}

/**
 * Finds the end of a transaction, so that a recovery up to there holds all that is before it in log order, and nothing
 * behind it. What the base backup's files hold ends somewhere before `facts.log.end`: no transaction may lie between.
 * @throws {BtarError} RECOVERY_TARGET_UNREACHABLE with what can be reached; OBJECT_DAMAGED
 */
export async function endOfTransaction(request: GtidRequest): Promise<TransactionEnd> {
  const { facts, gtid, log } = request;
  const isPast = (await log.previousGtids(log.numbers[0] ?? 0))?.has(gtid) ?? false;
  if (isPast) throw await heldAlready(request);
  const file = await fileOf(gtid, log);
  let end: TransactionEnd | undefined;
  for (const number of log.numbers.filter((each) => each >= file)) {
    for await (const transactions of log.transactions(number)) {
      for (const transaction of transactions) {
        const start = packPosition({ file: number, offset: transaction.start });
        if (end && start >= facts.log.end) return end;
        if (end) throw await heldAlready(request);
        if (isOf(transaction, gtid)) end = endOf(number, transaction);
      }
      if (end && end.position >= facts.log.end) return end;
    }
    if (!end) break; // it can be in no other file
  }
  if (!end) throw await notLogged(request);
  return end;
}

/** Each file tells at its beginning what is in those before it: the last one that does not tell it may have it. */
async function fileOf(gtid: Gtid, log: LogFiles): Promise<number> {
  const { numbers } = log;
  let [low, high] = [0, numbers.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const previous = await log.previousGtids(numbers[middle] ?? 0);
    // One that does not even tell them holds nothing.
    if (!previous || previous.has(gtid)) high = middle - 1;
    else low = middle;
  }
  return numbers[low] ?? 0;
}

function isOf({ gtid: its }: BinlogTransaction, gtid: Gtid): boolean {
  return its?.number === gtid.number && its.uuid === gtid.uuid && its.tag === gtid.tag;
}

function endOf(file: number, { end, commitMicros }: BinlogTransaction): TransactionEnd {
  return { position: packPosition({ file, offset: end }), commitMicros: BigInt(commitMicros) };
}

async function heldAlready(request: GtidRequest): Promise<BtarError> {
  const atMost = gtidBounds(request.facts)?.atMost;
  const later = atMost && (await loggedGtids(request.log)).minus(atMost);
  return unreachable(request, { why: "it may hold later ones", gtids: later });
}

async function notLogged(request: GtidRequest): Promise<BtarError> {
  const gtids = await loggedGtids(request.log);
  return unreachable(request, { why: "the log holds no such transaction", gtids });
}

function unreachable(
  { facts, gtid, newestCommitMicros }: GtidRequest,
  told: { readonly why: string; readonly gtids: GtidSet | undefined },
): BtarError {
  const earliest = BigInt(facts.consistentAt.getTime()) * 1000n;
  const latest = newestCommitMicros !== undefined && newestCommitMicros > earliest ? newestCommitMicros : earliest;
  const times = `a time from ${formatMicros(earliest)} to ${formatMicros(latest)}`;
  const gtids = told.gtids?.isEmpty ? undefined : told.gtids?.brief();
  return new BtarError("RECOVERY_TARGET_UNREACHABLE", {
    message: `the base backup cannot be recovered to transaction ${formatGtid(gtid)}: ${told.why}`,
    hint: gtids === undefined ? `choose ${times}` : `choose a transaction of ${gtids}, or ${times}`,
    details: { target: formatGtid(gtid), earliest: formatMicros(earliest), latest: formatMicros(latest), gtids },
  });
}

/** All that the log holds, and what was logged before it. */
async function loggedGtids(log: LogFiles): Promise<GtidSet> {
  for (const file of log.numbers.toReversed()) {
    const logged = await log.previousGtids(file);
    if (!logged) continue; // cut off at its very beginning
    for await (const transactions of log.transactions(file)) {
      for (const { gtid } of transactions) if (gtid) logged.add(gtid);
    }
    return logged;
  }
  return new GtidSet();
}
