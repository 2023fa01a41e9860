import { BtarError } from "../../../domain/errors.ts";
import { formatUuid, type Gtid } from "./gtid-event.ts";

/** Numbers from `start` up to, but not with, `end`. */
interface Interval {
  readonly start: bigint;
  readonly end: bigint;
}

/** Transactions, told by their GTIDs. */
export class GtidSet {
  /** By UUID, or UUID and tag; each in order, apart from one another. */
  readonly #intervals = new Map<string, Interval[]>();

  /**
   * Reads a set as MySQL writes it: `UUID:1-5:7:tag:1-2, UUID:…`; empty text is the empty set.
   * @throws {BtarError} INVALID_INPUT
   */
  static parse(text: string): GtidSet {
    const set = new GtidSet();
    for (const ofServer of text.split(",").map((part) => part.trim())) {
      if (ofServer === "") continue;
      const [uuid = "", ...parts] = ofServer.toLowerCase().split(":");
      if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) throw notASet(text);
      let tag = "";
      for (const part of parts.map((each) => each.trim())) {
        const [, first, last = first] = /^(\d{1,19})(?:-(\d{1,19}))?$/.exec(part) ?? [];
        if (first !== undefined && last !== undefined) {
          set.#add(key(uuid, tag), { start: BigInt(first), end: BigInt(last) + 1n });
        } else if (/^[a-z_][a-z0-9_]{0,31}$/.test(part)) tag = part;
        else throw notASet(text);
      }
    }
    return set;
  }

  get isEmpty(): boolean {
    return this.#intervals.size === 0;
  }

  /** How many transactions it tells. */
  get count(): bigint {
    let count = 0n;
    for (const intervals of this.#intervals.values()) for (const { start, end } of intervals) count += end - start;
    return count;
  }

  has({ uuid, tag, number }: Gtid): boolean {
    const intervals = this.#intervals.get(key(uuid, tag)) ?? [];
    return intervals.some(({ start, end }) => start <= number && number < end);
  }

  add({ uuid, tag, number }: Gtid): void {
    this.#add(key(uuid, tag), { start: number, end: number + 1n });
  }

  addAll(other: GtidSet): void {
    for (const [of, intervals] of other.#intervals) for (const interval of intervals) this.#add(of, interval);
  }

  addInterval(of: { readonly uuid: string; readonly tag: string }, start: bigint, end: bigint): void {
    this.#add(key(of.uuid, of.tag), { start, end });
  }

  /** Whether all of this set are in the other one. */
  isWithin(other: GtidSet): boolean {
    for (const [of, intervals] of this.#intervals) {
      const theirs = other.#intervals.get(of) ?? [];
      const isWithin = intervals.every((ours) =>
        theirs.some(({ start, end }) => start <= ours.start && ours.end <= end),
      );
      if (!isWithin) return false;
    }
    return true;
  }

  /** As MySQL reads it. */
  format(): string {
    const ofKey = [...this.#intervals].sort(([a], [b]) => (a < b ? -1 : 1));
    return ofKey.map(([of, intervals]) => `${of}:${intervals.map(formatInterval).join(":")}`).join(",");
  }

  #add(of: string, added: Interval): void {
    if (added.start >= added.end) return;
    const intervals = this.#intervals.get(of);
    const last = intervals?.at(-1);
    if (!intervals || !last) this.#intervals.set(of, [added]);
    else if (added.start === last.end) intervals[intervals.length - 1] = { start: last.start, end: added.end };
    else this.#intervals.set(of, joined([...intervals, added]));
  }
}

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

function key(uuid: string, tag: string): string {
  return tag === "" ? uuid : `${uuid}:${tag}`;
}

function formatInterval({ start, end }: Interval): string {
  return end - start === 1n ? String(start) : `${start}-${end - 1n}`;
}

function joined(intervals: readonly Interval[]): Interval[] {
  const result: Interval[] = [];
  for (const interval of [...intervals].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    const last = result.at(-1);
    if (!last || last.end < interval.start) result.push(interval);
    else if (interval.end > last.end) result[result.length - 1] = { start: last.start, end: interval.end };
  }
  return result;
}

function notASet(text: string): BtarError {
  return new BtarError("INVALID_INPUT", {
    message: `"${text}" is not a set of GTIDs`,
    hint: "the form is UUID:1-5:7, UUID:TAG:1-2",
  });
}
