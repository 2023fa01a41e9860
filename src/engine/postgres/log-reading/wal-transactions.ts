import type { Lsn } from "../../../domain/lsn.ts";
import type { TableChanges } from "../../log-reading.ts";
import { microsFromTimestamp } from "../wal-message.ts";
import type { WalRecord, WalRecordReader } from "../wal-scanner.ts";
import { type RecordContent, readOutcome, readRecord, readRelation, readRunning, resource } from "./wal-record.ts";

/** A transaction whose commit was read. */
export interface CommittedTransaction {
  readonly xid: number;
  readonly start: Lsn;
  readonly atMicros: bigint;
  readonly tables: readonly TableChanges[];
  readonly moreTables: number;
  readonly isPartial: boolean;
}

/** Counts of changes that are held in memory at once, over all transactions that have not ended. */
const mostCounts = 100_000;
const mostTablesTold = 200;

const operationMask = 0x70;
// heapam_xlog.h
const heap = { insert: 0x00, delete: 0x10, update: 0x20, hotUpdate: 0x40, multiInsert: 0x50 } as const;
const isSuperDelete = 1 << 3;
// xact.h
const transaction = { commit: 0x00, prepare: 0x10, abort: 0x20, commitPrepared: 0x30, abortPrepared: 0x40 } as const;
// pg_control.h, storage_xlog.h, standbydefs.h
const otherMask = 0xf0;
const shutdownCheckpoint = 0x00;
const endOfRecovery = 0x90;
const storageCreate = 0x10;
const runningTransactions = 0x10;
const mainFork = 0;

const wanted: ReadonlySet<number> = new Set(Object.values(resource));

interface Counts {
  inserts: number;
  updates: number;
  deletes: number;
  isMade: boolean;
  isDropped: boolean;
}

interface OpenTransaction {
  readonly counts: Map<string, Counts>;
  isPartial: boolean;
}

/**
 * Counts what each transaction in the WAL changes, of PostgreSQL 14 to 18. Subtransactions count with the one that they
 * belong to, and not at all when they were rolled back. What memory is held for is bounded: beyond that, transactions
 * are told as counted in part.
 */
export class WalTransactions implements WalRecordReader {
  readonly #onCommit: (transaction: CommittedTransaction) => void;
  /** By number; of those that were prepared, too. */
  readonly #open = new Map<number, OpenTransaction>();
  readonly #prepared = new Set<number>();
  #countsHeld = 0;
  /** Transactions from this number on were begun after reading had begun. */
  #wholeFrom: number | undefined;

  constructor(onCommit: (transaction: CommittedTransaction) => void) {
    this.#onCommit = onCommit;
  }

  wants(of: number): boolean {
    return wanted.has(of);
  }

  /** @throws {RangeError} when it is malformed */
  take(record: WalRecord): void {
    const content = readRecord(record.bytes, record.pageMagic);
    if (!content) throw new RangeError("a malformed record");
    switch (content.resource) {
      case resource.heap:
        return this.#takeHeap(content);
      case resource.heap2:
        return this.#takeHeap2(content);
      case resource.storage:
        return this.#takeStorage(content);
      case resource.transaction:
        return this.#takeTransaction(content, record);
      case resource.standby:
        if ((content.info & otherMask) === runningTransactions) this.#wholeFrom ??= readRunning(content).nextXid;
        return;
      default:
        if (endsTransactions(content)) this.#forgetOpen();
    }
  }

