import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { packPosition, parseBinlogFileName, unpackPosition } from "../../src/engine/mysql/binlog/binlog-position.ts";
import { EventScanner } from "../../src/engine/mysql/binlog/event-scanner.ts";
import type { StoredLog } from "../../src/engine/engine.ts";
import type { LogRecorder } from "./log-recorder.ts";
import type { TestMysql } from "./mysql-server.ts";

/** Bytes of binary logs by number of the file, as far as they were recorded. */
export class RecordedBinlogs {
  readonly stream: string;
  readonly #files = new Map<number, Buffer>();
  #end = "";

  constructor(stream: string) {
    this.stream = stream;
  }

  /** Takes in what a recorder got; what is there already must be the same. */
  add(recorder: LogRecorder): this {
    const recorded = recorder.streams.at(-1);
    assert.equal(recorded?.stream, this.stream);
    for (const [index, bytes] of recorded?.pieces.entries() ?? []) {
      const { file, offset } = unpackPosition(recorded?.starts[index] ?? "");
      const there = this.#files.get(file) ?? Buffer.alloc(0);
      assert.ok(offset <= there.length, `file ${file} goes on at ${offset} after ${there.length}`);
      const again = there.subarray(offset, offset + bytes.length);
      assert.ok(again.equals(bytes.subarray(0, again.length)), `other bytes of file ${file} from ${offset} on`);
      this.#files.set(file, Buffer.concat([there, bytes.subarray(again.length)]));
    }
    if (recorder.end.position > this.#end) this.#end = recorder.end.position;
    return this;
  }

  /** Cut off at a position, as if the rest had not been stored. */
  storedUntil(position: string): StoredLog {
    const { file: last, offset: cut } = unpackPosition(position);
    const read = async (from: string) => {
      const { file, offset } = unpackPosition(from);
      const bytes = this.#files.get(file);
      if (!bytes || file > last) return undefined;
      return bytes.subarray(offset, file === last ? cut : bytes.length);
    };
    return { stream: this.stream, position, read };
  }

  stored(): StoredLog {
    return this.storedUntil(this.#end);
  }

  bytesOf(file: number): Buffer {
    return this.#files.get(file) ?? Buffer.alloc(0);
  }

  get files(): readonly number[] {
    return [...this.#files.keys()];
  }
}

/** The server's own files, as they are when they are closed: without the mark of the one in use. */
export async function serverBinlogs(server: TestMysql): Promise<ReadonlyMap<number, Buffer>> {
  const names = (await readdir(server.dataDirectory)).filter((name) => /^binlog\.\d+$/.test(name)).sort();
  const files = new Map<number, Buffer>();
  for (const name of names) {
    const bytes = await readFile(path.join(server.dataDirectory, name));
    bytes[21] = (bytes[21] ?? 0) & ~1;
    files.set(parseBinlogFileName(name).file, bytes);
  }
  return files;
}

/** Where the server's log ends. */
export async function endOfLog(server: TestMysql): Promise<string> {
  const [row] = await server.sql("SHOW BINARY LOG STATUS");
  return packPosition({ file: parseBinlogFileName(String(row?.["File"])).file, offset: Number(row?.["Position"]) });
}

/** Everything that the server has, from a file on, was recorded byte for byte. */
export async function assertSameFiles(recorded: RecordedBinlogs, server: TestMysql, fromFile = 0): Promise<void> {
  for (const [file, bytes] of await serverBinlogs(server)) {
    if (file < fromFile) continue;
    assert.equal(recorded.bytesOf(file).length, bytes.length, `length of file ${file}`);
    assert.equal(sha256(recorded.bytesOf(file)), sha256(bytes), `file ${file}`);
  }
}

/** The newest commit in a file behind an offset, microseconds since 1970. */
export function newestCommit(bytes: Buffer, behind: number): number {
  let newest = 0;
  const scanner = new EventScanner({
    ...{ file: 1, start: 0, verifiesChecksums: true, damageCode: "OBJECT_DAMAGED" },
    onTransaction: ({ end, commitMicros }) => {
      if (end > behind) newest = Math.max(newest, commitMicros);
    },
  });
  scanner.feed(bytes);
  return newest;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
