import type { GtidSet } from "../../../domain/gtid-set.ts";
import type { LogPieceRef } from "../../engine.ts";
import { unpackPosition } from "../binlog/binlog-position.ts";
import { type BinlogTransaction, EventScanner } from "../binlog/event-scanner.ts";

/** A piece, and where the part of it that counts begins: others before it may reach into it. */
export interface ChainedPiece {
  readonly ref: LogPieceRef;
  readonly from: string;
}

type ReadPiece = (piece: LogPieceRef) => Promise<Uint8Array>;

/**
 * The binary logs that a chain of pieces holds, which begins with the beginning of one. Events can only be told from
 * the beginning of a file on.
 */
export class LogFiles {
  readonly #pieces = new Map<number, ChainedPiece[]>();
  readonly #readPiece: ReadPiece;

  constructor(chain: readonly ChainedPiece[], readPiece: ReadPiece) {
    for (const piece of chain) {
      const { file } = unpackPosition(piece.from);
      const ofFile = this.#pieces.get(file);
      if (ofFile) ofFile.push(piece);
      else this.#pieces.set(file, [piece]);
    }
    this.#readPiece = readPiece;
  }

  /** Their numbers, in order. */
  get numbers(): readonly number[] {
    return [...this.#pieces.keys()];
  }

  /**
   * The transactions of a file that are whole, in log order, as many at a time as one piece ends.
   * @throws {BtarError} OBJECT_DAMAGED, and what `readPiece` throws
   */
  async *transactions(file: number): AsyncGenerator<readonly BinlogTransaction[], void, undefined> {
    let ended: BinlogTransaction[] = [];
    const onTransaction = (transaction: BinlogTransaction) => ended.push(transaction);
    const scanner = new EventScanner({ file, start: 0, damageCode: "OBJECT_DAMAGED", onTransaction });
    for (const piece of this.#pieces.get(file) ?? []) {
      scanner.feed(await this.#bytesOf(piece));
      yield ended;
      ended = [];
    }
  }

  /**
   * All transactions of earlier files, as a file tells them at its beginning; undefined when that is not all there.
   * @throws {BtarError} as `transactions`
   */
  async previousGtids(file: number): Promise<GtidSet | undefined> {
    let previous: GtidSet | undefined;
    const onPreviousGtids = (gtids: GtidSet) => (previous = gtids);
    const scanner = new EventScanner({ file, start: 0, damageCode: "OBJECT_DAMAGED", onPreviousGtids });
    for (const piece of this.#pieces.get(file) ?? []) {
      scanner.feed(await this.#bytesOf(piece));
      if (previous) return previous;
    }
    return undefined;
  }

  async #bytesOf({ ref, from }: ChainedPiece): Promise<Buffer> {
    const bytes = await this.#readPiece(ref);
    const skipped = unpackPosition(from).offset - unpackPosition(ref.start).offset;
    return Buffer.from(bytes.buffer, bytes.byteOffset + skipped, bytes.byteLength - skipped);
  }
}