  /** Log is missing: what goes on behind it is not known whole. */
  skip(): void {
    this.#wholeFrom = undefined;
    for (const open of this.#open.values()) open.isPartial = true;
  }

  #takeHeap({ info, xid, relation, data }: RecordContent): void {
    if (xid === 0 || relation === undefined) return;
    switch (info & operationMask) {
      case heap.insert:
        return this.#count(xid, relation, (counts) => (counts.inserts += 1));
      case heap.update:
      case heap.hotUpdate:
        return this.#count(xid, relation, (counts) => (counts.updates += 1));
      case heap.delete: {
        // An insertion that lost against another one (ON CONFLICT) is taken back.
        const isTakenBack = (data.readUInt8(7) & isSuperDelete) !== 0;
        return this.#count(xid, relation, (counts) => {
          if (isTakenBack) counts.inserts -= 1;
          else counts.deletes += 1;
        });
      }
      default:
    }
  }

  #takeHeap2({ info, xid, relation, data }: RecordContent): void {
    if ((info & operationMask) !== heap.multiInsert || xid === 0 || relation === undefined) return;
    const rows = data.readUInt16LE(2);
    this.#count(xid, relation, (counts) => (counts.inserts += rows));
  }

  #takeStorage({ info, xid, data }: RecordContent): void {
    if ((info & otherMask) !== storageCreate || xid === 0 || data.readInt32LE(12) !== mainFork) return;
    this.#count(xid, readRelation(data, 0), (counts) => (counts.isMade = true));
  }

  #takeTransaction(content: RecordContent, record: WalRecord): void {
    const operation = content.info & operationMask;
    switch (operation) {
      case transaction.prepare:
        this.#prepared.add(content.xid);
        return;
      case transaction.commit:
      case transaction.commitPrepared:
      case transaction.abort:
      case transaction.abortPrepared: {
        const { preparedXid, subtransactions, dropped } = readOutcome(content, record.pageMagic);
        const xid = preparedXid ?? content.xid;
        const ended = [xid, ...subtransactions].map((each) => this.#close(each));
        this.#prepared.delete(xid);
        if (operation === transaction.abort || operation === transaction.abortPrepared) return;
        const counts = sum(ended, dropped);
        this.#onCommit({
          xid,
          start: record.start,
          atMicros: microsFromTimestamp(content.data.readBigInt64LE(0)),
          ...told(counts),
          isPartial: !this.#isWhole(xid) || ended.some((each) => each?.isPartial === true),
        });
        return;
      }
      default:
    }
  }

  #count(xid: number, relation: string, add: (counts: Counts) => void): void {
    let open = this.#open.get(xid);
    if (!open) {
      open = { counts: new Map(), isPartial: !this.#isWhole(xid) };
      this.#open.set(xid, open);
    }
    let counts = open.counts.get(relation);
    if (!counts) {
      if (this.#countsHeld >= mostCounts) {
        open.isPartial = true;
        return;
      }
      this.#countsHeld += 1;
      counts = { inserts: 0, updates: 0, deletes: 0, isMade: false, isDropped: false };
      open.counts.set(relation, counts);
    }
    add(counts);
  }

  #close(xid: number): OpenTransaction | undefined {
    const open = this.#open.get(xid);
    this.#open.delete(xid);
    this.#countsHeld -= open?.counts.size ?? 0;
    return open;
  }

  /** Numbers go round. */
  #isWhole(xid: number): boolean {
    return this.#wholeFrom !== undefined && ((xid - this.#wholeFrom) | 0) >= 0;
  }

  /** The server has ended, and with it all transactions that were not prepared; those need their subtransactions. */
  #forgetOpen(): void {
    if (this.#prepared.size > 0) return;
    this.#open.clear();
    this.#countsHeld = 0;
  }
}

function endsTransactions({ resource: of, info }: RecordContent): boolean {
  const operation = info & otherMask;
  return of === resource.xlog && (operation === shutdownCheckpoint || operation === endOfRecovery);
}

function sum(ended: readonly (OpenTransaction | undefined)[], dropped: readonly string[]): ReadonlyMap<string, Counts> {
  const total = new Map<string, Counts>();
  for (const open of ended) {
    for (const [relation, counts] of open?.counts ?? []) {
      const known = total.get(relation);
      if (!known) total.set(relation, counts);
      else {
        known.inserts += counts.inserts;
        known.updates += counts.updates;
        known.deletes += counts.deletes;
        known.isMade ||= counts.isMade;
      }
    }
  }
  for (const relation of dropped.slice(0, mostCounts)) {
    const known = total.get(relation);
    if (known) known.isDropped = true;
    else total.set(relation, { inserts: 0, updates: 0, deletes: 0, isMade: false, isDropped: true });
  }
  return total;
}

function told(total: ReadonlyMap<string, Counts>): Pick<CommittedTransaction, "tables" | "moreTables"> {
  const rows = ({ inserts, updates, deletes }: Counts) => inserts + updates + deletes;
  const tables = [...total].sort(([, a], [, b]) => rows(b) - rows(a)).map(([table, counts]) => ({ table, ...counts }));
  return { tables: tables.slice(0, mostTablesTold), moreTables: Math.max(0, tables.length - mostTablesTold) };
}
