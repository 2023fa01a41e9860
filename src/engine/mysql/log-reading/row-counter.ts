import type { EventBody } from "../binlog/event-scanner.ts";
import type { LoggedTable } from "./table-map.ts";

/** What an event does to the rows that it holds. */
export type RowChange = "insert" | "update" | "delete";

export interface RowEvent {
  readonly change: RowChange;
  /** An event of version 2 may hold more before its rows. */
  readonly isVersion2: boolean;
  /** Changes of JSON documents may be told instead of their new values. */
  readonly isPartial: boolean;
}

/** What counting has come to. */
export interface CountedRows {
  /** Undefined: no event before has told of it. */
  readonly table: LoggedTable | undefined;
  readonly rows: number;
  /** False: they cannot be told apart, and there may be more. */
  readonly isCertain: boolean;
}

const tableIdBytes = 6;
/** Of an event without rows, that only says that a statement is over. */
const noTable = 0xff_ff_ff;

/** Reads what was asked for, and says what is to be read next. */
type Step = (bytes: Buffer) => void;

/**
 * Counts the rows of one event. A row is told by its values alone, so that they are passed over one by one, by their
 * types; nothing of them is kept.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Rows__event.html
 */
export class RowCounter implements EventBody {
  readonly #event: RowEvent;
  readonly #find: (id: number) => LoggedTable | undefined;
  readonly #onEnd: (counted: CountedRows) => void;
  #table: LoggedTable | undefined;
  #rows = 0;
  #isUnknown = false;
  #isOfNoTable = false;

  #skipBytes = 0;
  #wanted = 0;
  #step: Step;
  #head: Buffer = Buffer.alloc(0);

  /** Columns that the images before and after a change have. */
  #present: readonly (readonly number[])[] = [];
  #image = 0;
  #columns: readonly number[] = [];
  #nextColumn = 0;

  /**
   * @param find tells of a table by its number
   * @param onEnd not called where the event is of no table
   */
  constructor(event: RowEvent, find: (id: number) => LoggedTable | undefined, onEnd: (counted: CountedRows) => void) {
    this.#event = event;
    this.#find = find;
    this.#onEnd = onEnd;
    this.#wanted = tableIdBytes + 2 + (event.isVersion2 ? 2 : 0);
    this.#step = (bytes) => this.#begin(bytes);
  }

  take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.#isUnknown; ) {
      if (this.#skipBytes > 0) {
        const skipped = Math.min(this.#skipBytes, bytes.length - at);
        this.#skipBytes -= skipped;
        at += skipped;
      } else if (this.#head.length === 0 && bytes.length - at >= this.#wanted) {
        const part = bytes.subarray(at, at + this.#wanted);
        at += this.#wanted;
        this.#step(part);
      } else {
        const part = bytes.subarray(at, at + this.#wanted - this.#head.length);
        at += part.length;
        const head = Buffer.concat([this.#head, part]);
        const isWhole = head.length === this.#wanted;
        this.#head = isWhole ? Buffer.alloc(0) : head;
        if (isWhole) this.#step(head);
      }
    }
  }

  end(): void {
    if (this.#isOfNoTable) return;
    const isBetweenRows = this.#skipBytes === 0 && this.#head.length === 0 && this.#image === 0;
    const isCertain = !this.#isUnknown && isBetweenRows && this.#nextColumn >= this.#columns.length;
    this.#onEnd({ table: this.#table, rows: this.#rows, isCertain });
  }

  #want(bytes: number, step: Step): void {
    this.#wanted = bytes;
    this.#step = step;
    if (bytes === 0) step(Buffer.alloc(0));
  }

  #begin(head: Buffer): void {
    const id = head.readUIntLE(0, tableIdBytes);
    this.#isOfNoTable = id === noTable;
    this.#table = this.#find(id);
    this.#isUnknown = !this.#table || this.#table.columns.includes(undefined);
    if (this.#event.isVersion2) this.#skipBytes = Math.max(0, head.readUInt16LE(tableIdBytes + 2) - 2);
    this.#want(1, (first) => this.#readWidth(first));
  }

  /** A table has up to 4096 columns. */
  #readWidth(first: Buffer): void {
    const width = first.readUInt8(0);
    if (width < 0xfb) this.#setWidth(width);
    else if (width === 0xfc) this.#want(2, (bytes) => this.#setWidth(bytes.readUInt16LE(0)));
    else this.#isUnknown = true;
  }

  #setWidth(width: number): void {
    if (width !== this.#table?.columns.length) {
      this.#isUnknown = true;
      return;
    }
    const bitmapBytes = Math.ceil(width / 8);
    const images = this.#event.change === "update" ? 2 : 1;
    this.#want(bitmapBytes * images, (bitmaps) => {
      const all = Array.from({ length: width }, (_, index) => index);
      this.#present = Array.from({ length: images }, (_, image) =>
        all.filter((index) => isSet(bitmaps, image * bitmapBytes, index)),
      );
      if (this.#present.some((columns) => columns.length > 0)) this.#beginImage();
      else {
        // Rows without a value take no room: there is one at least.
        this.#rows = 1;
        this.#isUnknown = true;
      }
    });
  }

  #beginImage(): void {
    this.#columns = [];
    this.#nextColumn = 0;
    const isPartial = this.#event.isPartial && this.#image === 1;
    if (isPartial) this.#want(1, (options) => this.#readOptions(options.readUInt8(0)));
    else this.#wantNulls();
  }

  /** Of the image after a change: whether it tells which documents are told by what changed in them. */
  #readOptions(options: number): void {
    const bytes = (options & 1) === 0 ? 0 : Math.ceil((this.#table?.jsonColumns ?? 0) / 8);
    this.#want(bytes, () => this.#wantNulls());
  }

  #wantNulls(): void {
    const present = this.#present[this.#image] ?? [];
    this.#want(Math.ceil(present.length / 8), (nulls) => {
      this.#columns = present.filter((_, index) => !isSet(nulls, 0, index));
      this.#nextColumn = 0;
      this.#passColumns();
    });
  }

  /** Passes over columns until the length of one has to be read, or the image is over. */
  #passColumns(): void {
    while (this.#nextColumn < this.#columns.length) {
      const column = this.#table?.columns[this.#columns[this.#nextColumn] ?? 0];
      this.#nextColumn += 1;
      if (column && "bytes" in column) this.#skipBytes += column.bytes;
      else if (column) {
        this.#want(column.prefixBytes, (prefix) => {
          this.#skipBytes = prefix.readUIntLE(0, column.prefixBytes);
          this.#passColumns();
        });
        return;
      }
    }
    this.#image = (this.#image + 1) % this.#present.length;
    if (this.#image === 0) this.#rows += 1;
    this.#beginImage();
  }
}

function isSet(bitmap: Buffer, from: number, index: number): boolean {
  return (bitmap.readUInt8(from + (index >> 3)) & (1 << (index & 7))) !== 0;
}
