import { BtarError } from "../../../domain/errors.ts";
import type { LogEvent, LogStream, LogStreamOptions, ServerAddress } from "../../engine.ts";
import { MysqlConnection } from "../connection.ts";
import { formatAddress } from "../server-error.ts";
import { formatStreamName } from "../stream-name.ts";
import { binlogFileName, packPosition } from "./binlog-position.ts";
import { BinlogReader, type LogPart } from "./binlog-reader.ts";
import { LogClock } from "./log-clock.ts";
import { StoredLogPurge } from "./stored-log-purge.ts";
import { checkSameFile, describeLogServer, findLogStart, readFileDescription } from "./stream-server.ts";

/** A server that shuts down ends our other connection first, then waits for this one: until it has sent what it has. */
const shutDownGraceMs = 5_000;

/** So many heartbeats in a row may come while the server's log is known to go on: it may be slow to sync what it sends. */
const mostContradictions = 30;

/**
 * Streams a server's binary logs, byte for byte as its files are.
 *
 * A stream is named by the server, and by when the file was made that it begins with. A first start begins with the
 * file that is being written.
 * @throws {BtarError} here or from the iteration: LOG_GAP (details.reason `removed`, `lost`),
 *   SYSTEM_IDENTIFIER_CHANGED (another server; logs that were reset or replaced), SERVER_UNREACHABLE, SERVER_REFUSED,
 *   SERVER_PROTOCOL, CANCELLED
 */
export async function streamLog(address: ServerAddress, options: LogStreamOptions): Promise<LogStream> {
  const { signal, from } = options;
  const session = await MysqlConnection.open(address, { signal });
  let reader: BinlogReader | undefined;
  try {
    const server = await describeLogServer(session);
    const { serverUuid, logs } = server;
    const start = await findLogStart(from, server, (file) =>
      readFileDescription(address, {
        fileName: binlogFileName(logs.baseName, file),
        readerName: options.reservation,
        signal,
      }),
    );
    const purge = options.removesStored === true ? new StoredLogPurge(logs.baseName) : undefined;
    let name = from?.stream;
    const opened = await BinlogReader.open(address, {
      baseName: logs.baseName,
      start,
      readerName: options.reservation,
      signal,
      onFile: (file) => {
        name ??= formatStreamName({ serverUuid, generation: file.createdSeconds });
        purge?.begun(file);
      },
    });
    reader = opened.reader;
    if (from && opened.description) await checkSameFile(from, server, opened.description);
    const history = Buffer.from(JSON.stringify({ binlogBaseName: logs.baseName }));
    const { versionNumber } = server;
    return new BinlogStream({ session, reader, versionNumber, purge, history, streamName: () => name ?? "" });
  } catch (error) {
    await Promise.all([session[Symbol.asyncDispose](), reader?.[Symbol.asyncDispose]()]);
    throw error;
  }
}

interface StreamSetup {
  readonly session: MysqlConnection;
  readonly reader: BinlogReader;
  readonly versionNumber: number;
  readonly purge: StoredLogPurge | undefined;
  readonly history: Buffer;
  /** Known when the first bytes have come. */
  readonly streamName: () => string;
}

class BinlogStream implements LogStream {
  readonly #setup: StreamSetup;
  readonly #clock: LogClock;
  readonly #events: AsyncGenerator<LogEvent, void, undefined>;
  #isClosed = false;
  #contradictions = 0;

  constructor(setup: StreamSetup) {
    this.#setup = setup;
    const { session, versionNumber, purge } = setup;
    this.#clock = new LogClock(session, { versionNumber, purge, received: () => this.#position() });
    this.#events = this.#run();
    this.#clock.start();
  }

  [Symbol.asyncIterator](): AsyncIterator<LogEvent> {
    return this.#events;
  }

  acknowledge(position: string): void {
    this.#setup.purge?.stored(position);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#clock.close(), this.#setup.reader[Symbol.asyncDispose]()]);
  }

  async *#run(): AsyncGenerator<LogEvent, void, undefined> {
    try {
      yield* this.#log();
    } catch (error) {
      if (!this.#isClosed) throw error;
    } finally {
      await this.close();
    }
  }

  async *#log(): AsyncGenerator<LogEvent, void, undefined> {
    const { reader, history, streamName } = this.#setup;
    const start = this.#position();
    let isBegun = false;
    for await (const part of reader.parts()) {
      if (!isBegun) yield { kind: "stream", stream: streamName(), start, history };
      isBegun = true;
      if (part.kind === "bytes") yield bytesEvent(part);
      yield* this.#caughtUp();
      this.#checkClock(part);
    }
  }

  *#caughtUp(): Generator<LogEvent, void, undefined> {
    const { mark } = this.#clock;
    const position = this.#position();
    if (!mark || mark.position > position) return;
    this.#clock.takeMark();
    yield { kind: "caught-up", position, at: mark.at };
  }

  /**
   * What the clock's connection fails with ends the stream, too, once all has come that the server sends. And a dump
   * may have stopped without a word: that of logs that were reset goes on to wait for what will never come.
   */
  #checkClock({ kind }: LogPart): void {
    const { mark, failure } = this.#clock;
    const isOver = failure && (kind === "heartbeat" || performance.now() - failure.atMs > shutDownGraceMs);
    if (isOver) throw failure.error;
    this.#contradictions = kind === "heartbeat" && mark ? this.#contradictions + 1 : 0;
    if (mark && this.#contradictions > mostContradictions) throw this.#stuck(mark.position);
  }

  #stuck(end: string): BtarError {
    return new BtarError("SERVER_UNREACHABLE", {
      message:
        `MySQL at ${formatAddress(this.#setup.session.address)} sends no more of its binary log than up to ` +
        `${this.#position()}, and it goes on to ${end}`,
      hint: "storing goes on with a new connection by itself",
    });
  }

  #position(): string {
    return packPosition(this.#setup.reader.position);
  }
}

function bytesEvent(part: Extract<LogPart, { readonly kind: "bytes" }>): LogEvent {
  const { file, start, bytes, newestCommitMicros, nextFile } = part;
  const end = nextFile === undefined ? { file, offset: start + bytes.length } : { file: nextFile, offset: 0 };
  return {
    kind: "bytes",
    start: packPosition({ file, offset: start }),
    end: packPosition(end),
    bytes,
    newestCommitMicros: newestCommitMicros === 0 ? undefined : BigInt(newestCommitMicros),
  };
}
