import { isBtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import { errnoOf, protocolViolation } from "../server-error.ts";
import { BinlogDump, type DumpStop } from "./binlog-dump.ts";
import { type BinlogPosition, binlogFileName, parseBinlogFileName } from "./binlog-position.ts";
import { binlogMagic, eventType } from "./event-header.ts";
import { EventScanner, readDescription } from "./event-scanner.ts";

/** Heartbeats come each second; when nothing comes for this long the server is gone. */
const silenceLimitMs = 30_000;

/** ER_SOURCE_FATAL_ERROR_READING_BINLOG: all that a server says when it cannot send log. */
const cannotRead = 1236;

/** What may come first behind whole transactions; anything else is in the middle of one. */
const betweenTransactions: ReadonlySet<number> = new Set([
  eventType.gtid,
  eventType.anonymousGtid,
  eventType.taggedGtid,
  eventType.previousGtids,
  eventType.rotate,
  eventType.stop,
]);

/** What comes out of a server's binary logs, in order. */
export type LogPart =
  | {
      readonly kind: "bytes";
      readonly file: number;
      /** Where in the file they begin. */
      readonly start: number;
      /** Only valid until the next part is asked for. */
      readonly bytes: Buffer;
      /** Of the transactions that end in them, microseconds since 1970; 0: none does. */
      readonly newestCommitMicros: number;
      /** They are the file's last ones, of which there may be none, and this file is the next. */
      readonly nextFile: number | undefined;
    }
  /** The server had nothing more to send. */
  | { readonly kind: "heartbeat" };

export interface BinlogReaderOptions {
  /** What the names of the server's logs begin with. */
  readonly baseName: string;
  readonly start: BinlogPosition;
  readonly readerName: string;
  readonly signal: AbortSignal;
  /** A file is read from: its number, and when it was made, seconds since 1970. */
  readonly onFile: (file: { readonly file: number; readonly createdSeconds: number }) => void;
}

/**
 * Reads a server's binary logs from a position on, byte for byte. Parts end between transactions, except within those
 * that are longer than the buffer of a dump.
 *
 * The server can only begin to send with an event, and only at the beginning of a transaction do we learn when it was
 * committed. Where the position turns out to be neither, the file is read from its beginning, and nothing is given out
 * of what lies before the position.
 */
export class BinlogReader implements AsyncDisposable {
  readonly #address: ServerAddress;
  readonly #options: BinlogReaderOptions;
  #isDisposed = false;
  #dump: BinlogDump | undefined;
  #scanner: EventScanner;
  #file: number;
  /** Where in the file the first byte in the dump's buffer lies. */
  #bufferStart = 0;
  /** Where in the file the next byte to give out lies. */
  #given: number;
  #newestCommitMicros = 0;
  /** The dump began in the middle of a file, and it has not shown yet that this is between transactions. */
  #isBlind = false;

  private constructor(address: ServerAddress, options: BinlogReaderOptions) {
    this.#address = address;
    this.#options = options;
    this.#file = options.start.file;
    this.#given = options.start.offset;
    this.#scanner = this.#newScanner({ start: 0 });
  }

  /**
   * @returns the reader, and the format description of its first file, when the position lies behind it
   * @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED, SERVER_PROTOCOL, CANCELLED
   */
  static async open(
    address: ServerAddress,
    options: BinlogReaderOptions,
  ): Promise<{ readonly reader: BinlogReader; readonly description: Buffer | undefined }> {
    const reader = new BinlogReader(address, options);
    try {
      return { reader, description: await reader.#open(options.start.offset) };
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** All before it was given out. */
  get position(): BinlogPosition {
    return { file: this.#file, offset: this.#given };
  }

  /** @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED, SERVER_PROTOCOL, CANCELLED */
  async *parts(): AsyncGenerator<LogPart, never, undefined> {
    for (;;) {
      try {
        for (;;) yield* this.#next();
      } catch (error) {
        if (!this.#isBlind || !mayBeMisplaced(error)) throw error;
        await this.#open(0);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.#dump?.[Symbol.asyncDispose]();
  }

  /** @param offset of an event, as far as is known */
  async #open(offset: number): Promise<Buffer | undefined> {
    const { baseName, readerName, signal } = this.#options;
    await this.#dump?.[Symbol.asyncDispose]();
    const fileName = binlogFileName(baseName, this.#file);
    const dump = await BinlogDump.open(this.#address, { fileName, offset, readerName, signal, silenceLimitMs });
    this.#dump = dump;
    if (this.#isDisposed) await dump[Symbol.asyncDispose]();
    this.#isBlind = offset > binlogMagic.length;
    if (!this.#isBlind) {
      this.#beginFile(dump, this.#file);
      return undefined;
    }
    const event = await readFormat(dump);
    const description = readDescription(event);
    if (!description) throw protocolViolation(this.#address, "a malformed format of its log");
    this.#bufferStart = offset;
    this.#scanner = this.#newScanner({ start: offset, hasChecksums: description.hasChecksums });
    this.#options.onFile({ file: this.#file, createdSeconds: description.createdSeconds });
    return event;
  }

  #beginFile(dump: BinlogDump, file: number): void {
    this.#file = file;
    this.#bufferStart = 0;
    dump.put(binlogMagic);
    this.#scanner = this.#newScanner({ start: 0 });
  }

  /** What has arrived; waits for more, too, when that is all. */
  async *#next(): AsyncGenerator<LogPart, void, undefined> {
    const dump = this.#dump;
    if (!dump) return;
    const stop = dump.gather();
    this.#scan(dump);
    yield* this.#give(dump, this.#endOfWhole(dump, stop), undefined);
    if (stop === "starved") await dump.receive();
    if (stop !== "aside") return;
    const event = await dump.readAside();
    if (event.kind === "heartbeat") {
      this.#isBlind = false; // the server is at the end of its log, where no event is in the middle
      yield event;
    } else if (event.kind === "file") yield* this.#goTo(dump, parseBinlogFileName(event.name).file);
    else throw protocolViolation(this.#address, "the format of its log in the middle of a file");
  }

  #scan(dump: BinlogDump): void {
    const first = dump.firstEventType;
    if (this.#isBlind && first !== undefined && !betweenTransactions.has(first)) {
      throw protocolViolation(this.#address, `an event of type ${first} between transactions`);
    }
    this.#scanner.feed(dump.buffer.subarray(this.#scanner.offset - this.#bufferStart, dump.filled));
    if (this.#scanner.settledOffset > this.#given) this.#isBlind = false;
  }

  /** Up to where the buffer is given out: between transactions, unless it ends in one that is longer than itself. */
  #endOfWhole(dump: BinlogDump, stop: DumpStop): number {
    const { settledOffset, openTransaction, offset } = this.#scanner;
    const isLong = (openTransaction?.end ?? 0) - settledOffset > dump.buffer.length;
    return stop === "full" && (isLong || settledOffset <= this.#bufferStart) ? offset : settledOffset;
  }

  /** A file ends where the next one begins, in the middle of an event after a crash. */
  *#goTo(dump: BinlogDump, file: number): Generator<LogPart, void, undefined> {
    if (file === this.#file) return; // at the beginning of a dump
    if (file < this.#file || this.#scanner.offset < this.#given) {
      throw protocolViolation(
        this.#address,
        `file ${file} after ${this.#file}, which ended at ${this.#scanner.offset}`,
      );
    }
    yield* this.#give(dump, this.#scanner.offset, file);
    this.#isBlind = false;
    this.#beginFile(dump, file);
    this.#given = 0;
  }

  /** Gives out and drops what lies before `end`. */
  *#give(dump: BinlogDump, end: number, nextFile: number | undefined): Generator<LogPart, void, undefined> {
    const start = this.#given;
    if (end > start || nextFile !== undefined) {
      const bytes = dump.buffer.subarray(start - this.#bufferStart, end - this.#bufferStart);
      this.#given = end;
      yield { kind: "bytes", file: this.#file, start, bytes, newestCommitMicros: this.#newestCommitMicros, nextFile };
    }
    if (end <= this.#bufferStart) return;
    this.#newestCommitMicros = 0;
    dump.drop(end - this.#bufferStart);
    this.#bufferStart = end;
  }

  #newScanner(from: { readonly start: number; readonly hasChecksums?: boolean }): EventScanner {
    const file = this.#file;
    return new EventScanner({
      ...from,
      file,
      verifiesChecksums: this.#dump?.protectsBytes === false,
      damageCode: "SERVER_PROTOCOL",
      onDescription: ({ createdSeconds }) => this.#options.onFile({ file, createdSeconds }),
      onTransaction: ({ end, commitMicros }) => {
        if (end > this.#given && commitMicros > this.#newestCommitMicros) this.#newestCommitMicros = commitMicros;
      },
    });
  }
}

/** Whether the server may have failed because there is no event where it was to begin. */
function mayBeMisplaced(error: unknown): boolean {
  if (errnoOf(error) !== cannotRead) return isBtarError(error, "SERVER_PROTOCOL");
  // It says so, too, when another reader of this name has come: that one is to stay.
  return error instanceof Error && !/same server_/.test(error.message);
}

/** Waits for the format description that comes before an event in the middle of a file. */
async function readFormat(dump: BinlogDump): Promise<Buffer> {
  for (;;) {
    const stop = dump.gather();
    if (stop === "full") throw protocolViolation(dump.address, "events without the format of their file");
    if (stop === "starved") await dump.receive();
    else {
      const event = await dump.readAside();
      if (event.kind === "format") return event.event;
    }
  }
}
