import { type FileHandle, open } from "node:fs/promises";
import { formatMicros } from "../../domain/recovery-target-time.ts";
import type {
  LoggedTransaction,
  LogReadingDriver,
  TableChanges,
  TableName,
  TableNames,
} from "../../engine/log-reading.ts";

/** Tables of which totals are kept in memory. */
const mostTables = 20_000;

/** A table, as a summary tells it. */
export interface ToldTable {
  readonly name: string;
  readonly kind: TableName["kind"];
  readonly inserts: number;
  readonly updates: number;
  readonly deletes: number;
  readonly made?: true;
  readonly dropped?: true;
}

/** A transaction, as a summary tells it. */
export interface ToldTransaction {
  readonly id: string;
  readonly committedAt: string;
  readonly position: string;
  readonly stream: string;
  /** Whether only the server itself holds it. */
  readonly from: "store" | "server";
  readonly tables: readonly ToldTable[];
  readonly moreTables?: number;
  readonly statements?: readonly string[];
  /** Some of its changes may not be counted. */
  readonly partial?: true;
  /** It was committed when the fork had been made. */
  readonly afterFork?: true;
  /** It changed nothing but users, roles and rights. */
  readonly accounts?: true;
}

export interface TableTotal extends Omit<ToldTable, "made" | "dropped"> {
  readonly transactions: number;
}

export interface TransactionTotals {
  /** Those that changed something. */
  readonly transactions: number;
  /** Those that changed nothing but users, roles and rights. */
  readonly accounts: number;
  /** Those that changed nothing, or only what the server counts for its own plans. */
  readonly others: number;
  /** Of the first. */
  readonly partial: number;
  readonly onServerOnly: number;
  readonly committedAfterFork: number;
  readonly firstCommitAt: string | null;
  readonly lastCommitAt: string | null;
  /** Most changed first. */
  readonly tables: readonly TableTotal[];
  readonly moreTables: boolean;
  /** Some tables are only known by number. */
  readonly hasNumbers: boolean;
}

/** Names and counts transactions, and keeps them in a file until they are told. Its memory is bounded. */
export class TransactionList implements AsyncDisposable {
  readonly #driver: LogReadingDriver;
  readonly #names: TableNames;
  readonly #forkedAtMicros: bigint;
  readonly #file: FileHandle | undefined;
  #arrived: LoggedTransaction[] = [];
  #counts = { transactions: 0, accounts: 0, others: 0, partial: 0, onServerOnly: 0, committedAfterFork: 0 };
  #first: bigint | undefined;
  #last: bigint | undefined;
  readonly #tables = new Map<string, { -readonly [K in keyof TableTotal]: TableTotal[K] }>();
  #moreTables = false;
  #hasNumbers = false;

  private constructor(options: {
    readonly driver: LogReadingDriver;
    readonly names: TableNames;
    readonly forkedAt: Date;
    readonly file: FileHandle | undefined;
  }) {
    this.#driver = options.driver;
    this.#names = options.names;
    this.#forkedAtMicros = BigInt(options.forkedAt.getTime()) * 1000n;
    this.#file = options.file;
  }

  /** @param options.file that transactions are written to, a line of JSON each; it is made */
  static async open(options: {
    readonly driver: LogReadingDriver;
    readonly names: TableNames;
    readonly forkedAt: Date;
    readonly file: string | undefined;
  }): Promise<TransactionList> {
    const file = options.file === undefined ? undefined : await open(options.file, "w", 0o600);
    return new TransactionList({ ...options, file });
  }

  add(transaction: LoggedTransaction): void {
    this.#arrived.push(transaction);
  }

  /** Takes in what was added. */
  async settle(): Promise<void> {
    const arrived = this.#arrived;
    if (arrived.length === 0) return;
    this.#arrived = [];
    const tables = new Set(arrived.flatMap((each) => each.tables.map(({ table }) => table)));
    const names = await this.#names.find([...tables]);
    const lines = arrived.flatMap((each) => {
      const told = this.#take(each, names);
      return told && this.#file ? `${JSON.stringify(told)}\n` : [];
    });
    await this.#file?.appendFile(lines.join(""));
  }

  get totals(): TransactionTotals {
    const rows = ({ inserts, updates, deletes }: TableTotal) => inserts + updates + deletes;
    return {
      ...this.#counts,
      firstCommitAt: this.#first === undefined ? null : formatMicros(this.#first),
      lastCommitAt: this.#last === undefined ? null : formatMicros(this.#last),
      tables: [...this.#tables.values()].sort((a, b) => rows(b) - rows(a)),
      moreTables: this.#moreTables,
      hasNumbers: this.#hasNumbers,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }

  #take(transaction: LoggedTransaction, names: ReadonlyMap<string, TableName>): ToldTransaction | undefined {
    const { committedAtMicros: at, place, isPartial, statements, moreTables } = transaction;
    const subject = this.#driver.subjectOf(transaction, names);
    const isAfterFork = at > this.#forkedAtMicros;
    if (subject === "nothing") this.#counts.others += 1;
    else if (subject === "accounts") this.#counts.accounts += 1;
    else this.#count(transaction, { isAfterFork });
    if (subject === "nothing") return undefined;
    const tables = transaction.tables.map((table) => this.#tell(table, names.get(table.table)));
    this.#sum(tables);
    return {
      id: transaction.id,
      committedAt: formatMicros(at),
      position: this.#driver.formatPosition(place.position),
      stream: place.stream,
      from: transaction.from,
      tables,
      ...(moreTables > 0 ? { moreTables } : {}),
      ...(statements.length > 0 ? { statements } : {}),
      ...(isPartial ? { partial: true } : {}),
      ...(isAfterFork ? { afterFork: true } : {}),
      ...(subject === "accounts" ? { accounts: true } : {}),
    };
  }

  #count(
    { committedAtMicros: at, isPartial, from, moreTables }: LoggedTransaction,
    { isAfterFork }: { readonly isAfterFork: boolean },
  ): void {
    this.#counts.transactions += 1;
    if (isPartial) this.#counts.partial += 1;
    if (from === "server") this.#counts.onServerOnly += 1;
    if (isAfterFork) this.#counts.committedAfterFork += 1;
    if (this.#first === undefined || at < this.#first) this.#first = at;
    if (this.#last === undefined || at > this.#last) this.#last = at;
    if (moreTables > 0) this.#moreTables = true;
  }

  #tell(changes: TableChanges, name: TableName | undefined): ToldTable {
    const { table, inserts, updates, deletes, isMade, isDropped } = changes;
    if (!name) this.#hasNumbers = true;
    // What has no rows of its own may be an index as well.
    const kind = name?.kind ?? (inserts + updates + deletes > 0 ? "table" : "part");
    return {
      ...{ name: name?.name ?? table, kind, inserts, updates, deletes },
      ...(isMade ? { made: true } : {}),
      ...(isDropped ? { dropped: true } : {}),
    };
  }

  #sum(tables: readonly ToldTable[]): void {
    for (const { name, kind, inserts, updates, deletes } of tables) {
      const key = `${kind} ${name}`;
      let total = this.#tables.get(key);
      if (!total) {
        if (this.#tables.size >= mostTables) {
          this.#moreTables = true;
          continue;
        }
        total = { name, kind, inserts: 0, updates: 0, deletes: 0, transactions: 0 };
        this.#tables.set(key, total);
      }
      total.inserts += inserts;
      total.updates += updates;
      total.deletes += deletes;
      total.transactions += 1;
    }
  }
}
