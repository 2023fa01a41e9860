import type { LogPlace, LogReadingDriver } from "../../engine/log-reading.ts";
import type { LostRangeResult } from "../../contract/lost-range.ts";
import type { DamagedHole, LostLog } from "./read-lost-log.ts";
import type { TransactionTotals } from "./transaction-list.ts";

/** What a service has done that a fork of it does not hold; the head of `summary.json`. */
export interface LostRangeSummary extends Omit<LostRangeResult, "files" | "directory"> {
  readonly files: readonly string[];
}

export interface SummaryRequest {
  readonly fork: string;
  readonly source: string;
  readonly cloud: string;
  readonly driver: LogReadingDriver;
  readonly stop: LogPlace;
  readonly forkLastCommitAt: string | undefined;
  readonly log: LostLog;
  readonly totals: TransactionTotals;
  readonly namesTrouble: string | undefined;
  /** How many tables are told. */
  readonly mostTables: number;
}

const unnamed = "they are told as TABLESPACE/DATABASE/FILE, in numbers";

export function summarize(request: SummaryRequest): LostRangeSummary {
  const { driver, log, totals, mostTables } = request;
  const told = (place: LogPlace) => ({ ...place, text: driver.formatPosition(place.position) });
  const toldOrNull = (place: LogPlace | undefined) => (place ? told(place) : null);
  const isOnServer = log.serverBytes > 0;
  const moreTables = totals.moreTables ? null : Math.max(0, totals.tables.length - mostTables);
  return {
    fork: request.fork,
    source: request.source,
    cloud: request.cloud,
    state: totals.transactions + totals.accounts + log.holes.length > 0 ? "present" : "none",
    transactions: totals.transactions,
    accountTransactions: totals.accounts,
    otherTransactions: totals.others,
    partialTransactions: totals.partial,
    transactionsOnServerOnly: totals.onServerOnly,
    transactionsAfterFork: totals.committedAfterFork,
    firstCommitAt: totals.firstCommitAt,
    lastCommitAt: totals.lastCommitAt,
    forkEnd: told(request.stop),
    forkLastCommitAt: request.forkLastCommitAt ?? null,
    storeEnd: toldOrNull(log.storeEnd),
    storeBytes: log.storedBytes,
    serverEnd: isOnServer ? toldOrNull(log.end) : null,
    serverBytes: log.serverBytes,
    server: { state: log.server.state, trouble: log.server.state === "read" ? null : log.server.trouble },
    leftHistoryAt: toldOrNull(log.leftAt),
    gaps: log.holes.map((hole) => gapOf(driver, hole)),
    tables: totals.tables.slice(0, mostTables),
    moreTables,
    namesTrouble: totals.hasNumbers ? namesTrouble(request) : null,
    files: log.files,
  };
}

function namesTrouble({ namesTrouble: trouble, log }: SummaryRequest): string {
  if (trouble !== undefined) return `the server does not tell what some tables are called (${trouble}): ${unnamed}`;
  if (log.server.state === "not-asked") return `the server was not asked what tables are called: ${unnamed}`;
  return `the server has no table with some of these files any more: ${unnamed}`;
}

function gapOf(driver: LogReadingDriver, { stream, start, end, what, objects }: DamagedHole) {
  return { stream, start: driver.formatPosition(start), end: driver.formatPosition(end), what, objects: [...objects] };
}
