import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir } from "node:fs/promises";
import path from "node:path";
import Type, { type Static } from "typebox";
import { Check } from "typebox/value";
import { BtarError } from "../../../domain/errors.ts";
import { formatGtid } from "../../../domain/gtid.ts";
import { GtidSet } from "../../../domain/gtid-set.ts";
import { readTextIfThere, syncDirectory, unlinkIfThere, writeFileDurably } from "../../../platform/files.ts";
import type { BaseBackupFacts, RecoveryPlan } from "../../engine.ts";
import type { LogRestorer } from "../../server.ts";
import { binlogFileName, packPosition, unpackPosition } from "../binlog/binlog-position.ts";
import { eventType } from "../binlog/event-header.ts";
import { type BinlogTransaction, EventScanner } from "../binlog/event-scanner.ts";
import { type ChangedEvent, EventStatements, StatementReader } from "./event-statements.ts";
import { firstLogPosition } from "./plan-recovery.ts";

/** What relay logs of a restore are called, so that they are nobody else's. */
export const relayLogName = "btar-relay";
export const relayIndexName = `${relayLogName}.index`;

const readBytes = 1024 * 1024;
const fileMode = 0o640;

/** What relay logs hold. */
export interface RelayedLog {
  /** Names of the files, in order; none when there is nothing to replay. */
  readonly files: readonly string[];
  readonly gtids: GtidSet;
  readonly transactionCount: number;
  readonly bytes: number;
  /** Where the last transaction ends in the source's binary logs. */
  readonly end: string;
  /** When the last transaction was committed; undefined when there is none. */
  readonly lastCommitMicros: bigint | undefined;
  /** Which it is; undefined when there is none, or it is anonymous. */
  readonly lastGtid: string | undefined;
  /** Scheduled events that it makes or changes. */
  readonly events: readonly ChangedEvent[];
  /** Whether it may put tables into directories of the source's (`DATA DIRECTORY`). */
  readonly namesDirectories: boolean;
}

/** Kept beside the files, for whoever replays them later. */
const summaryName = `${relayLogName}.json`;

const eventName = { schema: Type.String(), name: Type.String() };

const summarySchema = Type.Object({
  files: Type.Array(Type.String({ pattern: `^${relayLogName}\\.\\d+$` })),
  gtids: Type.String(),
  transactionCount: Type.Integer(),
  bytes: Type.Integer(),
  end: Type.String(),
  lastCommitMicros: Type.Union([Type.String({ pattern: "^\\d+$" }), Type.Null()]),
  lastGtid: Type.Union([Type.String(), Type.Null()]),
  events: Type.Array(
    Type.Object({
      ...eventName,
      status: Type.Optional(Type.Enum(["ENABLED", "DISABLED", "REPLICA_SIDE_DISABLED"])),
      was: Type.Optional(Type.Object(eventName)),
    }),
  ),
  namesDirectories: Type.Boolean(),
});

/** What is in a directory of relay logs. @throws {BtarError} WRONG_STATE when it was not finished */
export async function readRelayedLog(directory: string): Promise<RelayedLog> {
  const text = await readTextIfThere(path.join(directory, summaryName));
  const summary: unknown = text === undefined ? undefined : JSON.parse(text);
  if (!Check(summarySchema, summary)) {
    throw new BtarError("WRONG_STATE", {
      message: `${directory} holds no log that is ready to be replayed`,
      hint: "restore the base backup again",
    });
  }
  const { gtids, lastCommitMicros, lastGtid } = summary;
  return {
    ...summary,
    gtids: GtidSet.parse(gtids),
    lastCommitMicros: lastCommitMicros === null ? undefined : BigInt(lastCommitMicros),
    lastGtid: lastGtid ?? undefined,
  };
}

/**
 * Writes log as relay logs, from which a replica applies transactions by itself, with several workers. They are the
 * source's binary logs, byte for byte, up to the last transaction that is whole and wanted: a replica takes the end of
 * the last file for the end of everything.
 * @see https://dev.mysql.com/doc/refman/9.7/en/replica-logs-relaylog.html
 */
export class RelayLogRestorer implements LogRestorer {
  readonly #directory: string;
  readonly #stream: string;
  readonly #first: string;
  readonly #stopBefore: string | undefined;
  /** Bytes that are there without a gap from the beginning, by number of the file. */
  readonly #lengths = new Map<number, number>();
  #emptied: Promise<void> | undefined;

  /** @param directory that the files go to */
  constructor(directory: string, facts: Pick<BaseBackupFacts, "log">, plan: RecoveryPlan) {
    this.#directory = directory;
    this.#stream = facts.log.stream;
    this.#first = firstLogPosition(facts);
    this.#stopBefore = plan.stopBefore?.position;
  }

  async history(): Promise<void> {
    // How the source called its files is of no account here.
  }

