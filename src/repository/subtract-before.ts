/** Bytes of memory that words lie in: an extent and one byte for each of its pages. */
const memoryPages = 17;
const memoryPageBytes = 64 * 1024;

/**
 * The loop that a base backup spends most of its own time in, for four words at a time: V8 makes no such instructions
 * of JavaScript, and takes six times as long. This is the module below, assembled by `wat2wasm`; a test compares what it
 * does with what plain code does.
 *
 * (module
 *   (memory (export "memory") 17)
 *   (func (export "subtract") (param $first i32) (param $end i32) (param $distance i32)
 *     (local $at i32)
 *     (local.set $at (local.get $end))
 *     (block $done
 *       (loop $vectors
 *         (br_if $done (i32.lt_s (i32.sub (local.get $at) (local.get $first)) (i32.const 16)))
 *         (local.set $at (i32.sub (local.get $at) (i32.const 16)))
 *         (v128.store (local.get $at)
 *           (i32x4.sub (v128.load (local.get $at)) (v128.load (i32.sub (local.get $at) (local.get $distance)))))
 *         (br $vectors)))
 *     (block $end
 *       (loop $words
 *         (br_if $end (i32.le_s (local.get $at) (local.get $first)))
 *         (local.set $at (i32.sub (local.get $at) (i32.const 4)))
 *         (i32.store (local.get $at)
 *           (i32.sub (i32.load (local.get $at)) (i32.load (i32.sub (local.get $at) (local.get $distance)))))
 *         (br $words)))))
 */
const assembled =
  "AGFzbQEAAAABBwFgA39/fwADAgEABQMBABEHFQIGbWVtb3J5AgAIc3VidHJhY3QAAApkAWIBAX8gASEDAkADQCADIABrQRBIDQEgA0EQayED" +
  "IAMgA/0ABAAgAyACa/0ABAD9sQH9CwQADAALCwJAA0AgAyAATA0BIANBBGshAyADIAMoAgAgAyACaygCAGs2AgAMAAsLCw==";

/** As far as it is used: Node's types leave it to those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

const module = new WebAssembly.Module(Buffer.from(assembled, "base64"));

type Subtract = (first: number, end: number, distance: number) => void;

/** Memory whose 32-bit words can be made differences from earlier ones. */
export class DifferenceMemory {
  readonly bytes: Buffer;
  readonly #subtract: Subtract;

  constructor() {
    const { exports } = new WebAssembly.Instance(module);
    const { buffer } = exports["memory"] as { readonly buffer: ArrayBuffer };
    this.bytes = Buffer.from(buffer, 0, memoryPages * memoryPageBytes);
    this.#subtract = exports["subtract"] as Subtract;
  }

  /**
   * Takes from each word of `[first, end)` the one that lies `distance` before it, as all of them were before.
   * @param range words from the beginning of the memory; `distance` at least 1, and at most `first`
   */
  subtractBefore({
    first,
    end,
    distance,
  }: {
    readonly first: number;
    readonly end: number;
    readonly distance: number;
  }): void {
    this.#subtract(first * 4, end * 4, distance * 4);
  }
}
