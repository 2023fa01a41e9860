import net from "node:net";
import mysql from "mysql2";
import { BtarError, isBtarError } from "../../domain/errors.ts";
import { connectSocket, endSocket, StartUp, secureSocket } from "../client-socket.ts";
import { isSocketFile } from "../connection-error.ts";
import type { ServerAddress } from "../engine.ts";
import { OneBufferSocket } from "../socket-reader.ts";
import { LogInStream } from "./log-in-stream.ts";
import { PacketChannel } from "./packet-channel.ts";
import { quitPacket } from "./packets.ts";
import {
  cancelled,
  errnoOf,
  formatAddress,
  protocolViolation,
  refusal,
  tooManyConnections,
  unreachable,
} from "./server-error.ts";

/** Our statements read a few rows of system tables. */
const queryLimitMs = 30_000;

/**
 * Independent of the server's settings: quotes mean what we think, times are UTC, and numbers are not rounded. The
 * limits are those of a slow reader: the server waits an hour for the network where it would else give up after one
 * minute, and eight hours for a command.
 */
const sessionSetUp = `SET SESSION sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00', net_write_timeout = 3600,
  net_read_timeout = 3600, wait_timeout = 28800`;

/**
 * What the library would ask for by itself, and we do not want: files of ours for the server, more in success packets,
 * and more before the text of a statement.
 */
const clientFlags = ["-LOCAL_FILES", "-SESSION_TRACK", "-CLIENT_QUERY_ATTRIBUTES", "-ODBC", "-IGNORE_SPACE"];

export type Row = Readonly<Record<string, string | null>>;

export interface MysqlConnectionOptions {
  /** Ends the connection, whatever it is doing. */
  readonly signal: AbortSignal;
  /** Longest time for a statement. Default: 30 s. */
  readonly queryLimitMs?: number;
}

/**
 * A connection for SQL. mysql2 logs in and speaks; it can be taken over for what mysql2 does not speak.
 *
 * With tls mode `disable`, a password crosses the network encrypted under an RSA key that the server sends, unless the
 * server has it in its cache: safe from those who listen, not from those who pretend to be the server.
 */
export class MysqlConnection implements AsyncDisposable {
  readonly address: ServerAddress;
  /** Such as `9.7.4`, and what the distribution adds. */
  readonly serverVersion: string;
  readonly #options: MysqlConnectionOptions;
  readonly #session: mysql.Connection;
  readonly #stream: LogInStream;
  readonly #onAbort: () => void;
  #runningQueries = 0;

