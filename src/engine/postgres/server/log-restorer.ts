import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { type Lsn, lsnFromSortable, timelineToHex, walSegmentName, walSegmentStart } from "../../../domain/lsn.ts";
import { syncDirectory, unlinkIfThere, writeFileDurably } from "../../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import type { LogRestorer } from "../../server.ts";
import { parseStreamName } from "../stream-name.ts";
import { parseTimelineHistory, type TimelineHistory } from "../timeline-history.ts";
import { WalSegmentFiles } from "../wal-segment-files.ts";
import { lastStream, type RecoveryEnd, recoveryEnd, recoveryFacts } from "./backup-facts.ts";

const maxHistoryBytes = 1024 * 1024;

/**
 * Writes log as WAL segments into the `pg_wal` of a restored data directory, where recovery finds them by itself.
 */
export class WalRestorer implements LogRestorer {
  readonly #directory: string;
  readonly #segmentBytes: number;
  /** Recovery reads nothing before the segment that holds the backup's start. */
  readonly #firstNeeded: Lsn;
  readonly #end: RecoveryEnd;
  readonly #lastTimeline: number;
  readonly #segments: WalSegmentFiles;
  readonly #histories = new Map<number, TimelineHistory>();
  #emptied: Promise<void> | undefined;

  constructor(filesDirectory: string, facts: BaseBackupFacts, plan: RecoveryPlan) {
    this.#directory = path.join(filesDirectory, "pg_wal");
    this.#segmentBytes = recoveryFacts(facts).walSegmentBytes;
    this.#segments = new WalSegmentFiles(this.#directory, this.#segmentBytes);
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
    await this.#segments.write(timeline, from + BigInt(early), counted.subarray(early));
  }

  async finish(): Promise<void> {
    await this.#empty();
    await this.#joinTimelines();
    await this.#segments.sync();
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
      if (this.#segments.names.includes(name)) {
        const head = await this.#segments.readHead(name, Number(switchedAt - segmentStart));
        await this.#segments.write(next, segmentStart, head);
      }
      const dead = this.#segments.names.filter((each) => each.startsWith(timelineToHex(timeline)) && each > name);
      for (const each of dead) {
        this.#segments.forget(each);
        await unlinkIfThere(path.join(this.#directory, each));
      }
    }
  }
}

function tooLarge(stream: string, sizeBytes: number): BtarError {
  return new BtarError("OBJECT_DAMAGED", {
    message: `the timeline history of ${stream} has ${sizeBytes} bytes`,
    hint: "use the same log of another location",
  });
}
