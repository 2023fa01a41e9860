import { BtarError } from "../../domain/errors.ts";
import {
  formatLsn,
  type Lsn,
  lsnFromSortable,
  lsnToSortable,
  type TimelineId,
  walSegmentStart,
} from "../../domain/lsn.ts";
import type { LogEvent, LogStream, LogStreamOptions, ServerAddress } from "../engine.ts";
import { copyDoneMessage, type Row } from "./backend-message.ts";
import { chooseLogStart, type LogStart, logRemoved, startOfTimeline } from "./log-start.ts";
import { ReplicationConnection } from "./replication-connection.ts";
import { ensureReservation, whenSlotIsFree } from "./reservation.ts";
import { describeServer, type WalPosition, walPosition } from "./server-description.ts";
import { formatAddress, protocolViolation, sqlStateOf, unreachable } from "./server-error.ts";
import { formatStreamName } from "./stream-name.ts";
import { parseTimelineHistory } from "./timeline-history.ts";
import {
  type Keepalive,
  keepaliveBytes,
  parseKeepalive,
  parseWalHead,
  standbyStatusMessage,
  walHeadBytes,
} from "./wal-message.ts";
import { WalScanner } from "./wal-scanner.ts";

/** The server is told how far we are, and asked for a sign of life, this often. */
const statusIntervalMs = 1_000;
/** It answers at once; when nothing comes for this long it is gone. */
const silenceLimitMs = 30_000;
/** When nobody has taken an event for this long, the server hears no more of us, so that it may shut down. */
const idleConsumerLimitMs = 30_000;
/** How long a server that shuts down may wait for what it sent to be stored. */
const shutDownGraceMs = 10_000;

/** The server sends up to 128 KiB of WAL at a time. */
const maxWalMessageBytes = 16 * 1024 * 1024;
/** A commit record that ends behind the start has begun at most this much before it. */
const scanAheadBytes = 1024n * 1024n;
const walPageBytes = 8192n;

/**
 * Streams a server's WAL through its replication slot.
 *
 * Streams are named by system identifier and timeline. A first start begins at the beginning of the segment of the
 * oldest WAL that the slot keeps. When the server is promoted, the events of the old stream end at the switch, and a
 * `stream` event begins the new one with its timeline's history; it starts at the beginning of the segment that holds
 * the switch (see `startOfTimeline`), so before the end of the old one.
 *
 * A server that shuts down waits until what it sent is acknowledged; after 10 s it is left alone.
 * @throws {BtarError} here or from the iteration: LOG_GAP (details.reason `removed`, `server-behind`,
 *   `other-branch`), SYSTEM_IDENTIFIER_CHANGED, SERVER_UNREACHABLE, SERVER_REFUSED, SERVER_PROTOCOL, CANCELLED
 */
