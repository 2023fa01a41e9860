import { BtarError } from "./errors.ts";
import { type Gtid, isGtidTag, isGtidUuid } from "./gtid.ts";

/** Numbers from `start` up to, but not with, `end`. */
interface Interval {
  readonly start: bigint;
  readonly end: bigint;
}

const longestBrief = 300;

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
      if (!isGtidUuid(uuid)) throw notASet(text);
      let tag = "";
      for (const part of parts.map((each) => each.trim())) {
        const [, first, last = first] = /^(\d{1,19})(?:-(\d{1,19}))?$/.exec(part) ?? [];
        if (first !== undefined && last !== undefined) {
          set.#add(key(uuid, tag), { start: BigInt(first), end: BigInt(last) + 1n });
        } else if (isGtidTag(part)) tag = part;
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

  /** Those of this set that are not in the other one. */
  minus(other: GtidSet): GtidSet {
    const left = new GtidSet();
    for (const [of, intervals] of this.#intervals) {
      const remaining = (other.#intervals.get(of) ?? []).reduce(without, intervals);
      if (remaining.length > 0) left.#intervals.set(of, remaining);
    }
    return left;
  }

  /** Whether one of the same server and tag has a higher number. */
  hasLaterThan({ uuid, tag, number }: Gtid): boolean {
    return (this.#intervals.get(key(uuid, tag)) ?? []).some(({ end }) => end > number + 1n);
  }

  /** Whether it tells any transaction of the same server and tag. */
  knows({ uuid, tag }: Pick<Gtid, "uuid" | "tag">): boolean {
    return this.#intervals.has(key(uuid, tag));
  }

  /** As MySQL reads it. */
  format(): string {
    const ofKey = [...this.#intervals].sort(([a], [b]) => (a < b ? -1 : 1));
    return ofKey.map(([of, intervals]) => `${of}:${intervals.map(formatInterval).join(":")}`).join(",");
  }

  /** As `format`; undefined for a set that is too long to be told to people. */
  brief(): string | undefined {
    const text = this.format();
    return text.length > longestBrief ? undefined : text;
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

function without(intervals: Interval[], taken: Interval): Interval[] {
  return intervals.flatMap((interval) => {
    const before = { start: interval.start, end: interval.end < taken.start ? interval.end : taken.start };
    const behind = { start: interval.start > taken.end ? interval.start : taken.end, end: interval.end };
    return [before, behind].filter(({ start, end }) => start < end);
  });
}

function notASet(text: string): BtarError {
  return new BtarError("INVALID_INPUT", {
    message: `"${text}" is not a set of GTIDs`,
    hint: "the form is UUID:1-5:7, UUID:TAG:1-2",
  });
}
