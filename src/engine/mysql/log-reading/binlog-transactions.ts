import Type from "typebox";
import { Check } from "typebox/value";
import { describeError, isBtarError } from "../../../domain/errors.ts";
import { formatGtid } from "../../../domain/gtid.ts";
import type { LogBytes, LogHole, LogLeg, LogReader, LogReaderOptions, LogReadingResult } from "../../log-reading.ts";
import {
  binlogFileName,
  type BinlogPosition,
  formatPosition,
  packPosition,
  unpackPosition,
} from "../binlog/binlog-position.ts";
import { binlogMagic, eventHeaderBytes, readEventHeader } from "../binlog/event-header.ts";
import { type BinlogTransaction, EventScanner, readDescription } from "../binlog/event-scanner.ts";
import { BinlogFiles } from "./binlog-files.ts";
import { type PendingPart, TransactionChanges } from "./transaction-changes.ts";

const historySchema = Type.Object({ binlogBaseName: Type.String({ minLength: 1, maxLength: 200 }) });
const usualBaseName = "binlog";

/** Reads binary logs, as they are stored or as a server sends them. */
export class BinlogTransactions implements LogReader {
  readonly #options: LogReaderOptions;
  readonly #files: BinlogFiles | undefined;
  readonly #holes: LogHole[] = [];
  readonly #bytes = { store: 0, server: 0 };
  #leg: LogLeg | undefined;
  #baseName = usualBaseName;
  #from: LogBytes["from"] = "store";
  #end: LogReadingResult["end"];
  /** Where the next part is to begin. */
  #reached = "";
  /** The file that is read; undefined: none, until the beginning of one comes. */
  #scanner: EventScanner | undefined;
  #file = 0;
  /** Since where nothing could be read, and why. */
  #hole: { readonly start: string; readonly what: string } | undefined;
  #changes: TransactionChanges | undefined;
  /** What is left to do of what was fed, in order. */
  readonly #pending: PendingPart[] = [];

  constructor(options: LogReaderOptions) {
    this.#options = options;
    this.#files = options.directory === undefined ? undefined : new BinlogFiles(options.directory);
  }

  async begin(leg: LogLeg, history: Uint8Array | undefined): Promise<void> {
    this.#closeHole(this.#reached);
    const isFirst = this.#leg === undefined;
    this.#leg = leg;
    this.#reached = leg.start;
    this.#baseName = baseNameOf(history);
    this.#scanner = undefined;
    if (!isFirst) {
      const what =
        "the server has begun new binary logs: what it committed before is only known as far as it was stored";
      this.#holes.push({ stream: leg.stream, start: leg.start, end: leg.start, what });
    }
    const { file, offset } = unpackPosition(leg.start);
    if (offset > 0) await this.#beginWithin(file, offset);
  }

  async feed(part: LogBytes): Promise<void> {
    if (!this.#leg) return;
    const { file, offset } = unpackPosition(part.start);
    if (part.end <= this.#reached) return;
    let [start, bytes] = [part.start, part.bytes];
    if (start < this.#reached) {
      const reached = unpackPosition(this.#reached);
      const known = reached.file === file ? reached.offset - offset : bytes.length;
      bytes = bytes.subarray(known);
      start = this.#reached;
    }
    if (start > this.#reached) await this.#skipTo(start);
    this.#from = part.from;
    this.#bytes[part.from] += bytes.length;
    this.#reached = part.end;
    this.#end = {
      stream: this.#leg.stream,
      position: packPosition({ file, offset: unpackPosition(start).offset + bytes.length }),
    };
    await this.#read({ file, offset: unpackPosition(start).offset }, bytes);
    if (unpackPosition(part.end).file !== file) await this.#endFile();
  }

  async finish(): Promise<LogReadingResult> {
    await this.#endFile();
    this.#closeHole(this.#reached);
    return {
      end: this.#end,
      storedBytes: this.#bytes.store,
      serverBytes: this.#bytes.server,
      holes: this.#holes,
      files: this.#files?.names ?? [],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files?.end();
  }

  async #read(at: BinlogPosition, bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (!this.#scanner && at.offset === 0) {
      this.#closeHole(packPosition(at));
      await this.#files?.begin(this.#baseName, at.file, undefined);
      this.#beginFile(at.file, { start: 0 });
    }
    const scanner = this.#scanner;
    if (!scanner) return this.#openHole(packPosition(at), "it goes on in the middle of a file");
    await this.#files?.write(bytes);
    try {
      scanner.feed(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      await this.#settle();
      this.#files?.wholeUntilHere(scanner.offset - scanner.settledOffset);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#pending.length = 0;
      this.#openHole(packPosition({ file: at.file, offset: scanner.settledOffset }), describeError(error));
      await this.#endFile();
    }
  }

  /** Does what was left to do, in order. */
  async #settle(): Promise<void> {
    for (let part = this.#pending.shift(); part; part = this.#pending.shift()) await part();
  }

  /** The events of a file are only known with what it says of itself at its beginning. */
  async #beginWithin(file: number, offset: number): Promise<void> {
    const stream = this.#leg?.stream ?? "";
    const head = await this.#options.readAt({ stream, position: packPosition({ file, offset: 0 }) });
    const format = head && formatOf(Buffer.from(head.buffer, head.byteOffset, head.byteLength));
    if (!format) {
      const name = binlogFileName(this.#baseName, file);
      return this.#openHole(packPosition({ file, offset }), `the beginning of ${name} is missing`);
    }
    await this.#files?.begin(this.#baseName, file, format.event);
    this.#beginFile(file, { start: offset, hasChecksums: format.hasChecksums });
  }

  #beginFile(file: number, from: { readonly start: number; readonly hasChecksums?: boolean }): void {
    this.#file = file;
    this.#changes = undefined;
    this.#scanner = new EventScanner({
      ...from,
      file,
      verifiesChecksums: true,
      damageCode: "OBJECT_DAMAGED",
      bodies: (event) => {
        this.#changes ??= new TransactionChanges((part) => this.#pending.push(part));
        return this.#changes.body(event);
      },
      onTransaction: (transaction) => this.#endTransaction(transaction),
    });
  }

