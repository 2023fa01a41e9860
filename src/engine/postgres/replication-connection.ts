import type net from "node:net";
import { BtarError } from "../../domain/errors.ts";
import { protectsBytes, StartUp } from "../client-socket.ts";
import type { ServerAddress } from "../engine.ts";
import { OneBufferSocket, SocketReader } from "../socket-reader.ts";
import {
  copyDataMessage,
  copyDoneMessage,
  parseDataRow,
  parseServerMessage,
  queryMessage,
  type Row,
} from "./backend-message.ts";
import { FrameReader } from "./frame-reader.ts";
import { cancelled, protocolViolation, refusal, type ServerMessage, sqlStateOf, unreachable } from "./server-error.ts";
import { endSession, openServerSocket } from "./server-socket.ts";
import { logIn } from "./session.ts";

/** What the server says, without what can come at any time (notices, changed parameters). */
export type ServerEvent =
  | { readonly kind: "row"; readonly row: Row }
  /** The end of a result or command: its tag, such as `SELECT` or `BASE_BACKUP`. */
  | { readonly kind: "complete"; readonly tag: string }
  /** A copy begins: to us, or both ways. */
  | { readonly kind: "copy-start" }
  /** A piece of the copy: its payload can be read until the next event is asked for. */
  | { readonly kind: "copy-data"; readonly payloadBytes: number }
  | { readonly kind: "copy-end" }
  /** Nothing more comes until the next command. */
  | { readonly kind: "ready" };

export interface ReplicationConnectionOptions {
  /** Ends the connection, whatever it is doing. */
  readonly signal: AbortSignal;
  readonly onNotice?: (notice: ServerMessage) => void;
  /** Longest wait for the next bytes; without it only the death of the server's host is noticed (TCP keepalive). */
  readonly silenceLimitMs?: number;
}

/** Rows of each result of a command, in order. */
export type Results = readonly (readonly Row[])[];

/** Head of ReadyForQuery, without its last byte, the transaction status. */
const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5]);

/**
 * A connection for replication commands (a physical walsender session).
 * pg logs in; from then on the bytes are ours, since pg's own CopyData pieces are views of a buffer that it overwrites.
 * @see https://www.postgresql.org/docs/current/protocol-replication.html
 */
export class ReplicationConnection implements AsyncDisposable {
  readonly address: ServerAddress;
  /** Whether the server asked for a password. */
  readonly usedPassword: boolean;
  readonly #socket: net.Socket;
  readonly #reader: SocketReader;
  readonly #frames: FrameReader;
  readonly #options: ReplicationConnectionOptions;
  readonly #onAbort: () => void;
  #failure: BtarError | undefined;

  private constructor(address: ServerAddress, loggedIn: LoggedIn, options: ReplicationConnectionOptions) {
    this.address = address;
    this.usedPassword = loggedIn.usedPassword;
    this.#socket = loggedIn.socket;
    this.#reader = loggedIn.reader;
    this.#options = options;
    this.#frames = new FrameReader((what) => protocolViolation(address, what));
    this.#onAbort = () => this.abandon(cancelled(address, options.signal.reason));
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED, SERVER_PROTOCOL, CANCELLED; within 15 s */
  static async open(address: ServerAddress, options: ReplicationConnectionOptions): Promise<ReplicationConnection> {
    return new ReplicationConnection(address, await openSession(address, options.signal), options);
  }

  /** Whether bytes cannot change on their way: TLS would notice, and within one machine they have none. */
  get protectsBytes(): boolean {
    return protectsBytes(this.#socket, this.address);
  }

  /** Sends a command; its answer is read with `next`. */
  send(command: string): void {
    this.write(queryMessage(command));
  }

  /** Sends bytes as they are. The messages sent during a copy are small: there is no waiting for the network. */
  write(message: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(message);
  }

  /**
   * Sends a command and reads all of its answer.
   * @throws {BtarError} SERVER_REFUSED with details.sqlState; the connection can be used on
   */
  async query(command: string): Promise<Results> {
    const results: Row[][] = [[]];
    await this.#answer(command, (event) => {
      if (event.kind === "row") results.at(-1)?.push(event.row);
      else if (event.kind === "complete") results.push([]);
      else throw protocolViolation(this.address, `${event.kind} in answer to ${command}`);
      return false;
    });
    return results;
  }

