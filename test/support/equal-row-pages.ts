import { mulberry32 } from "./random-numbers.ts";

const innodbPageBytes = 16 * 1024;

interface PageShape {
  readonly rowBytes: number;
  readonly rows: number;
  readonly pageBytes?: number;
  readonly isCompact?: boolean;
}

/** A page as InnoDB lays it out, of records of one length: a third of each is the same in all, the rest is random. */
export function pageOfRows(
  { rowBytes, rows, pageBytes = innodbPageBytes, isCompact = true }: PageShape,
  seed = 1,
): Buffer {
  const random = mulberry32(seed);
  const page = Buffer.alloc(pageBytes);
  const first = isCompact ? 120 : 125;
  page.writeUInt32BE(Math.floor(random() * 2 ** 32), 0);
  page.writeUInt16BE(17_855, 24);
  page.writeUInt16BE(first + rows * rowBytes, 40);
  page.writeUInt16BE((rows + 2) | (isCompact ? 0x8000 : 0), 42);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < rowBytes; column += 1) {
      page[first + row * rowBytes + column] = column % 6 < 2 ? column : Math.floor(random() * 256);
    }
  }
  return page;
}

/** A page as PostgreSQL lays it out, of tuples of one length. */
export function pageOfTuples(lengthBytes: number, tuples: number, seed = 1): Buffer {
  const random = mulberry32(seed);
  const page = Buffer.alloc(8192);
  const stride = Math.ceil(lengthBytes / 8) * 8;
  page.writeUInt16LE(24 + 4 * tuples, 12);
  page.writeUInt16LE(8192 - tuples * stride, 14);
  page.writeUInt16LE(8192, 16);
  page.writeUInt16LE(8192 | 4, 18);
  for (let tuple = 0; tuple < tuples; tuple += 1) {
    const at = 8192 - (tuple + 1) * stride;
    page.writeUInt32LE((at | (1 << 15) | (lengthBytes << 17)) >>> 0, 24 + 4 * tuple);
    for (let column = 24; column < lengthBytes; column += 1) page[at + column] = Math.floor(random() * 256);
  }
  return page;
}
