import { formatLsn, lsnFromSortable, lsnToSortable, parseLsn } from "../../../domain/lsn.ts";
import type { BaseBackupFacts, ServerAddress, StoredLog } from "../../engine.ts";
import type {
  EndedRecovery,
  LoggedTransaction,
  LogPlace,
  LogReader,
  LogReaderOptions,
  LogReadingDriver,
  LogRoute,
  TableName,
  TableNames,
  TransactionSubject,
  UnstoredLog,
} from "../../log-reading.ts";
import { lastStream, recoveryFacts } from "../server/backup-facts.ts";
import { formatStreamName } from "../stream-name.ts";
import { RelationNames } from "./relation-names.ts";
import { readUnstoredWal } from "./unstored-wal.ts";
import { WalReader } from "./wal-reader.ts";
import { routeOfWal } from "./wal-route.ts";

/** Reads the WAL of PostgreSQL 14 to 18. */
export class PostgresLogReadingDriver implements LogReadingDriver {
  formatPosition(position: string): string {
    return formatLsn(lsnFromSortable(position));
  }

  placeOfStop({ facts, plan, stoppedAt }: EndedRecovery): LogPlace {
    return { stream: formatStreamName(lastStream(facts, plan)), position: lsnToSortable(parseLsn(stoppedAt)) };
  }

  route(request: {
    readonly stop: LogPlace;
    readonly facts: BaseBackupFacts;
    readonly streams: readonly { readonly stream: string; readonly start: string }[];
    readonly history: ReadonlyMap<string, Uint8Array>;
  }): LogRoute {
    return routeOfWal({ ...request, segmentBytes: recoveryFacts(request.facts).walSegmentBytes });
  }

  reader(options: LogReaderOptions): LogReader {
    return new WalReader(options, recoveryFacts(options.facts).walSegmentBytes);
  }

  subjectOf(transaction: LoggedTransaction, names: ReadonlyMap<string, TableName>): TransactionSubject {
    if (transaction.isPartial || transaction.moreTables > 0) return "data";
    const subjects = transaction.tables.map(({ table, isMade, isDropped }) =>
      isMade || isDropped ? "data" : (names.get(table)?.holds ?? "data"),
    );
    if (subjects.includes("data")) return "data";
    return subjects.includes("accounts") ? "accounts" : "nothing"; // such as locks alone, or an ANALYZE
  }

  tableNames(address: ServerAddress | undefined, options: { readonly signal: AbortSignal }): TableNames {
    return new RelationNames(address, options);
  }

  readUnstored(
    address: ServerAddress,
    options: { readonly from: StoredLog; readonly signal: AbortSignal },
  ): AsyncIterable<UnstoredLog> {
    return readUnstoredWal(address, options);
  }
}
