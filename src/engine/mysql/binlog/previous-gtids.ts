import { GtidSet } from "../../../domain/gtid-set.ts";
import { formatUuid } from "./gtid-event.ts";

/**
 * Reads the body of a previous-GTIDs event: the transactions of all earlier files. Without tags: number of servers,
 * and for each its UUID, number of intervals, and their starts and (exclusive) ends. With tags, the first number's
 * highest byte is 1 and its lowest byte repeats it, and behind each UUID comes the tag, with its doubled length before.
 * @returns undefined when it is malformed
 * @throws {RangeError} when it is malformed, too
 */
export function readPreviousGtids(body: Buffer): GtidSet | undefined {
  const set = new GtidSet();
  const head = body.readBigUInt64LE(0);
  const hasTags = head >> 56n === 1n;
  const entries = hasTags ? (head >> 8n) & 0xffff_ffff_ffffn : head;
  let at = 8;
  for (let entry = 0n; entry < entries; entry += 1n) {
    const uuid = formatUuid(body.subarray(at, at + 16));
    at += 16;
    const tagBytes = hasTags ? body.readUInt8(at) >> 1 : 0;
    const tag = hasTags ? body.toString("latin1", at + 1, at + 1 + tagBytes) : "";
    at += hasTags ? 1 + tagBytes : 0;
    const intervals = body.readBigUInt64LE(at);
    at += 8;
    for (let index = 0n; index < intervals; index += 1n, at += 16) {
      set.addInterval({ uuid, tag }, body.readBigInt64LE(at), body.readBigInt64LE(at + 8));
    }
  }
  return at === body.length ? set : undefined;
}
