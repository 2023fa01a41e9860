import net from "node:net";
import tls from "node:tls";
import { BtarError } from "../../domain/errors.ts";
import type { ServerAddress, TlsChoice } from "../engine.ts";
import { cancelled, formatAddress, protocolViolation, unreachable } from "./server-error.ts";

/** Ask for TLS: length 8, code 1234.5679. https://www.postgresql.org/docs/current/protocol-message-formats.html */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

const terminate = Buffer.from([0x58, 0, 0, 0, 4]);
const leaveLimitMs = 2_000;

/** Dead peers are noticed after 10 s of silence and 10 unanswered probes, a second apart. */
const keepAliveDelayMs = 10_000;

/** All of connecting, TLS and logging in. A server that wants none of it would else hold us for a minute. */
const startUpLimitMs = 15_000;

/** What can end the start-up of a connection: the caller, or the time that it may take. */
export class StartUp {
  /** Aborts with either. */
  readonly signal: AbortSignal;
  readonly #address: ServerAddress;
  readonly #callerSignal: AbortSignal;

  constructor(address: ServerAddress, callerSignal: AbortSignal) {
    this.#address = address;
    this.#callerSignal = callerSignal;
    this.signal = AbortSignal.any([callerSignal, AbortSignal.timeout(startUpLimitMs)]);
  }

  /** The error to throw when a step of the start-up failed with `cause`. */
  failure(cause: unknown): BtarError {
    if (this.#callerSignal.aborted) return cancelled(this.#address, this.#callerSignal.reason);
    if (this.signal.aborted) return unreachable(this.#address, `no answer within ${startUpLimitMs / 1000} s`, cause);
    return cause instanceof BtarError ? cause : unreachable(this.#address, reasonOf(cause), cause);
  }
}

/**
 * Connects, and turns TLS on as the address asks.
 * @param plainSocket a new socket, to be used when there is no TLS
 * @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED (no TLS, certificate not trusted), SERVER_PROTOCOL, CANCELLED
 */
export async function openServerSocket(
  address: ServerAddress,
  startUp: StartUp,
  plainSocket?: net.Socket,
): Promise<net.Socket> {
  const hasTls = address.tls.mode !== "disable";
  const socket = hasTls ? new net.Socket() : (plainSocket ?? new net.Socket());
  socket.setNoDelay(true).setKeepAlive(true, keepAliveDelayMs);
  try {
    await firstOf(socket, "connect", startUp.signal, () => socket.connect(address.port, address.host));
    return hasTls ? await startTls(socket, address, startUp.signal) : socket;
  } catch (cause) {
    socket.destroy();
    throw startUp.failure(cause);
  }
}

/** Takes leave of the server (Terminate) and waits for the end of the connection, but not for a dead server. */
export async function endSocket(socket: net.Socket): Promise<void> {
  if (socket.closed) return;
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(() => socket.destroy(), leaveLimitMs);
    socket.once("close", () => {
      clearTimeout(deadline);
      resolve();
    });
    if (socket.writable) socket.write(terminate);
    socket.destroySoon();
  });
}

async function startTls(socket: net.Socket, address: ServerAddress, signal: AbortSignal): Promise<net.Socket> {
  const answer = await firstOf<Buffer>(socket, "data", signal, () => socket.write(sslRequest));
  socket.pause();
  // More than one byte would be plain text that somebody put before the encrypted stream.
  const reply = answer.toString("latin1");
  if (reply === "N") throw noTls(address);
  if (reply !== "S") throw protocolViolation(address, "an answer to the request for TLS that is none");
  const secured = tls.connect({ socket, ...trustOf(address.tls), ...nameOf(address.host) });
  try {
    await firstOf(secured, "secureConnect", signal, () => undefined);
  } catch (cause) {
    secured.destroy();
    throw isCertificateFault(cause) ? notTrusted(address, cause) : cause;
  }
  return secured;
}

/** Waits for `event`; rejects when the socket fails, closes or `signal` aborts first. Leaves no listeners. */
async function firstOf<T = void>(
  socket: net.Socket,
  event: string,
  signal: AbortSignal,
  start: () => unknown,
): Promise<T> {
  signal.throwIfAborted();
  return await new Promise<T>((resolve, reject) => {
    const finish = (act: () => void) => {
      socket.off(event, onEvent).off("error", onError).off("close", onClose);
      signal.removeEventListener("abort", onAbort);
      act();
    };
    const onEvent = (value: T) => finish(() => resolve(value));
    const onError = (error: Error) => finish(() => reject(error));
    const onClose = () => finish(() => reject(new Error("the connection was closed")));
    const onAbort = () => finish(() => reject(signal.reason));
    socket.once(event, onEvent).once("error", onError).once("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
    start();
  });
}

/** SNI must not carry an IP address (RFC 6066, section 3); certificates are checked against `host` then. */
function nameOf(host: string): tls.ConnectionOptions {
  return net.isIP(host) === 0 ? { servername: host } : { host };
}

function trustOf(choice: TlsChoice): tls.ConnectionOptions {
  if (choice.mode === "require") return { rejectUnauthorized: false };
  const ca = choice.ca ?? systemAuthorities();
  return choice.mode === "verify-ca" ? { ca, checkServerIdentity: () => undefined } : { ca };
}

/** Node's own list and that of the operating system, where companies put their own authority. */
function systemAuthorities(): string[] {
  return [...tls.getCACertificates("bundled"), ...tls.getCACertificates("system")];
}

function isCertificateFault(cause: unknown): boolean {
  if (!(cause instanceof Error) || !("code" in cause) || typeof cause.code !== "string") return false;
  return /CERT|ISSUER|SIGNATURE|HOSTNAME|CRL/.test(cause.code);
}

function notTrusted(address: ServerAddress, cause: unknown): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `the certificate of PostgreSQL at ${formatAddress(address)} is not trusted: ${reasonOf(cause)}`,
    hint: "give the authority that signed it, and connect by a name that it holds; or use tls mode require",
    details: { reason: "tls" },
    cause,
  });
}

function noTls(address: ServerAddress): BtarError {
  return new BtarError("SERVER_REFUSED", {
    message: `PostgreSQL at ${formatAddress(address)} does not offer TLS, and tls mode ${address.tls.mode} needs it`,
    hint: "turn TLS on in the server (ssl = on, ssl_cert_file, ssl_key_file), or use tls mode disable",
    details: { reason: "tls" },
  });
}

/** Connecting to a name with several addresses fails with one error for each of them. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return cause.errors.map(reasonOf).join(", ");
  return cause instanceof Error && cause.message !== "" ? cause.message : String(cause);
}