  /** @param start positions follow one another, and may overlap */
  async write(stream: string, start: string, bytes: Uint8Array): Promise<void> {
    if (stream !== this.#stream) return;
    await this.#empty();
    const { file, offset } = unpackPosition(start);
    const end = packPosition({ file, offset: offset + bytes.length });
    if (end <= this.#first) return;
    const wanted = bytes.subarray(0, this.#wantedBytes(file, offset, bytes.length));
    if (wanted.length === 0) return;
    const length = this.#lengths.get(file) ?? 0;
    if (offset > length) throw gapBefore(file, length, offset);
    const fresh = wanted.subarray(length - offset);
    if (fresh.length === 0) return;
    await this.#withFile(file, constants.O_WRONLY | constants.O_CREAT, (handle) => writeAll(handle, fresh, length));
    this.#lengths.set(file, length + fresh.length);
  }

  async finish(): Promise<void> {
    await this.#empty();
    const numbers = [...this.#lengths.keys()].sort((a, b) => a - b);
    const content = new LogContent();
    let bytes = 0;
    let end = this.#first;
    for (const [index, file] of numbers.entries()) {
      const isLast = index === numbers.length - 1;
      const scanner = content.scannerOf(file);
      await this.#withFile(file, constants.O_RDWR, async (handle) => {
        await feedAll(handle, scanner);
        // A server that was killed leaves a file that ends anywhere; a replica would wait for the rest for ever.
        await handle.truncate(scanner.settledOffset);
        await handle.sync();
      });
      bytes += scanner.settledOffset;
      end = packPosition({ file, offset: scanner.settledOffset });
      if (!isLast && numbers[index + 1] !== file + 1) throw gapBefore(file + 1, 0, 0);
    }
    const files = numbers.map((_, index) => relayFile(index + 1));
    const index = files.map((name) => `./${name}\n`).join("");
    await writeFileDurably(path.join(this.#directory, relayIndexName), index, { mode: fileMode });
    const summary: Static<typeof summarySchema> = { files, bytes, end, ...content.summary() };
    await writeFileDurably(path.join(this.#directory, summaryName), `${JSON.stringify(summary)}\n`, { mode: fileMode });
    await syncDirectory(this.#directory);
  }

  #wantedBytes(file: number, offset: number, length: number): number {
    if (this.#stopBefore === undefined) return length;
    const stop = unpackPosition(this.#stopBefore);
    if (file !== stop.file) return file < stop.file ? length : 0;
    return Math.max(0, Math.min(length, stop.offset - offset));
  }

  /** What an earlier attempt left, for another target perhaps, must not be replayed. */
  #empty(): Promise<void> {
    this.#emptied ??= (async () => {
      await mkdir(this.#directory, { recursive: true, mode: 0o750 });
      for (const name of await readdir(this.#directory)) {
        if (name.startsWith(`${relayLogName}.`)) await unlinkIfThere(path.join(this.#directory, name));
      }
    })();
    return this.#emptied;
  }

  async #withFile(file: number, flags: number, act: (handle: FileHandle) => Promise<void>): Promise<void> {
    const name = relayFile(file - unpackPosition(this.#first).file + 1);
    const handle = await open(path.join(this.#directory, name), flags, fileMode);
    try {
      await act(handle);
    } finally {
      await handle.close();
    }
  }
}

/** Gathers what the files of a log hold. */
class LogContent {
  readonly #gtids = new GtidSet();
  readonly #events = new EventStatements();
  #namesDirectories = false;
  #transactionCount = 0;
  #last: BinlogTransaction | undefined;

  scannerOf(file: number): EventScanner {
    return new EventScanner({
      file,
      start: 0,
      verifiesChecksums: true,
      damageCode: "OBJECT_DAMAGED",
      onTransaction: (transaction) => {
        if (transaction.gtid) this.#gtids.add(transaction.gtid);
        this.#last = transaction;
        this.#transactionCount += 1;
      },
      bodies: ({ type }) => (type === eventType.query ? this.#statementReader() : undefined),
    });
  }

  summary(): Omit<Static<typeof summarySchema>, "files" | "bytes" | "end"> {
    return {
      gtids: this.#gtids.format(),
      transactionCount: this.#transactionCount,
      lastCommitMicros: this.#last ? String(this.#last.commitMicros) : null,
      lastGtid: this.#last?.gtid ? formatGtid(this.#last.gtid) : null,
      events: this.#events.changed().map((event) => ({ ...event })),
      namesDirectories: this.#namesDirectories,
    };
  }

  #statementReader(): StatementReader {
    return new StatementReader((schema, text) => {
      this.#events.add(schema, text);
      this.#namesDirectories ||= /\bdirectory\b/i.test(text);
    });
  }
}

/** @param number from 1 on */
function relayFile(number: number): string {
  return binlogFileName(relayLogName, number);
}

async function feedAll(handle: FileHandle, scanner: EventScanner): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(readBytes);
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, scanner.offset);
    if (bytesRead === 0) return;
    scanner.feed(buffer.subarray(0, bytesRead));
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

function gapBefore(file: number, from: number, to: number): BtarError {
  return new BtarError("LOG_GAP", {
    message: `binary log number ${file} is missing from ${from} to ${to}`,
    hint: "use another base backup, or the same one of another location",
  });
}
