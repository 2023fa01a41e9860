import type { TableChanges } from "../../log-reading.ts";
import { type EventHeader, eventType } from "../binlog/event-header.ts";
import type { EventBody } from "../binlog/event-scanner.ts";
import { type CountedRows, type RowChange, RowCounter, type RowEvent } from "./row-counter.ts";
import { type LoggedTable, readTableMap } from "./table-map.ts";
import { TransactionPayload } from "./transaction-payload.ts";

/** Of one transaction. */
export interface Changes {
  readonly tables: readonly TableChanges[];
  readonly moreTables: number;
  readonly statements: readonly string[];
  readonly isPartial: boolean;
}

const mostTables = 10_000;
const mostTablesTold = 200;
const mostStatements = 20;
const longestStatement = 1000;
/** A map of the widest table, with the names of its columns. */
const longestTableMap = 4 * 1024 * 1024;

const rowEvents: ReadonlyMap<number, RowEvent> = new Map(
  (
    [
      [eventType.writeRowsV1, "insert", false],
      [eventType.updateRowsV1, "update", false],
      [eventType.deleteRowsV1, "delete", false],
      [eventType.writeRows, "insert", true],
      [eventType.updateRows, "update", true],
      [eventType.deleteRows, "delete", true],
      [eventType.partialUpdateRows, "update", true],
    ] as const
  ).map(([type, change, isVersion2]) => [
    type,
    { change, isVersion2, isPartial: type === eventType.partialUpdateRows },
  ]),
);

/** What statements say that only frame a transaction. */
const framing = /^(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT)\b/i;

/** Work that has to be waited for before a transaction is known whole. */
export type PendingPart = () => Promise<void>;

/** Reads what one transaction changes out of the bodies of its events. */
export class TransactionChanges {
  readonly #tables = new Map<string, { inserts: number; updates: number; deletes: number }>();
  readonly #maps = new Map<number, LoggedTable>();
  readonly #statements: string[] = [];
  readonly #wait: (part: PendingPart) => void;
  #moreTables = 0;
  #isPartial = false;

  /** @param wait is given parts that are compressed, in order, before the events that follow */
  constructor(wait: (part: PendingPart) => void) {
    this.#wait = wait;
  }

  get changes(): Changes {
    const rows = [...this.#tables].map(([table, counts]) => ({ table, ...counts, isMade: false, isDropped: false }));
    const sum = (each: TableChanges) => each.inserts + each.updates + each.deletes;
    const tables = rows.sort((a, b) => sum(b) - sum(a));
    return {
      tables: tables.slice(0, mostTablesTold),
      moreTables: this.#moreTables + Math.max(0, tables.length - mostTablesTold),
      statements: this.#statements,
      isPartial: this.#isPartial,
    };
  }

  body(event: EventHeader): EventBody | undefined {
    const rows = rowEvents.get(event.type);
    if (rows) {
      const find = (id: number) => this.#maps.get(id);
      return new RowCounter(rows, find, (counted) => this.#count(rows.change, counted));
    }
    switch (event.type) {
      case eventType.tableMap:
        return new WholeBody(longestTableMap, (body) => this.#takeTable(body));
      case eventType.query:
        return new WholeBody(statementBodyBytes, (body) => this.#takeStatement(body));
      case eventType.transactionPayload:
        return this.#payload();
      default:
        return undefined;
    }
  }

  #payload(): EventBody {
    const payload = new TransactionPayload((event) => this.body(event));
    return {
      take: (bytes) => this.#wait(() => payload.write(bytes)),
      end: () => this.#wait(() => payload.end()),
    };
  }

  #takeTable(body: Buffer): void {
    const { id, table } = readTableMap(body);
    this.#maps.set(id, table);
  }

  #takeStatement(body: Buffer): void {
    const statement = readStatement(body);
    if (framing.test(statement.text)) return;
    if (this.#statements.length >= mostStatements) this.#isPartial = true;
    else
      this.#statements.push(statement.schema === "" ? statement.text : `/* ${statement.schema} */ ${statement.text}`);
  }

  #count(change: RowChange, { table, rows, isCertain }: CountedRows): void {
    if (!table || !isCertain) this.#isPartial = true;
    if (!table) return;
    let counts = this.#tables.get(table.name);
    if (!counts) {
      if (this.#tables.size >= mostTables) {
        this.#moreTables += 1;
        this.#isPartial = true;
        return;
      }
      counts = { inserts: 0, updates: 0, deletes: 0 };
      this.#tables.set(table.name, counts);
    }
    if (change === "insert") counts.inserts += rows;
    else if (change === "update") counts.updates += rows;
    else counts.deletes += rows;
  }
}

/** Thread (4), seconds (4), length of the schema's name (1), error (2), length of what describes the session (2). */
const statementHeadBytes = 13;
/** Enough for what describes the session, too. */
const statementBodyBytes = 128 * 1024;

/** Reads a query event, of which the end may be missing. @throws {RangeError} when it is malformed */
function readStatement(body: Buffer): { readonly schema: string; readonly text: string } {
  const schemaBytes = body.readUInt8(8);
  const schemaAt = statementHeadBytes + body.readUInt16LE(11);
  const schema = body.toString("utf8", schemaAt, schemaAt + schemaBytes);
  const text = body.toString("utf8", schemaAt + schemaBytes + 1);
  return { schema, text: text.length > longestStatement ? `${text.slice(0, longestStatement)}…` : text };
}

/** Collects the beginning of a body. */
class WholeBody implements EventBody {
  readonly #parts: Buffer[] = [];
  readonly #most: number;
  readonly #onEnd: (body: Buffer) => void;
  #bytes = 0;

  constructor(most: number, onEnd: (body: Buffer) => void) {
    this.#most = most;
    this.#onEnd = onEnd;
  }

  take(bytes: Buffer): void {
    const part = bytes.subarray(0, this.#most - this.#bytes);
    if (part.length === 0) return;
    this.#parts.push(Buffer.from(part));
    this.#bytes += part.length;
  }

  end(): void {
    this.#onEnd(Buffer.concat(this.#parts));
  }
}
