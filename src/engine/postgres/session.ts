import type net from "node:net";
import pg from "pg";
import { BtarError } from "../../domain/errors.ts";
import { StartUp } from "../client-socket.ts";
import type { ServerAddress } from "../engine.ts";
import { cancelled, formatAddress, refusal, unreachable } from "./server-error.ts";
import { endSession, openServerSocket } from "./server-socket.ts";

export const applicationName = "btar";

/** Our statements read a few rows of system views. */
const queryLimitMs = 30_000;

/** How a server let us in. */
export interface LogIn {
  readonly client: pg.Client;
  /** Whether it asked for a password. */
  readonly usedPassword: boolean;
}

/**
 * Logs in on a connected socket. All that pg would take from the environment is given, so it reads none of it.
 * @param onReady runs at the very moment of the server's ReadyForQuery
 * @throws {BtarError} SERVER_REFUSED, SERVER_UNREACHABLE, CANCELLED
 */
export async function logIn(
  socket: net.Socket,
  address: ServerAddress,
  startUp: StartUp,
  options: { readonly isReplication: boolean; readonly onReady?: () => void },
): Promise<LogIn> {
  let usedPassword = false;
  const config: pg.ClientConfig & { readonly replication?: string } = {
    host: address.host,
    port: address.port,
    user: address.user,
    database: address.database,
    ssl: false,
    sslnegotiation: "postgres",
    application_name: applicationName,
    options: "-c client_min_messages=warning",
    query_timeout: queryLimitMs,
    ...(options.isReplication && { replication: "true" }),
    stream: () => pretendUnconnected(socket),
    password: () => {
      usedPassword = true;
      if (address.password !== undefined) return address.password;
      throw new BtarError("SERVER_REFUSED", {
        message: `PostgreSQL at ${formatAddress(address)} asks for the password of ${address.user}, and none is given`,
        hint: "give the password in the connection URI",
        details: { sqlState: "28P01" },
      });
    },
  };
  const client = new pg.Client(config);
  // Errors reach us through the socket and through queries; without a listener they would end the process.
  client.on("error", () => undefined);
  const onAbort = () => socket.destroy();
  startUp.signal.addEventListener("abort", onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      client.connect((error: Error | null) => {
        if (error) return reject(error);
        options.onReady?.();
        resolve();
      });
    });
    return { client, usedPassword };
  } catch (cause) {
    socket.destroy();
    throw startUp.failure(errorOf(address, cause));
  } finally {
    startUp.signal.removeEventListener("abort", onAbort);
  }
}

/** A connection for SQL. */
export class SqlSession implements AsyncDisposable {
  readonly usedPassword: boolean;
  readonly #address: ServerAddress;
  readonly #client: pg.Client;
  readonly #socket: net.Socket;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;

  private constructor(address: ServerAddress, socket: net.Socket, login: LogIn, signal: AbortSignal) {
    this.#address = address;
    this.#socket = socket;
    this.#client = login.client;
    this.usedPassword = login.usedPassword;
    this.#signal = signal;
    this.#onAbort = () => socket.destroy();
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED, SERVER_PROTOCOL, CANCELLED */
  static async open(address: ServerAddress, options: { readonly signal: AbortSignal }): Promise<SqlSession> {
    const startUp = new StartUp("PostgreSQL", address, options.signal);
    const socket = await openServerSocket(startUp);
    const login = await logIn(socket, address, startUp, { isReplication: false });
    return new SqlSession(address, socket, login, options.signal);
  }

  /**
   * @returns rows as the server writes them: text or null by column name
   * @throws {BtarError} SERVER_REFUSED (with details.sqlState), SERVER_UNREACHABLE, CANCELLED
   */
  async query(text: string, values: readonly string[] = []): Promise<readonly Record<string, string | null>[]> {
    try {
      const types = { getTypeParser: () => (value: string) => value };
      return (await this.#client.query({ text, values: [...values], types })).rows;
    } catch (cause) {
      throw this.#signal.aborted ? cancelled(this.#address, this.#signal.reason) : errorOf(this.#address, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener("abort", this.#onAbort);
    await endSession(this.#socket);
  }
}

/** What pg rejects with: the server's own error, one of the connection, or one that our password function threw. */
function errorOf(address: ServerAddress, cause: unknown): BtarError {
  if (cause instanceof BtarError) return cause;
  if (cause instanceof pg.DatabaseError) {
    const { severity = "ERROR", code = "XX000", message, detail, hint } = cause;
    return refusal(address, { severity, sqlState: code, message, detail, hint }, cause);
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (!reason.startsWith("SASL")) return unreachable(address, reason, cause);
  return new BtarError("SERVER_REFUSED", {
    message: `logging in to PostgreSQL at ${formatAddress(address)} as ${address.user} failed: ${reason}`,
    hint: "check the password; the server must use scram-sha-256 with up to 100000 iterations, md5 or password",
    details: { sqlState: "28P01" },
    cause,
  });
}

/** pg wants to connect its stream by itself. */
function pretendUnconnected(socket: net.Socket): net.Socket {
  const connect = () => {
    process.nextTick(() => socket.emit("connect"));
    return socket;
  };
  return Object.assign(socket, { connect });
}
