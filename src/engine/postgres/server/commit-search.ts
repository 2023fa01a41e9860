import { type Lsn, lsnFromSortable } from "../../../domain/lsn.ts";
import type { LogPieceRef } from "../../engine.ts";
import { type TransactionEnd, WalScanner } from "../wal-scanner.ts";
import type { LogChain } from "./log-chain.ts";

/** WAL is made of pages of 8 KiB, whose headers have 24 bytes, 40 on the first of a segment. */
const pageBytes = 8192n;
const longPageHeaderBytes = 40n;
const firstIsContinuation = 0x0001;

/** Where the bytes of pieces come from. */
export interface PieceSource {
  /** The source server's `wal_segment_size`. */
  readonly segmentBytes: number;
  readonly readPiece: (piece: LogPieceRef) => Promise<Uint8Array>;
}

/**
 * Commits whose records end in one piece of a chain, in log order. A record may begin in an earlier piece: reading
 * begins so much earlier that no record is missed.
 * @throws {BtarError} OBJECT_DAMAGED, and what `readPiece` throws
 */
export async function commitsIn(
  chain: LogChain,
  index: number,
  source: PieceSource,
): Promise<readonly TransactionEnd[]> {
  const wanted = chain.pieces[index];
  if (!wanted) return [];
  for (let before = 1; ; before *= 4) {
    const first = Math.max(0, index - before);
    const commits: TransactionEnd[] = [];
    const scan = new PieceScan(source.segmentBytes, (end) => {
      if (end.kind === "commit" && end.end > wanted.from && end.end <= wanted.to) commits.push(end);
    });
    for (const piece of chain.pieces.slice(first, index + 1)) {
      const bytes = await source.readPiece(piece.ref);
      const offset = Number(piece.from - lsnFromSortable(piece.ref.start));
      scan.feed(piece.from, bytes.subarray(offset, offset + Number(piece.to - piece.from)));
    }
    if (first === 0 || scan.skippedUntil <= wanted.from) return commits;
  }
}

/** Feeds a scanner from the first page on that begins in what it is given. */
class PieceScan {
  readonly #segmentBytes: number;
  readonly #onEnd: (end: TransactionEnd) => void;
  #scanner: WalScanner | undefined;
  #skippedUntil: Lsn | undefined;

  constructor(segmentBytes: number, onEnd: (end: TransactionEnd) => void) {
    this.#segmentBytes = segmentBytes;
    this.#onEnd = onEnd;
  }

  /** Records that end before this position may have been missed, no others. */
  get skippedUntil(): Lsn {
    return this.#skippedUntil ?? 1n << 64n;
  }

  feed(start: Lsn, bytes: Uint8Array): void {
    if (this.#scanner) return this.#scanner.feed(bytes);
    const pageStart = ((start + pageBytes - 1n) / pageBytes) * pageBytes;
    const page = bytes.subarray(Number(pageStart - start));
    if (page.length < longPageHeaderBytes) return; // a later piece has the page
    this.#skippedUntil = pageStart + skippedBytes(page);
    this.#scanner = new WalScanner({
      start: pageStart,
      segmentBytes: this.#segmentBytes,
      damageCode: "OBJECT_DAMAGED",
      onTransactionEnd: this.#onEnd,
    });
    this.#scanner.feed(page);
  }
}

/** How far, at the most, a record reaches that began before a page: its rest, with the headers of the pages it fills. */
function skippedBytes(page: Uint8Array): bigint {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const isContinued = (view.getUint16(2, true) & firstIsContinuation) !== 0;
  const restBytes = isContinued ? BigInt(view.getUint32(16, true)) : 0n;
  const pages = restBytes / (pageBytes - longPageHeaderBytes) + 1n;
  return restBytes + pages * longPageHeaderBytes + 8n;
}
