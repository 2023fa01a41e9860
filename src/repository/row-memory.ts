/** What lies where in the memory, with room between for vectors that reach beyond an end. */
const memoryBytes = 34 * 64 * 1024;
const contentBytes = 1024 * 1024;
const targetAt = contentBytes + 4096;
const differencesAt = targetAt + contentBytes + 4096;
const runsAt = differencesAt + 4096;

/**
 * The loops of the row filter, for sixteen bytes at a time. This is the module below, assembled by `wat2wasm`. Copies go
 * by whole vectors, and so write up to fifteen bytes more than they should: what belongs there is written afterwards.
 *
 * (module
 *   (memory (export "memory") 34)
 *   (func (export "differences") (param $at i32) (param $stride i32) (param $count i32) (param $to i32)
 *     (local $column i32) (local $row i32) (local $left i32) (local $all v128) (local $before v128) (local $now v128)
 *     (loop $columns
 *       (local.set $all (v128.const i64x2 0 0))
 *       (local.set $row (i32.add (local.get $at) (local.get $column)))
 *       (local.set $before (v128.load (local.get $row)))
 *       (local.set $left (local.get $count))
 *       (block $end
 *         (loop $rows
 *           (br_if $end (i32.eqz (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
 *           (local.set $row (i32.add (local.get $row) (local.get $stride)))
 *           (local.set $now (v128.load (local.get $row)))
 *           (local.set $all (v128.or (local.get $all) (v128.xor (local.get $now) (local.get $before))))
 *           (local.set $before (local.get $now))
 *           (br $rows)))
 *       (v128.store (i32.add (local.get $to) (local.get $column)) (local.get $all))
 *       (br_if $columns (i32.lt_u (local.tee $column (i32.add (local.get $column) (i32.const 16))) (local.get $stride)))))
 *   (func $copy (param $from i32) (param $to i32) (param $length i32)
 *     (local $end i32)
 *     (local.set $end (i32.add (local.get $from) (local.get $length)))
 *     (block $done
 *       (loop $vectors
 *         (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
 *         (v128.store (local.get $to) (v128.load (local.get $from)))
 *         (local.set $from (i32.add (local.get $from) (i32.const 16)))
 *         (local.set $to (i32.add (local.get $to) (i32.const 16)))
 *         (br $vectors))))
 *   (func (export "gather") (param $from i32) (param $count i32) (param $runs i32) (param $runsEnd i32) (param $to i32) (result i32)
 *     (local $run i32) (local $length i32)
 *     (block $end
 *       (loop $rows
 *         (br_if $end (i32.eqz (local.get $count)))
 *         (local.set $count (i32.sub (local.get $count) (i32.const 1)))
 *         (local.set $run (local.get $runs))
 *         (loop $next
 *           (local.set $from (i32.add (local.get $from) (i32.load16_u (local.get $run))))
 *           (local.set $length (i32.load16_u offset=2 (local.get $run)))
 *           (call $copy (local.get $from) (local.get $to) (local.get $length))
 *           (local.set $from (i32.add (local.get $from) (local.get $length)))
 *           (local.set $to (i32.add (local.get $to) (local.get $length)))
 *           (br_if $next (i32.lt_u (local.tee $run (i32.add (local.get $run) (i32.const 4))) (local.get $runsEnd))))
 *         (br $rows)))
 *     (local.get $to))
 *   (func (export "scatter") (param $from i32) (param $stride i32) (param $count i32) (param $runs i32) (param $runsEnd i32) (param $to i32)
 *     (result i32)
 *     (local $run i32) (local $length i32)
 *     (block $end
 *       (loop $rows
 *         (br_if $end (i32.eqz (local.get $count)))
 *         (local.set $count (i32.sub (local.get $count) (i32.const 1)))
 *         (local.set $run (local.get $runs))
 *         (loop $next
 *           (local.set $length (i32.load16_u (local.get $run)))
 *           (call $copy (i32.sub (local.get $to) (local.get $stride)) (local.get $to) (local.get $length))
 *           (local.set $to (i32.add (local.get $to) (local.get $length)))
 *           (local.set $length (i32.load16_u offset=2 (local.get $run)))
 *           (call $copy (local.get $from) (local.get $to) (local.get $length))
 *           (local.set $from (i32.add (local.get $from) (local.get $length)))
 *           (local.set $to (i32.add (local.get $to) (local.get $length)))
 *           (br_if $next (i32.lt_u (local.tee $run (i32.add (local.get $run) (i32.const 4))) (local.get $runsEnd))))
 *         (br $rows)))
 *     (local.get $from)))
 */
