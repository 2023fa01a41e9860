import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { type Lsn, lsnFromSortable, timelineToHex, walSegmentName, walSegmentStart } from "../../../domain/lsn.ts";
import { syncDirectory, unlinkIfThere, writeFileDurably } from "../../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import type { LogRestorer } from "../../server.ts";
import { parseStreamName } from "../stream-name.ts";
import { parseTimelineHistory, type TimelineHistory } from "../timeline-history.ts";
import { lastStream, type RecoveryEnd, recoveryEnd, recoveryFacts } from "./backup-facts.ts";

const maxHistoryBytes = 1024 * 1024;

/**
 * Writes log as WAL segments into the `pg_wal` of a restored data directory, where recovery finds them by itself.
 * Segments have their full size from the start; where no log was written they hold zeros, which recovery takes for
 * the end of the log.
 */
export class WalRestorer implements LogRestorer {
  readonly #directory: string;
  readonly #segmentBytes: number;
  /** Recovery reads nothing before the segment that holds the backup's start. */
  readonly #firstNeeded: Lsn;
  readonly #end: RecoveryEnd;
  readonly #lastTimeline: number;
  readonly #written = new Set<string>();
  readonly #histories = new Map<number, TimelineHistory>();
  #emptied: Promise<void> | undefined;

  constructor(filesDirectory: string, facts: BaseBackupFacts, plan: RecoveryPlan) {
    this.#directory = path.join(filesDirectory, "pg_wal");
    this.#segmentBytes = recoveryFacts(facts).walSegmentBytes;
    this.#firstNeeded = walSegmentStart(lsnFromSortable(facts.log.start), this.#segmentBytes);
    this.#end = recoveryEnd(facts, plan);
    this.#lastTimeline = lastStream(facts, plan).timeline;
  }

  async history(stream: string, content: Uint8Array): Promise<void> {
    const { timeline } = parseStreamName(stream);
    if (content.length > maxHistoryBytes) throw tooLarge(stream, content.length);
    this.#histories.set(timeline, parseTimelineHistory(timeline, Buffer.from(content).toString("utf8")));
    await this.#empty();
    await writeFileDurably(path.join(this.#directory, `${timelineToHex(timeline)}.history`), content, { mode: 0o600 });
  }

  async write(stream: string, start: string, bytes: Uint8Array): Promise<void> {
    const { timeline } = parseStreamName(stream);
    const from = lsnFromSortable(start);
    const counted = bytes.subarray(0, this.#countedBytes(stream, from, bytes.length));
    await this.#empty();
    // A segment whose beginning is missing would stop whoever reads the log from its oldest segment on: PostgreSQL's
    // own summarizer does, and then holds up a shutdown for ten seconds.
    const early = from < this.#firstNeeded ? Math.min(counted.length, Number(this.#firstNeeded - from)) : 0;
    await this.#put(timeline, from + BigInt(early), counted.subarray(early));
  }

  async finish(): Promise<void> {
    await this.#empty();
    await this.#joinTimelines();
    for (const name of this.#written) await this.#withSegment(name, (segment) => segment.sync());
    await syncDirectory(this.#directory);
  }

  /** What an earlier attempt left, for another target perhaps, must not be replayed. */
  #empty(): Promise<void> {
    this.#emptied ??= (async () => {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      for (const name of await readdir(this.#directory)) {
        if (/^[0-9A-F]{24}|\.history$/.test(name)) await unlinkIfThere(path.join(this.#directory, name));
      }
    })();
    return this.#emptied;
  }

  #countedBytes(stream: string, from: Lsn, length: number): number {
    if (this.#end.kind !== "cut" || this.#end.stream !== stream) return length;
    return Math.max(0, Math.min(length, Number(this.#end.position - from)));
  }

  async #put(timeline: number, from: Lsn, bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; ) {
      const position = from + BigInt(offset);
      const inSegment = Number(position - walSegmentStart(position, this.#segmentBytes));
      const part = bytes.subarray(offset, offset + this.#segmentBytes - inSegment);
      const name = walSegmentName(timeline, position, this.#segmentBytes);
      await this.#withSegment(name, (segment) => writeAll(segment, part, inSegment));
      offset += part.length;
    }
  }

  /**
   * A server that is promoted copies the segment it is in to its new timeline, and recovery reads that copy: so each
   * timeline's first segment gets what the one before wrote to it. Later segments of the one before are no part of the
   * history and are removed.
   */
  async #joinTimelines(): Promise<void> {
    const ancestors = this.#histories.get(this.#lastTimeline) ?? [];
    for (const [index, { timeline, end: switchedAt }] of ancestors.entries()) {
      const next = ancestors[index + 1]?.timeline ?? this.#lastTimeline;
      const segmentStart = walSegmentStart(switchedAt, this.#segmentBytes);
      const name = walSegmentName(timeline, switchedAt, this.#segmentBytes);
      if (this.#written.has(name)) {
        const head = Buffer.alloc(Number(switchedAt - segmentStart));
        await this.#withSegment(name, (segment) => readAll(segment, head));
        await this.#put(next, segmentStart, head);
      }
      const dead = [...this.#written].filter((each) => each.startsWith(timelineToHex(timeline)) && each > name);
      for (const each of dead) {
        this.#written.delete(each);
        await unlinkIfThere(path.join(this.#directory, each));
      }
    }
  }

  /** Opens a segment, made whole first if it is new. Making it twice at the same time does no harm. */
  async #withSegment(name: string, act: (segment: FileHandle) => Promise<void>): Promise<void> {
    this.#written.add(name);
    const segment = await open(path.join(this.#directory, name), constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const { size } = await segment.stat();
      if (size !== this.#segmentBytes) await segment.truncate(this.#segmentBytes);
      await act(segment);
    } finally {
      await segment.close();
    }
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function readAll(handle: FileHandle, buffer: Buffer): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, done);
    if (bytesRead === 0) throw new BtarError("INTERNAL", { message: "a WAL segment is shorter than it was made" });
    done += bytesRead;
  }
}

function tooLarge(stream: string, sizeBytes: number): BtarError {
  return new BtarError("OBJECT_DAMAGED", {
    message: `the timeline history of ${stream} has ${sizeBytes} bytes`,
    hint: "use the same log of another location",
  });
}
