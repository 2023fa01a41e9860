import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { describeError, isBtarError } from "../../../domain/errors.ts";
import {
  formatLsn,
  type Lsn,
  lsnFromSortable,
  lsnToSortable,
  timelineToHex,
  walSegmentStart,
} from "../../../domain/lsn.ts";
import { syncDirectory } from "../../../platform/files.ts";
import type { LogBytes, LogHole, LogLeg, LogReader, LogReaderOptions, LogReadingResult } from "../../log-reading.ts";
import { parseStreamName } from "../stream-name.ts";
import { WalScanner } from "../wal-scanner.ts";
import { WalSegmentFiles } from "../wal-segment-files.ts";
import { type CommittedTransaction, WalTransactions } from "./wal-transactions.ts";

/** Where segments go below the directory that is given. */
const segmentsFolder = "wal";

interface OpenLeg {
  readonly leg: LogLeg;
  readonly timeline: number;
  readonly start: Lsn;
  readonly until: Lsn | undefined;
  /** Position of the next byte to come; undefined: none has come. */
  reached: Lsn | undefined;
}

/** Reads WAL, as it is stored or as a server sends it. */
export class WalReader implements LogReader {
  readonly #options: LogReaderOptions;
  readonly #segmentBytes: number;
  readonly #directory: string | undefined;
  readonly #segments: WalSegmentFiles | undefined;
  readonly #histories: string[] = [];
  readonly #transactions: WalTransactions;
  readonly #holes: LogHole[] = [];
  readonly #bytes = { store: 0, server: 0 };
  #open: OpenLeg | undefined;
  #scanner: WalScanner | undefined;
  #from: LogBytes["from"] = "store";
  #isFirstLeg = true;
  #end: LogReadingResult["end"];

  constructor(options: LogReaderOptions, segmentBytes: number) {
    this.#options = options;
    this.#segmentBytes = segmentBytes;
    this.#directory = options.directory === undefined ? undefined : path.join(options.directory, segmentsFolder);
    this.#segments = this.#directory === undefined ? undefined : new WalSegmentFiles(this.#directory, segmentBytes);
    this.#transactions = new WalTransactions((transaction) => this.#committed(transaction));
  }

  async begin(leg: LogLeg, history: Uint8Array | undefined): Promise<void> {
    this.#isFirstLeg = this.#open === undefined;
    this.#endLeg();
    const { timeline } = parseStreamName(leg.stream);
    const until = leg.until === undefined ? undefined : lsnFromSortable(leg.until);
    this.#open = { leg, timeline, start: lsnFromSortable(leg.start), until, reached: undefined };
    this.#scanner = undefined;
    if (this.#directory === undefined) return;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    if (!history) return;
    const name = `${timelineToHex(timeline)}.history`;
    await writeFile(path.join(this.#directory, name), history, { mode: 0o600 });
    this.#histories.push(name);
  }

  async feed(part: LogBytes): Promise<void> {
    const open = this.#open;
    if (!open) return;
    let from = lsnFromSortable(part.start);
    let bytes = part.bytes;
    if (open.until !== undefined) bytes = bytes.subarray(0, Number(max(0n, open.until - from)));
    if (open.reached !== undefined && from < open.reached) {
      bytes = bytes.subarray(Number(open.reached - from));
      from = open.reached;
    }
    if (bytes.length === 0) return;
    if (open.reached === undefined || from > open.reached) this.#skipTo(open, from);
    const end = from + BigInt(bytes.length);
    open.reached = end;
    this.#from = part.from;
    this.#bytes[part.from] += Number(max(0n, end - max(from, open.start)));
    this.#scan(open, from, bytes);
    const wanted = walSegmentStart(open.start, this.#segmentBytes);
    const early = from < wanted ? Number(wanted - from) : 0;
    if (early < bytes.length) await this.#segments?.write(open.timeline, from + BigInt(early), bytes.subarray(early));
    if (end > open.start) this.#end = { stream: open.leg.stream, position: lsnToSortable(end) };
  }

  async finish(): Promise<LogReadingResult> {
    this.#endLeg();
    await this.#segments?.sync();
    if (this.#directory !== undefined) await syncDirectory(this.#directory);
    const names = [...(this.#segments?.names ?? []), ...this.#histories].sort();
    return {
      end: this.#end,
      storedBytes: this.#bytes.store,
      serverBytes: this.#bytes.server,
      holes: this.#holes,
      files: names.map((name) => `${segmentsFolder}/${name}`),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is open between two calls.
  }

  #scan(open: OpenLeg, from: Lsn, bytes: Uint8Array): void {
    // The last timeline's log lies before the start of one that followed it: it was counted there.
    const isCounted = (start: Lsn) => this.#isFirstLeg || start >= open.start;
    this.#scanner ??= new WalScanner({
      start: from,
      segmentBytes: this.#segmentBytes,
      damageCode: "OBJECT_DAMAGED",
      records: {
        wants: (resource) => this.#transactions.wants(resource),
        take: (record) => {
          if (isCounted(record.start)) this.#transactions.take(record);
        },
      },
    });
    try {
      this.#scanner.feed(bytes);
    } catch (error) {
      if (!isBtarError(error, "OBJECT_DAMAGED") && !(error instanceof RangeError)) throw error;
      this.#scanner = undefined;
      this.#transactions.skip();
      const what = describeError(error);
      const end = lsnToSortable(from + BigInt(bytes.length));
      this.#holes.push({ stream: open.leg.stream, start: lsnToSortable(from), end, what });
    }
  }

  /** What was to come next is missing. */
  #skipTo(open: OpenLeg, from: Lsn): void {
    const due = max(open.reached ?? 0n, open.start);
    if (from > due) this.#missing(open, due, from);
    if (open.reached !== undefined) this.#transactions.skip();
    this.#scanner = undefined;
  }

  #endLeg(): void {
    const open = this.#open;
    if (!open) return;
    const due = max(open.reached ?? 0n, open.start);
    if (open.until !== undefined && open.until > due) this.#missing(open, due, open.until);
  }

  #missing({ leg }: OpenLeg, from: Lsn, to: Lsn): void {
    this.#transactions.skip();
    const what = `WAL from ${formatLsn(from)} to ${formatLsn(to)} is missing`;
    this.#holes.push({ stream: leg.stream, start: lsnToSortable(from), end: lsnToSortable(to), what });
  }

  #committed(transaction: CommittedTransaction): void {
    const open = this.#open;
    if (!open || transaction.start < open.start) return;
    const { xid, start, atMicros, ...changes } = transaction;
    this.#options.onTransaction({
      id: String(xid),
      place: { stream: open.leg.stream, position: lsnToSortable(start) },
      committedAtMicros: atMicros,
      from: this.#from,
      statements: [],
      ...changes,
    });
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
