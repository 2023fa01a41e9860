import { constants } from "node:fs";
import { type FileHandle, open, readdir, rename } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import {
  formatLsn,
  type Lsn,
  lsnFromSortable,
  timelineToHex,
  walSegmentName,
  walSegmentStart,
} from "../../../domain/lsn.ts";
import { systemClock } from "../../../platform/clock.ts";
import { ensureDirectory, removeTree, unlinkIfThere, writeFileDurably } from "../../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import type { LogRestorer } from "../../server.ts";
import { parseStreamName } from "../stream-name.ts";
import { parseTimelineHistory } from "../timeline-history.ts";
import { lastStream, recoveryEnd, recoveryFacts } from "./backup-facts.ts";
import type { ServerDirectory } from "./directory.ts";
import { readReplayed } from "./recovery-progress.ts";
import type { RunAs } from "../../run-as.ts";

/** Segments that may wait for the server. */
const segmentsAhead = 16;
const pollMs = 20;
const maxHistoryBytes = 1024 * 1024;
const completeName = "complete";

/** Beside the data directory, where the server's commands run. */
const feedName = "log-ahead";

/**
 * `restore_command` of a server that is fed: takes a segment as soon as it is there, by a second name for the same
 * file, and says so when there are no more. Whatever else goes wrong ends the recovery (exit codes above 125 do): it
 * must not pass for the end of the log.
 * @see https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-RESTORE-COMMAND
 */
export function feedingRestoreCommand(replayedFile: string): string {
  const file = `../${feedName}/%f`;
  return [
    `echo %f %r > ${replayedFile}`,
    `case %f in *.history) ;; *) while [ ! -e ${file} ] && [ ! -e ../${feedName}/${completeName} ]; do sleep 0.02; done ;; esac`,
    `[ -e ${file} ] || exit 1`,
    `ln ${file} %p || exit 200`,
  ].join("; ");
}

/**
 * Hands log to a server that replays it meanwhile: segments appear when they are whole, and the feed waits when the
 * server is far behind, so that neither waits for the other for long and little room is taken. The pieces of a plan
 * come in its order.
 */
export class WalFeed implements LogRestorer {
  readonly #directory: string;
  readonly #request: FeedRequest;
  readonly #segmentBytes: number;
  /** Bytes of a stream that count end here; undefined: all do. */
  readonly #limits = new Map<number, Lsn>();
  readonly #begun = Promise.withResolvers<void>();
  #timeline: number | undefined;
  /** First byte that was not written yet; recovery reads nothing before the segment of the backup's start. */
  #position: Lsn;
  #open: { readonly name: string; readonly handle: FileHandle } | undefined;

  private constructor(request: FeedRequest) {
    const { facts, plan, directory } = request;
    this.#request = request;
    this.#directory = feedDirectory(directory);
    this.#segmentBytes = recoveryFacts(facts).walSegmentBytes;
    this.#position = walSegmentStart(lsnFromSortable(facts.log.start), this.#segmentBytes);
    const end = recoveryEnd(facts, plan);
    if (end.kind === "cut") this.#limits.set(parseStreamName(end.stream).timeline, end.position);
  }

  static async open(request: FeedRequest): Promise<WalFeed> {
    await removeFeed(request.directory);
    // The server's user may take files out of it, and put none in.
    await ensureDirectory(feedDirectory(request.directory), { mode: 0o711 });
    return new WalFeed(request);
  }

