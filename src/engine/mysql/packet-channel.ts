import type net from "node:net";
import type { BtarError } from "../../domain/errors.ts";
import { endSocket, protectsBytes } from "../client-socket.ts";
import type { ServerAddress } from "../engine.ts";
import { SocketReader } from "../socket-reader.ts";
import { type PacketHeader, PacketReader } from "./packet-reader.ts";
import { errorMark, okMark, packetOf, parseErrorPacket, quitPacket } from "./packets.ts";
import { cancelled, protocolViolation, refusal, unreachable } from "./server-error.ts";

export interface PacketChannelOptions {
  /** Ends the connection, whatever it is doing. */
  readonly signal: AbortSignal;
  /** Longest wait for the next bytes; without it only the death of the server's host is noticed (TCP keepalive). */
  readonly silenceLimitMs?: number | undefined;
}

/** Payloads that are read whole: answers to commands are kilobytes. */
const maxWholeBytes = 16 * 1024 * 1024;

/**
 * The packets of a connection that is logged in. Payloads come as they were received, in parts where they are long, and
 * are never joined unless asked for; what nobody asks for stays in the kernel, and the server waits.
 *
 * One reader at a time. Views of received bytes are valid until the next call of any reading method. Every failure
 * (the server, the network, `signal`) ends the connection and comes out of the reading methods.
 *
 * The methods beginning with `try` give undefined when they would have to wait; `receive` waits. The others wait by
 * themselves.
 */
export class PacketChannel implements AsyncDisposable {
  readonly address: ServerAddress;
  readonly #socket: net.Socket;
  readonly #reader: SocketReader;
  readonly #packets: PacketReader;
  readonly #options: PacketChannelOptions;
  readonly #onAbort: () => void;
  #failure: BtarError | undefined;

  /** @param socket logged in, with nothing received that was not read, and nobody else reading */
  constructor(socket: net.Socket, address: ServerAddress, options: PacketChannelOptions) {
    this.address = address;
    this.#socket = socket;
    this.#reader = new SocketReader(socket);
    this.#options = options;
    this.#packets = new PacketReader((what) => protocolViolation(address, what));
    this.#onAbort = () => this.abandon(cancelled(address, options.signal.reason));
    options.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (options.signal.aborted) this.#onAbort();
  }

  /** Sends one packet, such as a command (sequence 0). Commands are small: there is no waiting for the network. */
  send(payload: Uint8Array, sequence = 0): void {
    if (!this.#socket.destroyed) this.#socket.write(packetOf(payload, sequence));
  }

  /** Whether bytes cannot change on their way. */
  get protectsBytes(): boolean {
    return protectsBytes(this.#socket, this.address);
  }

  /** Whether the payload of the current packet was read whole. */
  get isPacketOver(): boolean {
    return this.#packets.isOver;
  }

  /** Begins the next packet. The last one must be over. */
  tryNextHeader(): PacketHeader | undefined {
    return this.#packets.next();
  }

  /** The next part of the payload, at most `maxBytes`; undefined, too, when the packet is over. */
  tryFragment(maxBytes?: number): Buffer | undefined {
    return this.#packets.fragment(maxBytes);
  }

  /** The next `bytes` of the payload, if they were received together. */
  tryRead(bytes: number): Buffer | undefined {
    return this.#packets.view(bytes);
  }

  /**
   * Waits for more bytes. Only after a `try` method gave undefined.
   * @throws {BtarError} SERVER_UNREACHABLE, CANCELLED
   */
  async receive(): Promise<void> {
    const limit = this.#options.silenceLimitMs;
    const giveUp = () => this.abandon(unreachable(this.address, `nothing came for ${(limit ?? 0) / 1000} s`));
    const timer = limit === undefined ? undefined : setTimeout(giveUp, limit);
    try {
      this.#packets.feed(await this.#reader.read());
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw this.#failure ?? unreachable(this.address, reason, cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Begins the next packet; what nobody read of the last one is passed over. */
  async nextHeader(): Promise<PacketHeader> {
    while (!this.#packets.isOver) if (!this.#packets.fragment()) await this.receive();
    for (;;) {
      const header = this.#packets.next();
      if (header) return header;
      await this.receive();
    }
  }

  /** The next part of the payload, at most `maxBytes`; undefined at its end. */
  async fragment(maxBytes?: number): Promise<Buffer | undefined> {
    for (;;) {
      const fragment = this.#packets.fragment(maxBytes);
      if (fragment || this.#packets.isOver) return fragment;
      await this.receive();
    }
  }

  /**
   * Exactly the next `bytes` of the payload: a view where they were received together, else joined.
   * @throws {BtarError} SERVER_PROTOCOL when the payload ends before
   */
  async read(bytes: number): Promise<Buffer> {
    const view = this.#packets.view(bytes);
    if (view) return view;
    const joined = Buffer.allocUnsafe(bytes);
    for (let filled = 0; filled < bytes; ) {
      const fragment = await this.fragment(bytes - filled);
      if (!fragment) throw protocolViolation(this.address, `a packet of less than ${bytes} bytes`);
      filled += fragment.copy(joined, filled);
    }
    return joined;
  }

  /**
   * What is left of the payload, joined; the caller owns it.
   * @throws {BtarError} SERVER_PROTOCOL when it is longer than 16 MiB
   */
  async rest(): Promise<Buffer> {
    const parts: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      const fragment = await this.fragment();
      if (!fragment) return Buffer.concat(parts, bytes);
      parts.push(Buffer.from(fragment));
      bytes += fragment.length;
      if (bytes > maxWholeBytes) throw protocolViolation(this.address, "a packet of more than 16 MiB");
    }
  }

  /** The next packet's payload, whole; the caller owns it. */
  async nextPayload(): Promise<Buffer> {
    await this.nextHeader();
    return await this.rest();
  }

  /**
   * Reads the answer to a command that has no result.
   * @throws {BtarError} what the server refuses with (SERVER_REFUSED with details.errno, …), SERVER_PROTOCOL,
   *   SERVER_UNREACHABLE, CANCELLED
   */
  async expectOk(): Promise<void> {
    const payload = await this.nextPayload();
    if (payload[0] === errorMark) throw refusal(this.address, parseErrorPacket(payload));
    if (payload[0] !== okMark) throw protocolViolation(this.address, "neither success nor an error after a command");
  }

  /** Ends the connection; whoever reads gets `reason`. */
  abandon(reason: BtarError): void {
    this.#failure ??= reason;
    this.#socket.destroy();
  }

  /** Takes leave of the server, which may be in the middle of an answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener("abort", this.#onAbort);
    await endSocket(this.#socket, quitPacket);
  }
}
