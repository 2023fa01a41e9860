import { rmSync } from "node:fs";
import { mkdtemp, symlink } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import tls from "node:tls";
import { BtarError } from "../domain/errors.ts";
import { cancelled, isSocketFile, notTrusted, type Product, reasonOf, unreachable } from "./connection-error.ts";
import type { ServerAddress, TlsChoice } from "./engine.ts";

const leaveLimitMs = 2_000;
const maxSocketPathBytes = 100;

/** Dead peers are noticed after 10 s of silence and 10 unanswered probes, a second apart. */
const keepAliveDelayMs = 10_000;

/** All of connecting, TLS and logging in. A server that wants none of it would else hold us for a minute. */
const startUpLimitMs = 15_000;

/** The start-up of a connection, and what can end it: the caller, or the time that it may take. */
export class StartUp {
  readonly product: Product;
  readonly address: ServerAddress;
  /** Aborts with either. */
  readonly signal: AbortSignal;
  readonly #callerSignal: AbortSignal;

  constructor(product: Product, address: ServerAddress, callerSignal: AbortSignal) {
    this.product = product;
    this.address = address;
    this.#callerSignal = callerSignal;
    this.signal = AbortSignal.any([callerSignal, AbortSignal.timeout(startUpLimitMs)]);
  }

  /** The error to throw when a step of the start-up failed with `cause`. */
  failure(cause: unknown): BtarError {
    const { product, address } = this;
    if (this.#callerSignal.aborted) return cancelled(product, address, this.#callerSignal.reason);
    if (this.signal.aborted) return unreachable(product, address, `no answer within ${startUpLimitMs / 1000} s`, cause);
    return cause instanceof BtarError ? cause : unreachable(product, address, reasonOf(cause), cause);
  }
}

const loopback = new net.BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether bytes cannot change on their way: TLS would notice, and within one machine they have none. */
export function protectsBytes(socket: net.Socket, address: ServerAddress): boolean {
  if (socket instanceof tls.TLSSocket || isSocketFile(address)) return true;
  const { remoteAddress, remoteFamily } = socket;
  return remoteAddress !== undefined && loopback.check(remoteAddress, remoteFamily === "IPv6" ? "ipv6" : "ipv4");
}

/** Connects a new socket to the address. It rejects with what the system says; then the caller destroys the socket. */
export async function connectSocket(socket: net.Socket, startUp: StartUp): Promise<void> {
  const { address, signal } = startUp;
  if (isSocketFile(address)) return await connectSocketFile(socket, address.host, signal);
  socket.setNoDelay(true).setKeepAlive(true, keepAliveDelayMs);
  await firstOf(socket, "connect", signal, () => socket.connect(address.port, address.host));
}

/** Systems take no more than 103 to 107 bytes as the path of a socket: one that is longer is reached by a link. */
async function connectSocketFile(socket: net.Socket, file: string, signal: AbortSignal): Promise<void> {
  if (Buffer.byteLength(file) <= maxSocketPathBytes) {
    await firstOf(socket, "connect", signal, () => socket.connect(file));
    return;
  }
  const folder = await mkdtemp(path.join(tmpdir(), "btar-"));
  try {
    const link = path.join(folder, "d");
    await symlink(path.dirname(file), link);
    await firstOf(socket, "connect", signal, () => socket.connect(path.join(link, path.basename(file))));
  } finally {
    // At once: what the server says meanwhile would be lost on a socket that nobody listens to yet.
    rmSync(folder, { recursive: true });
  }
}

/**
 * Begins TLS on a socket whose server waits for it, and checks the certificate as the address asks.
 * @throws {BtarError} SERVER_REFUSED when the certificate is not trusted; else what the system says
 */
export async function secureSocket(socket: net.Socket, startUp: StartUp): Promise<tls.TLSSocket> {
  const { product, address, signal } = startUp;
  const secured = tls.connect({ socket, ...trustOf(address.tls), ...nameOf(address.host) });
  try {
    await firstOf(secured, "secureConnect", signal, () => undefined);
  } catch (cause) {
    secured.destroy();
    throw isCertificateFault(cause) ? notTrusted(product, address, cause) : cause;
  }
  return secured;
}

/** Sends `farewell` and waits for the end of the connection, but not for a dead server. */
export async function endSocket(socket: net.Socket, farewell: Uint8Array): Promise<void> {
  if (socket.closed) return;
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(() => socket.destroy(), leaveLimitMs);
    socket.once("close", () => {
      clearTimeout(deadline);
      resolve();
    });
    socket.on("error", () => undefined); // a server that has left already needs no farewell
    if (socket.writable) socket.write(farewell);
    socket.destroySoon();
  });
}

/** Waits for `event`; rejects when the socket fails, closes or `signal` aborts first. Leaves no listeners. */
export async function firstOf<T = void>(
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