  /** Settles once the server may start: all histories are there. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  async history(stream: string, content: Uint8Array): Promise<void> {
    const { timeline } = parseStreamName(stream);
    if (content.length > maxHistoryBytes) {
      throw new BtarError("OBJECT_DAMAGED", {
        message: `the timeline history of ${stream} has ${content.length} bytes`,
        hint: "use the same log of another location",
      });
    }
    const { facts, plan, runAs } = this.#request;
    if (timeline === lastStream(facts, plan).timeline) {
      const ancestors = parseTimelineHistory(timeline, Buffer.from(content).toString("utf8"));
      for (const ancestor of ancestors) this.#limits.set(ancestor.timeline, ancestor.end);
    }
    const file = path.join(this.#directory, `${timelineToHex(timeline)}.history`);
    await writeFileDurably(file, content, { mode: 0o600, owner: runAs });
  }

  async write(stream: string, start: string, bytes: Uint8Array): Promise<void> {
    this.#begun.resolve();
    const { timeline } = parseStreamName(stream);
    const from = lsnFromSortable(start);
    if (timeline !== this.#timeline) await this.#goTo(timeline);
    const limit = this.#limits.get(timeline);
    const end = from + BigInt(bytes.length);
    const last = limit !== undefined && limit < end ? limit : end;
    if (from > this.#position && last > from) {
      throw new BtarError("INTERNAL", {
        message: `log was handed on from ${formatLsn(from)}, after ${formatLsn(this.#position)}`,
      });
    }
    while (this.#position < last) {
      const inSegment = Number(this.#position - walSegmentStart(this.#position, this.#segmentBytes));
      const offset = Number(this.#position - from);
      const length = Math.min(Number(last - this.#position), this.#segmentBytes - inSegment);
      const { handle } = (this.#open ??= await this.#openSegment());
      await writeAll(handle, bytes.subarray(offset, offset + length), inSegment);
      this.#position += BigInt(length);
      if (inSegment + length === this.#segmentBytes) await this.#publish();
    }
  }

  async finish(): Promise<void> {
    if (this.#open) await this.#publish();
    await writeFileDurably(path.join(this.#directory, completeName), "", { mode: 0o644 });
    this.#begun.resolve();
  }

  /** Lets go of what is open; whatever was not handed on is dropped. */
  async close(): Promise<void> {
    await this.#open?.handle.close();
    this.#open = undefined;
  }

  /**
   * A server that is promoted copies the segment it is in to its new timeline, and recovery reads that copy: so the
   * new timeline's first segment begins with what the one before wrote to it.
   */
  async #goTo(timeline: number): Promise<void> {
    this.#timeline = timeline;
    if (!this.#open) return;
    const name = walSegmentName(timeline, this.#position, this.#segmentBytes);
    await rename(this.#partOf(this.#open.name), this.#partOf(name));
    this.#open = { name, handle: this.#open.handle };
  }

  async #openSegment(): Promise<{ readonly name: string; readonly handle: FileHandle }> {
    const name = walSegmentName(this.#timeline ?? 0, this.#position, this.#segmentBytes);
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
    const handle = await open(this.#partOf(name), flags, 0o600);
    await handle.truncate(this.#segmentBytes);
    return { name, handle };
  }

  async #publish(): Promise<void> {
    const segment = this.#open;
    if (!segment) return;
    this.#open = undefined;
    const { runAs } = this.#request;
    try {
      if (runAs) await segment.handle.chown(runAs.uid, runAs.gid);
    } finally {
      await segment.handle.close();
    }
    await rename(this.#partOf(segment.name), path.join(this.#directory, segment.name));
    await this.#waitForServer();
  }

  async #waitForServer(): Promise<void> {
    const { directory, facts, signal } = this.#request;
    for (;;) {
      const replayed = await readReplayed(directory.data, facts);
      if (replayed) await this.#removeBefore(replayed.oldestNeeded);
      const start = walSegmentStart(lsnFromSortable(facts.log.start), this.#segmentBytes);
      const reached = replayed?.position ?? start;
      if (this.#position < reached + BigInt(segmentsAhead * this.#segmentBytes)) return;
      await systemClock.sleep(pollMs, signal);
    }
  }

  /** The server keeps what it has taken for as long as it needs it; before its last restart point it needs nothing. */
  async #removeBefore(oldestNeeded: string): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (/^[0-9A-F]{24}$/.test(name) && name.slice(8) < oldestNeeded.slice(8)) {
        await unlinkIfThere(path.join(this.#directory, name));
      }
    }
  }

  #partOf(name: string): string {
    return path.join(this.#directory, `${name}.part`);
  }
}

export interface FeedRequest {
  readonly directory: ServerDirectory;
  readonly facts: BaseBackupFacts;
  readonly plan: RecoveryPlan;
  readonly runAs: RunAs | undefined;
  readonly signal: AbortSignal;
}

/** Removes what a feed has left. No server may be taking from it. */
export async function removeFeed(directory: ServerDirectory): Promise<void> {
  await removeTree(feedDirectory(directory));
}

function feedDirectory(directory: ServerDirectory): string {
  return path.join(directory.root, feedName);
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