  #endTransaction(transaction: BinlogTransaction): void {
    const changes = this.#changes;
    this.#changes = undefined;
    if (this.#pending.length === 0) this.#tell(transaction, changes);
    else this.#pending.push(async () => this.#tell(transaction, changes));
  }

  #tell({ gtid, commitMicros, start }: BinlogTransaction, changes: TransactionChanges | undefined): void {
    const position = { file: this.#file, offset: start };
    this.#options.onTransaction({
      id: gtid ? formatGtid(gtid) : formatPosition(this.#baseName, position),
      place: { stream: this.#leg?.stream ?? "", position: packPosition(position) },
      committedAtMicros: BigInt(commitMicros),
      from: this.#from,
      ...(changes?.changes ?? { tables: [], moreTables: 0, statements: [], isPartial: false }),
    });
  }

  async #endFile(): Promise<void> {
    this.#scanner = undefined;
    await this.#files?.end();
  }

  async #skipTo(start: string): Promise<void> {
    this.#openHole(this.#reached, "it is missing");
    await this.#endFile();
    this.#reached = start;
  }

  #openHole(start: string, what: string): void {
    this.#hole ??= { start, what };
  }

  #closeHole(end: string): void {
    const hole = this.#hole;
    this.#hole = undefined;
    if (!hole || !this.#leg) return;
    const from = formatPosition(this.#baseName, unpackPosition(hole.start));
    const to = formatPosition(this.#baseName, unpackPosition(end));
    this.#holes.push({
      stream: this.#leg.stream,
      start: hole.start,
      end,
      what: `binary log from ${from} to ${to}: ${hole.what}`,
    });
  }
}

function isUnreadable(error: unknown): boolean {
  if (isBtarError(error)) return error.code === "OBJECT_DAMAGED";
  const isOfZlib = error instanceof Error && "code" in error && /^Z(?:STD)?_/.test(String(error.code));
  return error instanceof RangeError || isOfZlib;
}

/** The format description event at a file's beginning, and what it says. */
function formatOf(head: Buffer): { readonly event: Buffer; readonly hasChecksums: boolean } | undefined {
  const at = binlogMagic.length;
  if (head.length < at + eventHeaderBytes) return undefined;
  const event = head.subarray(at, at + readEventHeader(head, at).sizeBytes);
  const description = readDescription(event);
  return description && { event: Buffer.from(event), hasChecksums: description.hasChecksums };
}

/** What the server called its files, before the dot and the number. */
function baseNameOf(history: Uint8Array | undefined): string {
  try {
    const content: unknown = history && JSON.parse(Buffer.from(history).toString("utf8"));
    return Check(historySchema, content) && !/[/\\\0]/.test(content.binlogBaseName)
      ? content.binlogBaseName
      : usualBaseName;
  } catch (error) {
    if (error instanceof SyntaxError) return usualBaseName;
    throw error;
  }
}
