import { setTimeout as delay } from "node:timers/promises";
import { BtarError } from "../../../domain/errors.ts";
import type { MysqlConnection } from "../connection.ts";
import { protocolViolation } from "../server-error.ts";
import { packPosition } from "./binlog-position.ts";
import { endOfServerLog } from "./server-logs.ts";
import type { StoredLogPurge } from "./stored-log-purge.ts";

const everyMs = 1_000;

/** All that was committed by `at`, the server's clock, lies before `position`. */
export interface LogMark {
  readonly position: string;
  readonly at: Date;
  /** When it was set, by our own monotonic clock. */
  readonly setAtMs: number;
}

/**
 * Asks the server once a second for the time, and then for the end of its log. A commit gets its time while the server
 * holds the lock that whoever asks for the end waits for, so what has an earlier time lies before that end. There is
 * one mark at a time: the next one is set when it was taken.
 */
export class LogClock {
  readonly #session: MysqlConnection;
  readonly #versionNumber: number;
  readonly #received: () => string;
  readonly #purge: StoredLogPurge | undefined;
  readonly #ended = new AbortController();
  #mark: LogMark | undefined;
  #failure: { readonly error: unknown; readonly atMs: number } | undefined;

  /**
   * @param options.received position up to which the log has come
   * @param options.purge removes from the server what is stored; undefined: nothing is removed
   */
  constructor(
    session: MysqlConnection,
    options: {
      readonly versionNumber: number;
      readonly received: () => string;
      readonly purge: StoredLogPurge | undefined;
    },
  ) {
    this.#session = session;
    this.#versionNumber = options.versionNumber;
    this.#received = options.received;
    this.#purge = options.purge;
  }

  start(): void {
    void this.#run();
  }

  /** The oldest mark that was not taken. */
  get mark(): LogMark | undefined {
    return this.#mark;
  }

  /** What has ended it, and when, by our own monotonic clock. */
  get failure(): { readonly error: unknown; readonly atMs: number } | undefined {
    return this.#failure;
  }

  takeMark(): void {
    this.#mark = undefined;
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await this.#session[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    try {
      for (;;) {
        await this.#look();
        await delay(everyMs, undefined, { signal });
      }
    } catch (error) {
      this.#failure = { error, atMs: performance.now() };
    }
  }

  async #look(): Promise<void> {
    const { now, keep } = await this.#session.queryRow(
      "SELECT UNIX_TIMESTAMP(NOW(6)) AS now, @@GLOBAL.binlog_expire_logs_seconds AS keep",
    );
    const seconds = Number(now);
    if (!(seconds > 0)) throw protocolViolation(this.#session.address, `"${now}" as its time`);
    await this.#purge?.run(this.#session, { nowSeconds: seconds, keepSeconds: Number(keep) });
    if (this.#mark) return;
    const before = this.#received();
    const end = packPosition(await endOfServerLog(this.#session, { versionNumber: this.#versionNumber }));
    if (end < before) throw wentBack(before, end);
    this.#mark = { position: end, at: new Date(Math.floor(seconds * 1000)), setAtMs: performance.now() };
  }
}

/** When the log is looked at again from the beginning, it turns out what has happened. */
function wentBack(before: string, end: string): BtarError {
  return new BtarError("SERVER_UNREACHABLE", {
    message: `the server's binary log went back from ${before} to ${end}: it was reset`,
    hint: "the log is begun anew by itself, with a new base backup",
  });
}
