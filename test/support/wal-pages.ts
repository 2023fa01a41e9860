/** WAL that PostgreSQL could have written, of commits and filler alone, to test what reads it. */

const pageBytes = 8192;
const microsTo2000 = 946_684_800_000_000n;

export type WalRecord =
  | { readonly kind: "commit"; readonly atMicros: bigint; readonly bytes?: number }
  | { readonly kind: "filler"; readonly bytes: number };

export interface WalText {
  readonly bytes: Buffer;
  /** Where each record begins, and where the next may. */
  readonly records: readonly { readonly start: bigint; readonly end: bigint }[];
}

/** @param start the beginning of a segment */
export function walPages(start: bigint, segmentBytes: number, contents: readonly WalRecord[]): WalText {
  const pages: Buffer[] = [];
  let offset = 0;
  const beginPage = (restBytes: number) => {
    if (offset % pageBytes !== 0) return;
    const isLong = offset % segmentBytes === 0;
    const page = Buffer.alloc(pageBytes);
    page.writeUInt16LE(0xd118);
    page.writeUInt16LE((restBytes > 0 ? 1 : 0) | (isLong ? 2 : 0), 2);
    page.writeBigUInt64LE(start + BigInt(offset), 8);
    page.writeUInt32LE(restBytes, 16);
    if (isLong) page.writeUInt32LE(segmentBytes, 32);
    if (isLong) page.writeUInt32LE(pageBytes, 36);
    pages.push(page);
    offset += isLong ? 40 : 24;
  };
  const records = contents.map((content) => {
    beginPage(0);
    const from = start + BigInt(offset);
    const record = recordOf(content);
    for (let done = 0; done < record.length; ) {
      beginPage(record.length - done);
      const part = record.subarray(done, done + pageBytes - (offset % pageBytes));
      pages.at(-1)?.set(part, offset % pageBytes);
      done += part.length;
      offset += part.length;
    }
    offset = Math.ceil(offset / 8) * 8;
    return { start: from, end: start + BigInt(offset) };
  });
  return { bytes: Buffer.concat(pages).subarray(0, offset), records };
}

function recordOf(content: WalRecord): Buffer {
  const dataBytes = content.kind === "commit" ? Math.max(8, content.bytes ?? 8) : content.bytes;
  const record = Buffer.alloc(24 + 5 + dataBytes, 0xab);
  record.fill(0, 0, 24);
  record.writeUInt32LE(record.length);
  record.writeUInt8(content.kind === "commit" ? 1 : 10, 17); // transaction, heap
  record.writeUInt8(254, 24);
  record.writeUInt32LE(dataBytes, 25);
  if (content.kind === "commit") record.writeBigInt64LE(content.atMicros - microsTo2000, 29);
  return record;
}
