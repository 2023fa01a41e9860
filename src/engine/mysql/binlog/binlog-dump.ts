import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { BtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import { MysqlConnection } from "../connection.ts";
import type { PacketChannel } from "../packet-channel.ts";
import { command, eofMark, errorMark, okMark, parseErrorPacket } from "../packets.ts";
import { protocolViolation, refusal, unreachable } from "../server-error.ts";
import {
  binlogMagic,
  artificialFlag,
  type EventHeader,
  eventHeaderBytes,
  eventType,
  readEventHeader,
} from "./event-header.ts";
import { formatUuid } from "./gtid-event.ts";

/** Heartbeats come this often while there is no event to send. */
const heartbeatPeriodMs = 1_000;

/** Flag of a dump: heartbeats may be of the newer kind, which tells positions of 64 bits. */
const heartbeatsV2 = 0x0002;

/** The protocol wants an id of each replica; that of real ones is mostly small. */
const replicaServerId = 0xb7_a2_00_01;

/** What is read and given out at once. */
export const dumpBufferBytes = 512 * 1024;

/** A packet with an event: one byte, then the event. */
const packetHeadBytes = 1 + eventHeaderBytes;
const maxPartBytes = 0xff_ff_ff;

export interface DumpRequest {
  readonly fileName: string;
  /** Of an event, or of the beginning of the file. */
  readonly offset: number;
  /** Makes out one reader of a server's log: a new dump of a name ends an older one, which may be left over. */
  readonly readerName: string;
  readonly signal: AbortSignal;
  readonly silenceLimitMs?: number;
}

/** Why reading of a dump has stopped. */
export type DumpStop =
  /** Nothing more has arrived. */
  | "starved"
  /** The buffer is full. */
  | "full"
  /** An event that is in no file of the server has begun: it is read with `readAside`. */
  | "aside";

/** An event that is no part of the file, or is repeated. */
export type AsideEvent =
  /** The following events are of this file. */
  | { readonly kind: "file"; readonly name: string }
  /** The format of the file that is read from its middle on: the event as it is at its beginning. */
  | { readonly kind: "format"; readonly event: Buffer }
  /** The server has nothing more to send for now. */
  | { readonly kind: "heartbeat" };

/**
 * A server's binary log, as it is sent to replicas: the bytes of its files, without what the protocol puts between.
 * They gather in a buffer. Methods throw SERVER_UNREACHABLE, SERVER_REFUSED (details.errno), SERVER_PROTOCOL, CANCELLED.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_binlog_dump_gtid.html
 */
export class BinlogDump implements AsyncDisposable {
  readonly buffer: Buffer = Buffer.allocUnsafeSlow(dumpBufferBytes);
  readonly address: ServerAddress;
  readonly #channel: PacketChannel;
  #filled = 0;
  /** The file's format is sent again before the first event from the middle of a file. */
  #repeatsFormat: boolean;
  /** The head of a packet that has come in part. */
  readonly #head = Buffer.alloc(packetHeadBytes);
  #headBytes = 0;
  #wantedHeadBytes = 0;
  #payloadBytes = 0;
  /** Of the current event. */
  #bytesLeft = 0;
  #aside: EventHeader | undefined;
  #firstType: number | undefined;

  private constructor(channel: PacketChannel, request: DumpRequest) {
    this.#channel = channel;
    this.address = channel.address;
    this.#repeatsFormat = request.offset > binlogMagic.length;
  }

  static async open(address: ServerAddress, request: DumpRequest): Promise<BinlogDump> {
    const { signal, silenceLimitMs } = request;
    const session = await MysqlConnection.open(address, { signal });
    try {
      await session.query(sessionSetUp(readerUuid(request.readerName)));
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
    const channel = session.takeOver(silenceLimitMs === undefined ? {} : { silenceLimitMs });
    channel.send(dumpCommand(request));
    return new BinlogDump(channel, request);
  }

  /** Whether nobody could alter what comes without being noticed. */
  get protectsBytes(): boolean {
    return this.#channel.protectsBytes;
  }

  /** Bytes in the buffer, from its beginning on. */
  get filled(): number {
    return this.#filled;
  }

  /** Type of the first event that came of the file; undefined before. */
  get firstEventType(): number | undefined {
    return this.#firstType;
  }

  /** Puts bytes into the buffer that the server does not send. */
  put(bytes: Buffer): void {
    this.#filled += bytes.copy(this.buffer, this.#filled);
  }

  /** Drops the first bytes of the buffer. */
  drop(bytes: number): void {
    this.buffer.copyWithin(0, bytes, this.#filled);
    this.#filled -= bytes;
  }

  /** Takes into the buffer what has arrived. @throws {BtarError} SERVER_PROTOCOL; others come out of `readAside` */
  gather(): DumpStop {
    for (;;) {
      if (!this.#takeBody()) return this.#filled === this.buffer.length ? "full" : "starved";
      if (this.#aside) return "aside";
      if (this.buffer.length - this.#filled < eventHeaderBytes) return "full";
      const head = this.#takeHead();
      if (!head) return "starved";
      if (this.#begin(head)) return "aside";
    }
  }

  /** Waits for more bytes, after `gather` was starved. */
  async receive(): Promise<void> {
    await this.#channel.receive();
  }

  /**
   * Reads what `gather` stopped at.
   * @throws {BtarError} what the server ends the dump with
   */
  async readAside(): Promise<AsideEvent> {
    const header = this.#aside;
    this.#aside = undefined;
    const rest = await this.#channel.rest();
    if (!header) throw this.#ending(Buffer.concat([this.#head.subarray(0, this.#wantedHeadBytes), rest]));
    const event = Buffer.concat([this.#head.subarray(1), rest]);
    if (header.type === eventType.formatDescription) return { kind: "format", event };
    if (header.type !== eventType.rotate) return { kind: "heartbeat" };
    return { kind: "file", name: nextFileName(event) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
  }

  /** @returns whether the current event is all there */
  #takeBody(): boolean {
    while (this.#bytesLeft > 0) {
      const room = Math.min(this.#bytesLeft, this.buffer.length - this.#filled);
      const fragment = room > 0 ? this.#channel.tryFragment(room) : undefined;
      if (!fragment) return false;
      this.#filled += fragment.copy(this.buffer, this.#filled);
      this.#bytesLeft -= fragment.length;
    }
    // A payload of a multiple of 16 MiB - 1 ends with an empty part.
    if (this.#aside || this.#wantedHeadBytes > 0 || this.#channel.isPacketOver) return true;
    if (this.#channel.tryFragment(1)) throw this.#unexpected("more bytes than its event has in a packet");
    return this.#channel.isPacketOver;
  }

  #takeHead(): Buffer | undefined {
    if (this.#wantedHeadBytes === 0) {
      const header = this.#channel.tryNextHeader();
      if (!header) return undefined;
      this.#payloadBytes = header.payloadBytes;
      this.#wantedHeadBytes = Math.min(packetHeadBytes, header.payloadBytes);
      this.#headBytes = 0;
    }
    while (this.#headBytes < this.#wantedHeadBytes) {
      const fragment = this.#channel.tryFragment(this.#wantedHeadBytes - this.#headBytes);
      if (!fragment) return undefined;
      this.#headBytes += fragment.copy(this.#head, this.#headBytes);
    }
    return this.#head;
  }

  /** @returns whether it is none of the file's events */
  #begin(head: Buffer): boolean {
    const isEvent = head[0] === okMark && this.#wantedHeadBytes === packetHeadBytes;
    if (!isEvent) return true; // the server ends the dump
    this.#wantedHeadBytes = 0;
    const header = readEventHeader(head, 1);
    const isLong = this.#payloadBytes === maxPartBytes;
    if (isLong ? header.sizeBytes + 1 < maxPartBytes : header.sizeBytes + 1 !== this.#payloadBytes) {
      throw this.#unexpected(`an event of ${header.sizeBytes} bytes in a packet of ${this.#payloadBytes}`);
    }
    if (this.#isAside(header)) {
      this.#aside = header;
      return true;
    }
    this.#firstType ??= header.type;
    this.#filled += head.copy(this.buffer, this.#filled, 1, packetHeadBytes);
    this.#bytesLeft = header.sizeBytes - eventHeaderBytes;
    return false;
  }

  #isAside({ type, flags }: EventHeader): boolean {
    if (type === eventType.heartbeat || type === eventType.heartbeatV2) return true;
    if (type === eventType.rotate) return (flags & artificialFlag) !== 0;
    if (type !== eventType.formatDescription || !this.#repeatsFormat) return false;
    this.#repeatsFormat = false;
    return true;
  }

  #ending(payload: Buffer): BtarError {
    if (payload[0] === errorMark) return refusal(this.address, parseErrorPacket(payload));
    if (payload[0] === eofMark) return unreachable(this.address, "it has ended the dump of its binary log");
    return this.#unexpected(`a packet of ${payload.length} bytes in a dump`);
  }

  #unexpected(what: string): BtarError {
    return protocolViolation(this.address, what);
  }
}

/** Older names and newer ones; servers heed those that they know. The heartbeat's period is in nanoseconds. */
function sessionSetUp(uuid: string): string {
  const period = heartbeatPeriodMs * 1_000_000;
  return `SET @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'CRC32', @source_heartbeat_period = ${period},
    @master_heartbeat_period = ${period}, @replica_uuid = '${uuid}', @slave_uuid = '${uuid}'`;
}

/** A UUID of its own for each name, always the same. */
function readerUuid(name: string): string {
  return formatUuid(createHash("sha256").update(`btar binlog reader ${name}`).digest().subarray(0, 16));
}

/** Asks for everything from a position on: the set of transactions that we are to have already is empty. */
function dumpCommand({ fileName, offset }: DumpRequest): Buffer {
  const name = Buffer.from(fileName, "utf8");
  const request = Buffer.alloc(1 + 2 + 4 + 4 + name.length + 8 + 4 + 8);
  let at = request.writeUInt8(command.binlogDumpGtid);
  at = request.writeUInt16LE(heartbeatsV2, at);
  at = request.writeUInt32LE(replicaServerId, at);
  at = request.writeUInt32LE(name.length, at);
  at += name.copy(request, at);
  at = request.writeBigUInt64LE(BigInt(Math.max(offset, binlogMagic.length)), at);
  request.writeUInt32LE(8, at);
  return request;
}

/** Whether these events have checksums depends on the server's settings at the time, which they do not tell. */
function nextFileName(event: Buffer): string {
  const sumAt = event.length - 4;
  const hasSum = crc32(event.subarray(0, sumAt)) === event.readUInt32LE(sumAt);
  return event.toString("utf8", eventHeaderBytes + 8, hasSum ? sumAt : event.length);
}