export async function streamLog(address: ServerAddress, options: LogStreamOptions): Promise<LogStream> {
  const { signal, reservation } = options;
  const connection = await ReplicationConnection.open(address, { signal, silenceLimitMs });
  try {
    const server = await describeServer(connection);
    const kept = await ensureReservation(address, { reservation, signal });
    const position = await walPosition(connection);
    const historyFile = await readHistory(connection, position.timeline);
    const history = parseTimelineHistory(position.timeline, historyFile?.toString("utf8") ?? "");
    const { walSegmentBytes } = server;
    const start = chooseLogStart(options.from, { position, history, reservation: kept, segmentBytes: walSegmentBytes });
    const { restartLsn } = kept;
    const stream = new WalLogStream({ connection, reservation, position, start, restartLsn, walSegmentBytes });
    await whenSlotIsFree(signal, async () => await stream.begin());
    return stream;
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
}

interface StreamSetup {
  readonly connection: ReplicationConnection;
  readonly reservation: string;
  readonly position: WalPosition;
  readonly walSegmentBytes: number;
  readonly start: LogStart;
  /** Oldest WAL that the slot keeps. */
  readonly restartLsn: Lsn;
}

class WalLogStream implements LogStream {
  readonly #setup: StreamSetup;
  readonly #connection: ReplicationConnection;
  readonly #events: AsyncGenerator<LogEvent, void, undefined>;
  #statusTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  #timeline: TimelineId;
  #history: Buffer | undefined;
  /** First byte of the stream that is given out; what comes before it is only scanned. */
  #start: Lsn;
  /** Position of the next byte to come. */
  #received: Lsn = 0n;
  /** All before it is stored. */
  #stored: Lsn;
  #scanner: WalScanner;
  #newestCommitMicros: bigint | undefined;

  /** How far the server was when it sent the last WAL. */
  #serverEnd: Lsn = 0n;
  /** The last thing that came, when it was a keepalive. */
  #lastKeepalive: Keepalive | undefined;
  #awaitsKeepalive = false;
  /** Since when, and when last, the server has said that it waits for an acknowledgement, to shut down. */
  #waitsSince: number | undefined;
  #waitedLast = 0;
  /** Since when the last event is with its receiver; undefined while the next one is waited for. */
  #handedOutAt: number | undefined = Date.now();

  constructor(setup: StreamSetup) {
    this.#setup = setup;
    this.#connection = setup.connection;
    this.#timeline = setup.start.timeline;
    this.#start = setup.start.start;
    this.#stored = setup.start.stored;
    this.#scanner = this.#newScanner(this.#start);
    this.#events = this.#run();
  }

  [Symbol.asyncIterator](): AsyncIterator<LogEvent> {
    return this.#events;
  }

  acknowledge(position: string): void {
    const stored = lsnFromSortable(position);
    if (stored <= this.#stored) return;
    this.#stored = stored;
    this.#waitsSince = undefined;
    this.#sendStatus({ wantsReply: false });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#statusTimer);
    await this.#connection[Symbol.asyncDispose]();
  }

  /**
   * Starts the streaming of the current timeline.
   * @throws {BtarError} SERVER_REFUSED, after which it can be tried again
   */
  async begin(): Promise<void> {
    this.#history = await readHistory(this.#connection, this.#timeline);
    const segmentStart = walSegmentStart(this.#start, this.#setup.walSegmentBytes);
    const scanStart = this.#start - (this.#start % walPageBytes) - scanAheadBytes;
    this.#received = scanStart > segmentStart ? scanStart : segmentStart;
    this.#scanner = this.#newScanner(this.#received);
    this.#serverEnd = 0n;
    this.#lastKeepalive = undefined;
    const slot = `SLOT "${this.#setup.reservation}"`;
    await this.#connection.startCopy(
      `START_REPLICATION ${slot} PHYSICAL ${formatLsn(this.#received)} TIMELINE ${this.#timeline}`,
    );
    this.#awaitsKeepalive = false;
    this.#statusTimer ??= setInterval(() => this.#keepInTouch(), statusIntervalMs);
    this.#keepInTouch();
  }

  async *#run(): AsyncGenerator<LogEvent, void, undefined> {
    try {
      for await (const event of this.#timelines()) {
        this.#handedOutAt = Date.now();
        yield event;
        this.#handedOutAt = undefined;
      }
    } catch (error) {
      if (this.#isClosed) return;
      const isRemoved = sqlStateOf(error) === "58P01";
      throw isRemoved ? logRemoved(this.#streamName(), this.#position(), this.#setup.restartLsn) : error;
    } finally {
      await this.close();
    }
  }

  async *#timelines(): AsyncGenerator<LogEvent, void, undefined> {
    for (;;) {
      const start = lsnToSortable(this.#start);
      yield { kind: "stream", stream: this.#streamName(), start, ...(this.#history && { history: this.#history }) };
      yield* this.#timelineEvents();
      const { timeline, end } = await this.#nextTimeline();
      this.#timeline = timeline;
      this.#start = startOfTimeline(end, this.#setup.walSegmentBytes);
      await this.begin();
    }
  }

  async *#timelineEvents(): AsyncGenerator<LogEvent, void, undefined> {
    for (;;) {
      const event = await this.#connection.next();
      if (event.kind === "copy-end") return;
      if (event.kind === "complete") throw unreachable(this.#connection.address, "it shuts down");
      if (event.kind !== "copy-data") throw this.#unexpected(`${event.kind} in WAL`);
      const head = await this.#connection.payload(Math.min(event.payloadBytes, keepaliveBytes));
      const type = head.toString("latin1", 0, 1);
      if (type === "k" && event.payloadBytes === keepaliveBytes) yield* this.#keepalive(parseKeepalive(head));
      else if (type === "w" && event.payloadBytes >= walHeadBytes && event.payloadBytes <= maxWalMessageBytes) {
        const rest = await this.#connection.payload(walHeadBytes - keepaliveBytes);
        yield* this.#wal(Buffer.concat([head, rest]), event.payloadBytes - walHeadBytes);
      } else throw this.#unexpected(`a message of type "${type}" and ${event.payloadBytes} bytes in WAL`);
    }
  }

  async *#wal(headBytes: Buffer, length: number): AsyncGenerator<LogEvent, void, undefined> {
    const head = parseWalHead(headBytes);
    if (head.start !== this.#received) {
      throw this.#unexpected(`WAL from ${formatLsn(head.start)} instead of ${formatLsn(this.#received)}`);
    }
    this.#serverEnd = head.serverEnd;
    this.#lastKeepalive = undefined;
    this.#waitsSince = undefined;
    for (let left = length; left > 0; ) {
      const received = await this.#connection.fragment();
      if (!received) throw this.#unexpected("a message of WAL that ends too soon");
      left -= received.length;
      const event = this.#scan(received);
      if (event) yield event;
    }
  }

  /** @returns what is given out of bytes that follow on the last ones */
  #scan(received: Buffer): LogEvent | undefined {
    const ahead = this.#start - this.#received;
    const scannedOnly = ahead > 0n ? Math.min(received.length, Number(ahead)) : 0;
    this.#scanner.feed(received.subarray(0, scannedOnly));
    this.#newestCommitMicros = undefined;
    const bytes = received.subarray(scannedOnly);
    this.#scanner.feed(bytes);
    this.#received += BigInt(received.length);
    if (bytes.length === 0) return undefined;
    const start = lsnToSortable(this.#received - BigInt(bytes.length));
    const newestCommitMicros = this.#newestCommitMicros;
    return { kind: "bytes", start, end: lsnToSortable(this.#received), bytes, newestCommitMicros };
  }

  /**
   * A keepalive says what was sent before its time. Only when a second one follows with nothing in between had the
   * server nothing more to send at the time of the first.
   */
  *#keepalive(keepalive: Keepalive): Generator<LogEvent, void, undefined> {
    this.#awaitsKeepalive = false;
    if (keepalive.wantsReply) {
      this.#waitedLast = Date.now();
      this.#waitsSince ??= this.#waitedLast;
      if (this.#stored < this.#received) yield { kind: "flush-wanted" };
    }
    const isAllReceived = keepalive.sentEnd === this.#received && this.#serverEnd <= this.#received;
    const earlier = this.#lastKeepalive;
    this.#lastKeepalive = isAllReceived ? keepalive : undefined;
    if (!isAllReceived || !earlier || this.#received < this.#start) return;
    const at = new Date(Number(earlier.sentAtMicros / 1000n));
    yield { kind: "caught-up", position: lsnToSortable(this.#received), at };
  }

  /** The server's history went on with another timeline. Keepalives that we asked for may still come. */
  async #nextTimeline(): Promise<{ readonly timeline: TimelineId; readonly end: Lsn }> {
    this.#connection.write(copyDoneMessage);
    let next: Row | undefined;
    for (let event = await this.#connection.next(); event.kind !== "ready"; event = await this.#connection.next()) {
      if (event.kind === "row") next ??= event.row;
    }
    const timeline = Number(next?.[0]);
    if (!(timeline > this.#timeline)) throw this.#unexpected(`timeline ${next?.[0]} after ${this.#timeline}`);
    return { timeline, end: this.#received };
  }

  #keepInTouch(): void {
    const now = Date.now();
    if (this.#handedOutAt !== undefined && now - this.#handedOutAt > idleConsumerLimitMs) return;
    // The server asks for an answer once when we were silent for long, but again and again when it shuts down.
    if (now - this.#waitedLast > 3 * statusIntervalMs) this.#waitsSince = undefined;
    const waitsMs = this.#waitsSince === undefined ? 0 : now - this.#waitsSince;
    if (waitsMs > shutDownGraceMs && this.#stored < this.#received) return this.#connection.abandon(this.#leftAlone());
    this.#sendStatus({ wantsReply: !this.#awaitsKeepalive });
    this.#awaitsKeepalive = true;
  }

  #leftAlone(): BtarError {
    return new BtarError("SERVER_UNREACHABLE", {
      message:
        `PostgreSQL at ${formatAddress(this.#connection.address)} shuts down, and its log up to ` +
        `${formatLsn(this.#received)} was not stored in time; the server keeps it`,
      hint: "storing goes on when the server is back",
    });
  }

  #sendStatus(options: { readonly wantsReply: boolean }): void {
    this.#connection.write(standbyStatusMessage({ written: this.#received, flushed: this.#stored, ...options }));
  }

  #newScanner(start: Lsn): WalScanner {
    return new WalScanner({
      start,
      segmentBytes: this.#setup.walSegmentBytes,
      damageCode: "SERVER_PROTOCOL",
      onTransactionEnd: ({ kind, atMicros }) => {
        if (kind === "abort" || (this.#newestCommitMicros ?? 0n) > atMicros) return;
        this.#newestCommitMicros = atMicros;
      },
    });
  }

  /** Position of the next byte to give out. */
  #position(): Lsn {
    return this.#received > this.#start ? this.#received : this.#start;
  }

  #streamName(): string {
    return formatStreamName({ systemId: this.#setup.position.systemId, timeline: this.#timeline });
  }

  #unexpected(what: string): BtarError {
    return protocolViolation(this.#connection.address, what);
  }
}

/** The history file of a timeline; the first one has none. */
export async function readHistory(
  connection: ReplicationConnection,
  timeline: TimelineId,
): Promise<Buffer | undefined> {
  if (timeline === 1) return undefined;
  const [, content] = await connection.queryRow(`TIMELINE_HISTORY ${timeline}`);
  if (content === undefined) throw protocolViolation(connection.address, `no history of timeline ${timeline}`);
  return Buffer.from(content, "utf8");
}
