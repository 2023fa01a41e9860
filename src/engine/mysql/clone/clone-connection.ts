import type { BtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import { MysqlConnection } from "../connection.ts";
import type { PacketChannel } from "../packet-channel.ts";
import { command } from "../packets.ts";
import { protocolViolation } from "../server-error.ts";
import { cloneRefusal, withCloneHint } from "./clone-error.ts";
import { type CloneResponse, dataResponse, exitRequest, parseResponse } from "./clone-message.ts";
import { type Descriptor, parseDescriptor } from "./descriptor.ts";

/**
 * Longest silence of a donor. It says something every few seconds while it waits for us, but may work for minutes on
 * the changes of a large server without a word.
 */
const silenceLimitMs = 15 * 60_000;

/** A descriptor, as it came and parsed. */
export interface ReceivedDescriptor {
  readonly bytes: Buffer;
  readonly descriptor: Descriptor;
}

export type Answer = Exclude<CloneResponse, { readonly kind: "complete" | "error" }>;

/** A connection to a donor in clone mode. One reader at a time. */
export class CloneConnection implements AsyncDisposable {
  readonly address: ServerAddress;
  readonly #channel: PacketChannel;

  private constructor(channel: PacketChannel) {
    this.#channel = channel;
    this.address = channel.address;
  }

  /**
   * Logs in and goes into clone mode.
   * @param options.signal ends the connection, whatever it is doing
   * @throws {BtarError} SERVER_UNREACHABLE, SERVER_REFUSED (with details.errno), SERVER_PROTOCOL, CANCELLED
   */
  static async open(address: ServerAddress, options: { readonly signal: AbortSignal }): Promise<CloneConnection> {
    const session = await MysqlConnection.open(address, options);
    const channel = session.takeOver({ silenceLimitMs });
    channel.send(Buffer.from([command.clone]));
    try {
      await channel.expectOk();
    } catch (error) {
      await channel[Symbol.asyncDispose]();
      throw withCloneHint(error, address);
    }
    return new CloneConnection(channel);
  }

  readonly malformed = (what: string): BtarError => protocolViolation(this.address, what);

  send(request: Buffer): void {
    this.#channel.send(request);
  }

  /**
   * What the donor says next; undefined when it has answered the request.
   * @throws {BtarError} what it refuses with (SERVER_REFUSED with details.errno, …), SERVER_UNREACHABLE,
   *   SERVER_PROTOCOL, CANCELLED
   */
  async next(): Promise<Answer | undefined> {
    const { payloadBytes, sequence } = await this.#channel.nextHeader();
    if (payloadBytes === 0 || sequence !== 0) {
      throw this.malformed(`packet ${sequence} of ${payloadBytes} bytes in clone mode`);
    }
    const code = (await this.#channel.read(1)).readUInt8(0);
    if (code === dataResponse) return { kind: "data", bytes: payloadBytes - 1 };
    const response = parseResponse(code, await this.#channel.rest(), this.malformed);
    if (response.kind === "complete") return undefined;
    if (response.kind === "error") throw cloneRefusal(this.address, response);
    return response;
  }

  /** The next descriptor; undefined when the donor has answered the request. */
  async nextDescriptor(): Promise<ReceivedDescriptor | undefined> {
    const answer = await this.next();
    if (!answer) return undefined;
    if (answer.kind !== "descriptor") throw this.malformed(`${answer.kind} instead of a descriptor`);
    return { bytes: answer.descriptor, descriptor: parseDescriptor(answer.descriptor, this.malformed) };
  }

  /**
   * Begins the packet with the bytes that a descriptor announced.
   * @throws {BtarError} SERVER_PROTOCOL when it is another packet, or of another length
   */
  async expectData(bytes: number): Promise<void> {
    const answer = await this.next();
    if (answer?.kind !== "data") throw this.malformed(`${answer?.kind ?? "the end"} instead of ${bytes} bytes of data`);
    if (answer.bytes !== bytes) throw this.malformed(`${answer.bytes} bytes of data instead of ${bytes}`);
  }

  /** Next part of the data, only valid until the next call; undefined at its end. */
  async fragment(): Promise<Buffer | undefined> {
    return this.#channel.tryFragment() ?? (await this.#channel.fragment());
  }

  /** Sends a request, and reads all of its answer. */
  async ask(request: Buffer): Promise<readonly Answer[]> {
    this.send(request);
    const answers: Answer[] = [];
    for (let answer = await this.next(); answer; answer = await this.next()) answers.push(answer);
    return answers;
  }

  /** Leaves clone mode: the donor is done with this connection. */
  async exit(): Promise<void> {
    await this.ask(exitRequest);
  }

  /** Reads on until the donor has no more to say, or has failed. */
  async drain(): Promise<void> {
    while (await this.next());
  }

  /** Ends the connection; whoever reads gets `reason`. */
  abandon(reason: BtarError): void {
    this.#channel.abandon(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
  }
}
