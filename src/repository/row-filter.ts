import { hasPages, pageStepBytes, rowsOf } from "./row-layout.ts";
import { maxRowBytes, RowMemory, type Rows } from "./row-memory.ts";

const lengthBytes = 4;
const descriptionBytes = 8;
/** So many times the bytes of its description must be won by rows that are filtered. */
const worthwhile = 4;

interface FilteredRows extends Rows {
  /** A bit for each column, lowest first: whether it is the same in all rows. */
  readonly same: Uint8Array;
}

/**
 * Prepares pages for compression in which all rows have one length, as in tables of fixed columns and in most of MySQL's
 * indexes. Bytes that all rows of a page share at the same place (parts of headers and of hidden columns, the upper bytes
 * of numbers) are kept once. What is left is smaller, and zstd does not find the same few bytes in each row again. Layout
 * in docs/repository-format.md, "Packs".
 */
export class RowFilter {
  #memory: RowMemory | undefined;
  /** Of the rows that came last: those of the next page are mostly the same. */
  #lastRuns: { readonly same: Uint8Array; readonly stride: number; readonly runs: Uint16Array } | undefined;

  /**
   * @param plain a MiB at most
   * @returns the filtered content, until the next call; undefined when it would hardly become smaller
   */
  apply(plain: Uint8Array): Buffer | undefined {
    if (!hasPages(plain)) return undefined;
    const memory = (this.#memory ??= new RowMemory());
    const { source, target } = memory;
    // From memory that threads share, `fill` is several times as fast as `set` and `copy`.
    source.fill(plain, 0, plain.length);
    const descriptions: Buffer[] = [];
    let [from, to] = [0, 0];
    const content = source.subarray(0, plain.length);
    for (let page = 0; page < plain.length; page += pageStepBytes) {
      const rows = page < from ? undefined : rowsOf(content, page);
      const same = rows && sameColumns(memory.differences(rows), rows.count);
      if (!rows || !same) continue;
      const second = rows.at + rows.stride;
      to = memory.copy(from, second, to);
      to = memory.gather(second, rows.count - 1, this.#runsOf(same, rows.stride), to);
      from = rows.at + rows.count * rows.stride;
      descriptions.push(describe({ ...rows, same }));
    }
    if (descriptions.length === 0) return undefined;
    to = memory.copy(from, plain.length, to);
    const described = Buffer.concat(descriptions);
    const end = to + described.length + lengthBytes;
    if (end >= plain.length) return undefined;
    described.copy(target, to);
    target.writeUInt32LE(described.length, to + described.length);
    return target.subarray(0, end);
  }

  /**
   * @param filtered what `apply` returned
   * @throws Error when it is nothing that `apply` returns for so many bytes
   */
  undo(filtered: Buffer, plainBytes: number): Buffer {
    const memory = (this.#memory ??= new RowMemory());
    const { source, target } = memory;
    const describedEnd = filtered.length - lengthBytes;
    const end = describedEnd < 0 ? -1 : describedEnd - filtered.readUInt32LE(describedEnd);
    if (end < 0 || filtered.length > source.length || plainBytes > target.length) throw misfit();
    filtered.copy(source);
    let [from, to] = [0, 0];
    for (const rows of described(filtered.subarray(end, describedEnd))) {
      const { at, stride, count, same } = rows;
      const runs = this.#runsOf(same, stride);
      const needed = at + stride - to + (count - 1) * keptBytes(runs);
      if (at < to || at + stride * count > plainBytes || from + needed > end) throw misfit();
      const second = from + at + stride - to;
      to = memory.copy(from, second, to);
      from = memory.scatter(second, { stride, count: count - 1 }, runs, to);
      to += stride * (count - 1);
    }
    if (plainBytes - to !== end - from) throw misfit();
    memory.copy(from, end, to);
    return Buffer.from(target.subarray(0, plainBytes));
  }

  #runsOf(same: Uint8Array, stride: number): Uint16Array {
    const last = this.#lastRuns;
    if (last?.stride === stride && Buffer.compare(last.same, same) === 0) return last.runs;
    const runs = runsOf(same, stride);
    this.#lastRuns = { same: Uint8Array.from(same), stride, runs };
    return runs;
  }
}

/** @returns undefined when too few columns are the same for it to be worth the while */
function sameColumns(differences: Uint8Array, rows: number): Uint8Array | undefined {
  const same = new Uint8Array(Math.ceil(differences.length / 8));
  let count = 0;
  for (let column = 0; column < differences.length; column += 1) {
    if (differences[column] !== 0) continue;
    same[column >> 3] = (same[column >> 3] ?? 0) | (1 << (column & 7));
    count += 1;
  }
  return count * (rows - 1) >= worthwhile * (descriptionBytes + same.length) ? same : undefined;
}

/** Lengths of columns that are the same, and of those that are not, in turn; together a row. */
function runsOf(same: Uint8Array, stride: number): Uint16Array {
  const runs = new Uint16Array(stride + 2);
  let [runCount, from, isSame] = [0, 0, 1];
  for (let column = 0; column < stride; column += 1) {
    if ((((same[column >> 3] ?? 0) >> (column & 7)) & 1) === isSame) continue;
    runs[runCount] = column - from;
    runCount += 1;
    from = column;
    isSame ^= 1;
  }
  runs[runCount] = stride - from;
  return runs.subarray(0, runCount + 2 - (runCount % 2));
}

function keptBytes(runs: Uint16Array): number {
  let bytes = 0;
  for (let index = 1; index < runs.length; index += 2) bytes += runs[index] ?? 0;
  return bytes;
}

function describe({ at, stride, count, same }: FilteredRows): Buffer {
  const bytes = Buffer.alloc(descriptionBytes + same.length);
  bytes.writeUInt32LE(at, 0);
  bytes.writeUInt16LE(stride, 4);
  bytes.writeUInt16LE(count, 6);
  bytes.set(same, descriptionBytes);
  return bytes;
}

function* described(bytes: Buffer): Generator<FilteredRows> {
  for (let from = 0; from < bytes.length; ) {
    if (from + descriptionBytes > bytes.length) throw misfit();
    const [at, stride, count] = [bytes.readUInt32LE(from), bytes.readUInt16LE(from + 4), bytes.readUInt16LE(from + 6)];
    const end = from + descriptionBytes + Math.ceil(stride / 8);
    if (stride < 1 || stride > maxRowBytes || count < 2 || end > bytes.length) throw misfit();
    yield { at, stride, count, same: bytes.subarray(from + descriptionBytes, end) };
    from = end;
  }
}

function misfit(): Error {
  return new Error("its rows do not fit its length");
}
