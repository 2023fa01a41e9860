import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import type { BtarError } from "../../../domain/errors.ts";
import { createAuthority, issueCertificate } from "../../../platform/certificates.ts";
import { connectSocket, firstOf, StartUp, secureSocket } from "../../client-socket.ts";
import { isSocketFile } from "../../connection-error.ts";
import type { ServerAddress } from "../../engine.ts";

const loopbackHost = "127.0.0.1";
/** Of the relay's certificate; no clone runs for so long. */
const certificateDays = 90;
const headerBytes = 4;
/** Length of a client's request for TLS, and the flag in it. */
const tlsRequestBytes = 32;
const tlsFlag = 0x800;

/** A pair of connections: one of the recipient's, and the one to the donor that was made for it. */
interface RelayedPair {
  readonly client: net.Socket;
  readonly server: net.Socket;
}

/**
 * Connects a MySQL server of this host with a donor, as btar itself would connect: by socket file or name, and with
 * certificates checked as the address asks, for which MySQL's own recipient has no means. It listens on the loopback
 * interface, speaks TLS to either side where the recipient wants it, and alters nothing.
 */
export class DonorRelay implements AsyncDisposable {
  readonly host = loopbackHost;
  readonly port: number;
  /** PEM of who vouches for the relay to the recipient. */
  readonly authority: string;
  readonly #listener: net.Server;
  readonly #address: ServerAddress;
  readonly #context: tls.SecureContext;
  readonly #sockets = new Set<net.Socket>();
  readonly #ending = new AbortController();
  #failure: BtarError | undefined;

  private constructor(listener: net.Server, address: ServerAddress) {
    const authority = createAuthority("btar clone");
    const issued = { commonName: loopbackHost, hosts: [loopbackHost], days: certificateDays };
    const { certificate, privateKey } = issueCertificate(authority, issued);
    this.authority = authority.certificate;
    this.#context = tls.createSecureContext({ cert: certificate, key: privateKey });
    this.#listener = listener;
    this.#address = address;
    const bound = listener.address();
    if (bound === null || typeof bound === "string") throw new Error("the relay has no port");
    this.port = bound.port;
  }

  static async open(address: ServerAddress): Promise<DonorRelay> {
    const listener = net.createServer();
    listener.listen(0, loopbackHost);
    await once(listener, "listening");
    const relay = new DonorRelay(listener, address);
    listener.on("connection", (client) => void relay.#serve(client));
    return relay;
  }

  /** Why the donor could not be reached when it was tried last; undefined when it could. */
  get failure(): BtarError | undefined {
    return this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await once(this.#listener, "close");
  }

  /** Never rejects: what fails is told by `failure`, and the recipient sees its connection end. */
  async #serve(client: net.Socket): Promise<void> {
    this.#watch(client);
    const server = new net.Socket();
    this.#watch(server);
    // A socket file needs no certificate, and has no name that one could be checked by.
    const tlsChoice = isSocketFile(this.#address) ? ({ mode: "require" } as const) : this.#address.tls;
    const startUp = new StartUp("MySQL", { ...this.#address, tls: tlsChoice }, this.#ending.signal);
    try {
      await connectSocket(server, startUp);
      const pair = await this.#begin({ client, server }, startUp);
      this.#failure = undefined;
      join(pair);
    } catch (cause) {
      if (!this.#ending.signal.aborted) this.#failure = startUp.failure(cause);
      for (const socket of [client, server]) socket.destroy();
    }
  }

  /** The server greets, and the client may ask for TLS; from then on it is bytes. */
  async #begin({ client, server }: RelayedPair, startUp: StartUp): Promise<RelayedPair> {
    client.write(await readPacket(server, startUp.signal));
    const first = await readPacket(client, startUp.signal);
    server.write(first);
    if (!isTlsRequest(first)) return { client, server };
    const secured = new tls.TLSSocket(client, { isServer: true, secureContext: this.#context });
    this.#watch(secured);
    const [, securedServer] = await Promise.all([
      firstOf(secured, "secure", startUp.signal, () => undefined),
      secureSocket(server, startUp),
    ]);
    this.#watch(securedServer);
    return { client: secured, server: securedServer };
  }

  #watch(socket: net.Socket): void {
    this.#sockets.add(socket);
    // Either side is told of the other's error by the end of its connection.
    socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
  }
}

function join({ client, server }: RelayedPair): void {
  client.pipe(server);
  server.pipe(client);
  client.on("close", () => server.destroySoon());
  server.on("close", () => client.destroySoon());
}

/** One packet with its header; what comes after it stays in the socket. */
async function readPacket(socket: net.Socket, signal: AbortSignal): Promise<Buffer> {
  const header = await readExactly(socket, headerBytes, signal);
  return Buffer.concat([header, await readExactly(socket, header.readUIntLE(0, 3), signal)]);
}

async function readExactly(socket: net.Socket, bytes: number, signal: AbortSignal): Promise<Buffer> {
  for (;;) {
    const read: unknown = socket.read(bytes);
    if (Buffer.isBuffer(read) && read.length === bytes) return read;
    if (socket.readableEnded || socket.destroyed) throw new Error("the connection was closed");
    await firstOf(socket, "readable", signal, () => undefined);
  }
}

function isTlsRequest(packet: Buffer): boolean {
  return packet.length === headerBytes + tlsRequestBytes && (packet.readUInt32LE(headerBytes) & tlsFlag) !== 0;
}