  /**
   * Sends a command and waits until the copy that it asks for begins.
   * @throws {BtarError} SERVER_REFUSED with details.sqlState; the connection can be used on
   */
  async startCopy(command: string): Promise<void> {
    let hasStarted = false;
    await this.#answer(command, (event) => {
      hasStarted = event.kind === "copy-start";
      return hasStarted;
    });
    if (!hasStarted) throw protocolViolation(this.address, `no copy in answer to ${command}`);
  }

  /**
   * Sends a command that takes a copy, the copy's pieces, and reads the answer.
   * @throws {BtarError} SERVER_REFUSED with details.sqlState; the connection can be used on when it was refused at once
   */
  async copyIn(command: string, pieces: Iterable<Uint8Array>): Promise<void> {
    await this.startCopy(command);
    for (const piece of pieces) {
      if (this.#socket.destroyed) break; // `next` says why
      if (!this.#socket.write(copyDataMessage(piece))) await this.#socketDrained();
    }
    this.write(copyDoneMessage);
    while ((await this.next()).kind !== "ready");
  }

  /** The only row of a command's only result. */
  async queryRow(command: string): Promise<Row> {
    const [row] = (await this.query(command))[0] ?? [];
    if (!row) throw protocolViolation(this.address, `no row in answer to ${command}`);
    return row;
  }

  /**
   * What the server says next.
   * @throws {BtarError} what the server refuses the running command with (SERVER_REFUSED, SERVER_DATA_CORRUPT, …),
   *   SERVER_UNREACHABLE, SERVER_PROTOCOL, CANCELLED
   */
  async next(): Promise<ServerEvent> {
    while (this.#frames.remainingBytes > 0) await this.fragment(); // what nobody wanted of the last payload
    for (;;) {
      const frame = this.#frames.next();
      if (!frame) await this.#receive();
      else if (frame.type === "d") return { kind: "copy-data", payloadBytes: frame.payloadBytes };
      else {
        const event = this.#eventOf(frame.type, await this.payload(frame.payloadBytes));
        if (event) return event;
      }
    }
  }

  /** Next part of a copy-data payload, only valid until the next call; undefined at its end. */
  async fragment(): Promise<Buffer | undefined> {
    if (this.#frames.remainingBytes === 0) return undefined;
    const buffered = this.#frames.fragment();
    if (buffered) return buffered;
    await this.#receive();
    return this.#frames.fragment();
  }

  /** The next byte of a copy-data payload. */
  async payloadByte(): Promise<number> {
    for (;;) {
      const byte = this.#frames.fragment(1)?.[0];
      if (byte !== undefined) return byte;
      if (this.#frames.remainingBytes === 0) throw protocolViolation(this.address, "an empty message in a copy");
      await this.#receive();
    }
  }

  /** The next `maxBytes` of a copy-data payload, or what is left of it, joined; the caller owns all of its memory. */
  async payload(maxBytes: number): Promise<Buffer> {
    const payload = Buffer.allocUnsafeSlow(Math.min(maxBytes, this.#frames.remainingBytes));
    for (let filled = 0; filled < payload.length; ) {
      const fragment = this.#frames.fragment(payload.length - filled);
      if (fragment) filled += fragment.copy(payload, filled);
      else await this.#receive();
    }
    return payload;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    await endSession(this.#socket);
  }

  /** Ends the connection; whoever reads gets `reason`. */
  abandon(reason: BtarError): void {
    this.#failure ??= reason;
    this.#socket.destroy();
  }

  /** Reads the answer to a command until `take` returns true or all of it has come. */
  async #answer(command: string, take: (event: ServerEvent) => boolean): Promise<void> {
    this.send(command);
    let refused: BtarError | undefined;
    for (;;) {
      try {
        const event = await this.next();
        if (event.kind === "ready") break;
        if (!refused && take(event)) return;
      } catch (error) {
        if (refused) throw refused; // it was fatal: the connection ended after it
        if (!(error instanceof BtarError) || sqlStateOf(error) === undefined) throw error;
        refused = error;
      }
    }
    if (refused) throw refused;
  }

  #eventOf(type: string, payload: Buffer): ServerEvent | undefined {
    switch (type) {
      case "D": {
        const row = parseDataRow(payload);
        if (!row) throw protocolViolation(this.address, "a malformed row");
        return { kind: "row", row };
      }
      case "C":
        return { kind: "complete", tag: payload.toString("utf8", 0, Math.max(0, payload.length - 1)) };
      case "G": // CopyIn, CopyOut, CopyBoth
      case "H":
      case "W":
        return { kind: "copy-start" };
      case "c":
        return { kind: "copy-end" };
      case "Z":
        return { kind: "ready" };
      case "E":
        throw refusal(this.address, parseServerMessage(payload));
      case "N":
        this.#options.onNotice?.(parseServerMessage(payload));
        return undefined;
      case "T": // RowDescription: the columns of replication commands are known
      case "S": // ParameterStatus
      case "A": // NotificationResponse
        return undefined;
      default:
        throw protocolViolation(this.address, `an unexpected message of type ${type}`);
    }
  }

  /** Waits until what was written has left, or the connection has ended. */
  async #socketDrained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const events = ["drain", "close"];
    for (const event of events) this.#socket.once(event, resolve);
    await promise;
    for (const event of events) this.#socket.removeListener(event, resolve);
  }

  async #receive(): Promise<void> {
    const limit = this.#options.silenceLimitMs;
    const giveUp = () => this.abandon(unreachable(this.address, `nothing came for ${(limit ?? 0) / 1000} s`));
    const timer = limit === undefined ? undefined : setTimeout(giveUp, limit);
    try {
      this.#frames.feed(await this.#reader.read());
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw this.#failure ?? unreachable(this.address, reason, cause);
    } finally {
      clearTimeout(timer);
    }
  }
}

interface LoggedIn {
  readonly socket: net.Socket;
  readonly reader: SocketReader;
  readonly usedPassword: boolean;
}

async function openSession(address: ServerAddress, signal: AbortSignal): Promise<LoggedIn> {
  const startUp = new StartUp("PostgreSQL", address, signal);
  const socket = await openServerSocket(startUp, new OneBufferSocket());
  let tail: Buffer = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    tail = Buffer.concat([tail, bytes]).subarray(-(readyForQuery.length + 1));
  });
  let reader: SocketReader | undefined;
  const onReady = () => {
    // What comes after it in the same read would go to pg, and we would start in the middle of a message.
    if (tail.subarray(0, -1).equals(readyForQuery)) reader = new SocketReader(socket);
  };
  const { usedPassword } = await logIn(socket, address, startUp, { isReplication: true, onReady });
  if (reader) return { socket, reader, usedPassword };
  socket.destroy();
  throw protocolViolation(address, "a message after the end of the start-up");
}
