import { pageBytes } from "./file-map.ts";
import { maxRowBytes, type Rows } from "./row-memory.ts";

/** Pages begin at multiples of this: InnoDB's may be so small. */
export const pageStepBytes = 4096;

/** Where in a page, and how, InnoDB says what is in it: storage/innobase/include/fil0types.h, page0types.h. */
const innodb = { typeAt: 24, indexType: 0x45bf, heapTopAt: 40, heapCountAt: 42, compactFlag: 0x8000 } as const;
/** Two records that no table has come first; after them lie the others, in the order in which they came. */
const firstRecordAt = { compact: 120, redundant: 125 } as const;
const ownRecords = 2;

/** Of a page of PostgreSQL: src/include/storage/bufpage.h, itemid.h. */
const postgres = { lowerAt: 12, upperAt: 14, specialAt: 16, sizeAt: 18, headerBytes: 24, pointerBytes: 4 } as const;
const tupleAlignment = 8;

const shortestRow = 8;
const fewestRows = 8;

/** Whether any page claims to be one of either engine: other content is not copied for a closer look. */
export function hasPages(plain: Uint8Array): boolean {
  for (let page = 0; page + innodb.typeAt + 1 < plain.length; page += pageStepBytes) {
    const [high, low] = [plain[page + innodb.typeAt], plain[page + innodb.typeAt + 1]];
    if (high === innodb.indexType >> 8 && low === (innodb.indexType & 0xff)) return true;
    if (plain[page + postgres.sizeAt + 1] === pageBytes >> 8) return true;
  }
  return false;
}

/**
 * Rows of one length that a page seems to have, one after the other. A guess from what it says of itself: a wrong one
 * costs time, and nothing else.
 */
export function rowsOf(content: Buffer, page: number): Rows | undefined {
  if (page + innodb.heapCountAt + 2 > content.length) return undefined;
  if (content.readUInt16BE(page + innodb.typeAt) === innodb.indexType) return innodbRows(content, page);
  return page % pageBytes === 0 && page + pageBytes <= content.length ? postgresRows(content, page) : undefined;
}

function innodbRows(content: Buffer, page: number): Rows | undefined {
  const heapCount = content.readUInt16BE(page + innodb.heapCountAt);
  const first = heapCount & innodb.compactFlag ? firstRecordAt.compact : firstRecordAt.redundant;
  const end = content.readUInt16BE(page + innodb.heapTopAt);
  if (page + end > content.length) return undefined;
  const count = (heapCount & ~innodb.compactFlag) - ownRecords;
  return fit({ at: page + first, stride: (end - first) / count, count });
}

function postgresRows(content: Buffer, page: number): Rows | undefined {
  const [lower, upper, special, size] = [postgres.lowerAt, postgres.upperAt, postgres.specialAt, postgres.sizeAt].map(
    (at) => content.readUInt16LE(page + at),
  ) as [number, number, number, number];
  const isPage = (size & 0xff00) === pageBytes && lower <= upper && upper <= special && special <= pageBytes;
  const pointers = Math.floor((lower - postgres.headerBytes) / postgres.pointerBytes);
  if (!isPage || pointers < fewestRows) return undefined;
  const lengthOf = (pointer: number) =>
    content.readUInt32LE(page + postgres.headerBytes + postgres.pointerBytes * pointer) >>> 17;
  const length = lengthOf(pointers >> 1);
  if (length !== lengthOf(pointers >> 2) || length !== lengthOf(pointers - 1 - (pointers >> 2))) return undefined;
  const stride = Math.ceil(length / tupleAlignment) * tupleAlignment;
  return fit({ at: page + upper, stride, count: (special - upper) / stride });
}

function fit(rows: Rows): Rows | undefined {
  const { stride, count } = rows;
  const areWhole = Number.isInteger(stride) && Number.isInteger(count);
  return areWhole && count >= fewestRows && stride >= shortestRow && stride <= maxRowBytes ? rows : undefined;
}