const assembled =
  "AGFzbQEAAAABIQRgBH9/f38AYAN/f38AYAV/f39/fwF/YAZ/f39/f38BfwMFBAABAgMFAwEAIgcrBAZtZW1vcnkCAAtkaWZmZXJlbmNlcwAABmdh" +
  "dGhlcgACB3NjYXR0ZXIAAwroAgR4AgN/A3sDQP0MAAAAAAAAAAAAAAAAAAAAACEHIAAgBGohBSAF/QAEACEIIAIhBgJAA0AgBkEBayIGRQ0BIAUg" +
  "AWohBSAF/QAEACEJIAcgCSAI/VH9UCEHIAkhCAwACwsgAyAEaiAH/QsEACAEQRBqIgQgAUkNAAsLNAEBfyAAIAJqIQMCQANAIAAgA08NASABIAD9" +
  "AAQA/QsEACAAQRBqIQAgAUEQaiEBDAALCwtUAQJ/AkADQCABRQ0BIAFBAWshASACIQUDQCAAIAUvAQBqIQAgBS8BAiEGIAAgBCAGEAEgACAGaiEA" +
  "IAQgBmohBCAFQQRqIgUgA0kNAAsMAAsLIAQLYwECfwJAA0AgAkUNASACQQFrIQIgAyEGA0AgBi8BACEHIAUgAWsgBSAHEAEgBSAHaiEFIAYvAQIh" +
  "ByAAIAUgBxABIAAgB2ohACAFIAdqIQUgBkEEaiIGIARJDQALDAALCyAACw==";

/** As far as it is used: Node's types leave it to those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

const module = new WebAssembly.Module(Buffer.from(assembled, "base64"));

/** Rows of one length that lie one after the other. */
export interface Rows {
  /** Of the first one, in the content. */
  readonly at: number;
  /** Bytes from one row to the next, up to `maxRowBytes`. */
  readonly stride: number;
  /** At least two. */
  readonly count: number;
}

export const maxRowBytes = 1023;

type Differences = (at: number, stride: number, count: number, to: number) => void;
type Gather = (from: number, count: number, runs: number, runsEnd: number, to: number) => number;
type Scatter = (from: number, stride: number, count: number, runs: number, runsEnd: number, to: number) => number;

/** Memory in which columns that are the same in all rows are taken out, or put in again. */
export class RowMemory {
  /** Room for a content of a MiB. */
  readonly source: Buffer;
  /** Room for what becomes of it. */
  readonly target: Buffer;
  readonly #memory: Buffer;
  readonly #differences: Differences;
  readonly #gather: Gather;
  readonly #scatter: Scatter;

  constructor() {
    const { exports } = new WebAssembly.Instance(module);
    const { buffer } = exports["memory"] as { readonly buffer: ArrayBuffer };
    this.#memory = Buffer.from(buffer, 0, memoryBytes);
    this.source = this.#memory.subarray(0, contentBytes);
    this.target = this.#memory.subarray(targetAt, targetAt + contentBytes);
    this.#differences = exports["differences"] as Differences;
    this.#gather = exports["gather"] as Gather;
    this.#scatter = exports["scatter"] as Scatter;
  }

  /** @returns for each column of rows of the source, 0 where all rows have the same byte; valid until the next call */
  differences({ at, stride, count }: Rows): Uint8Array {
    this.#differences(at, stride, count, differencesAt);
    return this.#memory.subarray(differencesAt, differencesAt + stride);
  }

  /** Copies bytes of the source to the target. @returns where they end there */
  copy(from: number, end: number, to: number): number {
    this.#memory.copyWithin(targetAt + to, from, end);
    return to + end - from;
  }

  /**
   * Copies rows of the source to the target, without the columns that are always the same.
   * @param from the first row
   * @param runs lengths of what is left out and of what is copied, in turn
   * @returns where they end in the target
   */
  gather(from: number, count: number, runs: Uint16Array, to: number): number {
    return this.#gather(from, count, runsAt, this.#putRuns(runs), targetAt + to) - targetAt;
  }

  /**
   * Undoes `gather`; the target has a row already right before `to`.
   * @returns where in the source the next bytes lie
   */
  scatter(from: number, rows: Pick<Rows, "stride" | "count">, runs: Uint16Array, to: number): number {
    return this.#scatter(from, rows.stride, rows.count, runsAt, this.#putRuns(runs), targetAt + to);
  }

  #putRuns(runs: Uint16Array): number {
    this.#memory.set(new Uint8Array(runs.buffer, runs.byteOffset, runs.byteLength), runsAt);
    return runsAt + runs.byteLength;
  }
}