  private constructor(address: ServerAddress, loggedIn: LoggedIn, options: MysqlConnectionOptions) {
    this.address = address;
    this.serverVersion = loggedIn.serverVersion;
    this.#session = loggedIn.session;
    this.#stream = loggedIn.stream;
    this.#options = options;
    this.#onAbort = () => this.#stream.destroy();
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal.aborted) this.#onAbort();
  }

  /**
   * A server that is full is asked again where it takes us even so.
   * @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED, SERVER_PROTOCOL, CANCELLED; within 15 s
   */
  static async open(address: ServerAddress, options: MysqlConnectionOptions): Promise<MysqlConnection> {
    try {
      return await MysqlConnection.#openAt(address, options);
    } catch (error) {
      const { whenFull, ...usual } = address;
      if (!whenFull || errnoOf(error) !== tooManyConnections) throw error;
      return await MysqlConnection.#openAt({ ...usual, ...whenFull }, options).catch((cause: unknown) => {
        // A server that was made without an account for it.
        throw isBtarError(cause, "SERVER_REFUSED") ? error : cause;
      });
    }
  }

  static async #openAt(address: ServerAddress, options: MysqlConnectionOptions): Promise<MysqlConnection> {
    const startUp = new StartUp("MySQL", address, options.signal);
    // TLS reads the socket below it in a way of its own.
    const socket = address.tls.mode === "disable" ? new OneBufferSocket() : new net.Socket();
    try {
      await connectSocket(socket, startUp);
      return new MysqlConnection(address, await logIn(socket, startUp), options);
    } catch (cause) {
      socket.destroy();
      throw startUp.failure(cause);
    }
  }

  /**
   * Runs one statement.
   * @param values for each `?` in it, in order; written as literals
   * @returns rows as the server writes them: text or null by column name
   * @throws {BtarError} SERVER_REFUSED (with details.errno), SERVER_DATA_CORRUPT, SERVER_UNREACHABLE, CANCELLED
   */
  async query(sql: string, values: readonly (string | number | bigint)[] = []): Promise<readonly Row[]> {
    const limitMs = this.#options.queryLimitMs ?? queryLimitMs;
    let isTooSlow = false;
    const timer = setTimeout(() => {
      isTooSlow = true;
      this.#stream.destroy();
    }, limitMs);
    this.#runningQueries += 1;
    try {
      return await runQuery(this.#session, sql, values);
    } catch (cause) {
      if (this.#options.signal.aborted) throw cancelled(this.address, this.#options.signal.reason);
      if (isTooSlow) throw unreachable(this.address, `no answer to a statement within ${limitMs / 1000} s`, cause);
      throw errorOf(this.address, cause);
    } finally {
      this.#runningQueries -= 1;
      clearTimeout(timer);
    }
  }

  /** The only row of a result. */
  async queryRow(sql: string, values: readonly (string | number | bigint)[] = []): Promise<Row> {
    const [row] = await this.query(sql, values);
    if (!row) throw protocolViolation(this.address, `no row in answer to ${sql}`);
    return row;
  }

  /**
   * Hands the connection over: from now on, its packets are read and written by the channel alone, and ending it is up
   * to whoever has the channel. The session keeps its variables.
   * @throws {BtarError} SERVER_UNREACHABLE, SERVER_PROTOCOL
   */
  takeOver(options: { readonly signal?: AbortSignal; readonly silenceLimitMs?: number } = {}): PacketChannel {
    if (this.#runningQueries > 0) throw new Error("a statement is running");
    if (this.#stream.destroyed) throw unreachable(this.address, "the connection has ended");
    const socket = this.#stream.release();
    if (!socket) throw protocolViolation(this.address, "a packet that nobody asked for");
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    const signal = options.signal ?? this.#options.signal;
    return new PacketChannel(socket, this.address, { signal, silenceLimitMs: options.silenceLimitMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    const socket = this.#stream.release();
    if (socket) await endSocket(socket, quitPacket);
    else this.#stream.destroy();
  }
}

interface LoggedIn {
  readonly session: mysql.Connection;
  readonly stream: LogInStream;
  readonly serverVersion: string;
}

async function logIn(socket: net.Socket, startUp: StartUp): Promise<LoggedIn> {
  const { address } = startUp;
  const hasTls = address.tls.mode !== "disable";
  const stream = new LogInStream(socket, { waitsForTls: hasTls });
  const session = mysql.createConnection({
    stream,
    host: address.host,
    port: address.port,
    user: address.user,
    ...(address.password !== undefined && { password: address.password }),
    ...(address.database !== "" && { database: address.database }),
    // Only that passwords need no encryption of their own; the socket is given above.
    ...(isSocketFile(address) && { socketPath: address.host }),
    // Only whether there is any: the connection's TLS is begun below.
    ...(hasTls && { ssl: {}, enableCleartextPlugin: true }),
    flags: clientFlags,
    charset: "utf8mb4_general_ci",
    connectTimeout: 0,
    connectAttributes: { program_name: "btar" },
    typeCast: (field) => field.string(),
  });
  // Errors come out of what we wait for; without a listener they would end the process.
  session.on("error", () => undefined);
  const failed = Promise.withResolvers<never>();
  if (hasTls) beginTlsWith(session, socket, stream, startUp, failed.reject);
  const onAbort = () => stream.destroy();
  startUp.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const serverVersion = await Promise.race([connected(session), failed.promise]);
    await runQuery(session, sessionSetUp, []);
    return { session, stream, serverVersion };
  } catch (cause) {
    stream.destroy();
    throw startUp.failure(errorOf(address, cause));
  } finally {
    startUp.signal.removeEventListener("abort", onAbort);
  }
}

/**
 * The library calls its `startTLS` when the server has agreed; ours takes its place, since it checks certificates as
 * the address asks, also those of IP addresses, and keeps no sessions.
 */
function beginTlsWith(
  session: mysql.Connection,
  socket: net.Socket,
  stream: LogInStream,
  startUp: StartUp,
  onFailure: (error: unknown) => void,
): void {
  const startTLS = (onSecure: () => void) => {
    secureSocket(socket, startUp).then((secured) => {
      stream.exchange(secured);
      onSecure();
    }, onFailure);
  };
  Object.assign(session, { startTLS });
}

/** Waits until the server has let us in; returns its version. */
async function connected(session: mysql.Connection): Promise<string> {
  return await new Promise((resolve, reject) => {
    session.once("connect", (hello: { readonly serverVersion: string }) => resolve(hello.serverVersion));
    session.once("error", reject);
  });
}

async function runQuery(
  session: mysql.Connection,
  sql: string,
  values: readonly (string | number | bigint)[],
): Promise<readonly Row[]> {
  return await new Promise((resolve, reject) => {
    session.query<(mysql.RowDataPacket & Row)[]>(sql, [...values], (error, rows) => {
      if (error) reject(error);
      else resolve(Array.isArray(rows) ? rows : []);
    });
  });
}

/** What mysql2 fails with: the server's own error, one of the connection, or one of its own. */
function errorOf(address: ServerAddress, cause: unknown): BtarError {
  if (cause instanceof BtarError) return cause;
  const { code, errno, sqlState, sqlMessage, message } = fieldsOf(cause);
  if (sqlMessage !== undefined) {
    return refusal(address, { errno: errno ?? 0, sqlState: sqlState ?? "", message: sqlMessage }, cause);
  }
  switch (code) {
    case "HANDSHAKE_NO_SSL_SUPPORT":
      return noTls(address, cause);
    case "AUTH_SWITCH_PLUGIN_ERROR":
    case "MYSQL_CLEAR_PASSWORD_NOT_ENABLED":
      return new BtarError("SERVER_REFUSED", {
        message: `logging in to MySQL at ${formatAddress(address)} as ${address.user} failed: ${message}`,
        hint: "give the account caching_sha2_password, or use tls mode require or better",
        cause,
      });
    case "HANDSHAKE_UNKNOWN_ERROR":
    case "PROTOCOL_UNEXPECTED_PACKET":
      return protocolViolation(address, message);
    default:
      return unreachable(address, message, cause);
  }
}

interface FailureFields {
  readonly code?: string;
  readonly errno?: number;
  readonly sqlState?: string;
  readonly sqlMessage?: string;
  readonly message: string;
}

function fieldsOf(cause: unknown): FailureFields {
  return cause instanceof Error ? cause : { message: String(cause) };
}

function noTls(address: ServerAddress, cause: unknown): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `MySQL at ${formatAddress(address)} does not offer TLS, and tls mode ${address.tls.mode} needs it`,
    hint: "turn TLS on in the server (ssl_cert, ssl_key, tls_version), or use tls mode disable",
    details: { reason: "tls" },
    cause,
  });
}
