import type { ServerAddress, StoredLog } from "../../engine.ts";
import type {
  EndedRecovery,
  LogLeg,
  LoggedTransaction,
  LogPlace,
  LogReader,
  LogReaderOptions,
  LogReadingDriver,
  LogRoute,
  TableNames,
  TransactionSubject,
  UnstoredLog,
} from "../../log-reading.ts";
import { formatPosition, packPosition, parsePosition, unpackPosition } from "../binlog/binlog-position.ts";
import { parseStreamName } from "../stream-name.ts";
import { BinlogTransactions } from "./binlog-transactions.ts";
import { readUnstoredBinlogs } from "./unstored-binlogs.ts";

/** Statements about users, roles and rights; the schema that they were given in stands before them. */
const ofAccounts =
  /^(?:\/\* .* \*\/ )?(?:(?:CREATE|ALTER|DROP|RENAME)\s+(?:USER|ROLE)|GRANT|REVOKE|SET\s+(?:PASSWORD|DEFAULT\s+ROLE))\b/i;

/** Reads the binary logs of MySQL 8.0 and later. */
export class MysqlLogReadingDriver implements LogReadingDriver {
  formatPosition(position: string): string {
    return formatPosition("binlog", unpackPosition(position));
  }

  placeOfStop({ facts, stoppedAt }: EndedRecovery): LogPlace {
    return { stream: facts.log.stream, position: packPosition(parsePosition(stoppedAt)) };
  }

  /** Logs that were reset, or that go on after some were lost, are streams of their own. */
  route(request: {
    readonly stop: LogPlace;
    readonly streams: readonly { readonly stream: string; readonly start: string }[];
  }): LogRoute {
    const { stop, streams } = request;
    const own = parseStreamName(stop.stream);
    const later = streams
      .map(({ stream, start }) => ({ stream, start, ...parseStreamName(stream) }))
      .filter(({ serverUuid, generation }) => serverUuid === own.serverUuid && generation > own.generation)
      .sort((a, b) => a.generation - b.generation);
    const leg = (stream: string, start: string): LogLeg => ({ stream, from: start, start, until: undefined });
    const legs = [leg(stop.stream, stop.position), ...later.map(({ stream, start }) => leg(stream, start))];
    return { legs, leftAt: undefined };
  }

  reader(options: LogReaderOptions): LogReader {
    return new BinlogTransactions(options);
  }

  subjectOf({ tables, statements, isPartial, moreTables }: LoggedTransaction): TransactionSubject {
    if (isPartial || tables.length + moreTables > 0) return "data";
    if (statements.length === 0) return "nothing";
    return statements.every((statement) => ofAccounts.test(statement)) ? "accounts" : "data";
  }

  /** The log itself says what tables are called. */
  tableNames(): TableNames {
    return {
      trouble: undefined,
      find: async (tables) =>
        new Map(tables.map((table) => [table, { name: table, kind: "table", holds: "data" } as const])),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  readUnstored(
    address: ServerAddress,
    options: { readonly from: StoredLog; readonly signal: AbortSignal },
  ): AsyncIterable<UnstoredLog> {
    return readUnstoredBinlogs(address, options);
  }
}
