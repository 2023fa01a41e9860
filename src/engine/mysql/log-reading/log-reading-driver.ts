import type { ServerAddress, StoredLog } from "../../engine.ts";
import type {
  EndedRecovery,
  LogLeg,
  LogPlace,
  LogReader,
  LogReaderOptions,
  LogReadingDriver,
  LogRoute,
  TableNames,
  UnstoredLog,
} from "../../log-reading.ts";
import { formatPosition, packPosition, parsePosition, unpackPosition } from "../binlog/binlog-position.ts";
import { parseStreamName } from "../stream-name.ts";
import { BinlogTransactions } from "./binlog-transactions.ts";
import { readUnstoredBinlogs } from "./unstored-binlogs.ts";

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

  /** The log itself says what tables are called. */
  tableNames(): TableNames {
    return {
      trouble: undefined,
      find: async (tables) =>
        new Map(tables.map((table) => [table, { name: table, kind: "table", isStatistics: false } as const])),
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
