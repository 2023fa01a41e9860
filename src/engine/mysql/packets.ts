import type { ServerMessage } from "./server-error.ts";

/** First byte of packets that answer a command. */
export const okMark = 0x00;
export const eofMark = 0xfe;
export const errorMark = 0xff;

/** First bytes of commands. https://dev.mysql.com/doc/dev/mysql-server/latest/my__command_8h.html */
export const command = { quit: 0x01, query: 0x03, ping: 0x0e, binlogDump: 0x12, binlogDumpGtid: 0x1e, clone: 0x20 };

/** Larger payloads would have to be divided; no command of ours comes near. */
const maxPayloadBytes = 0xff_ff_fe;

/** A packet with its head. */
export function packetOf(payload: Uint8Array, sequence: number): Buffer {
  if (payload.length > maxPayloadBytes) throw new RangeError(`a payload of ${payload.length} bytes is too long`);
  const packet = Buffer.allocUnsafe(4 + payload.length);
  packet.writeUIntLE(payload.length, 0, 3);
  packet.writeUInt8(sequence, 3);
  packet.set(payload, 4);
  return packet;
}

/** Says goodbye: the server closes the connection. */
export const quitPacket = packetOf(Buffer.from([command.quit]), 0);

/** Whether a packet is the end of a result or stream: an EOF packet has five bytes, and a row could begin with 0xFE. */
export function isEndOfResult(payload: Uint8Array): boolean {
  return payload[0] === eofMark && payload.length < 9;
}

/**
 * Reads an error packet: mark, number u16, then usually `#` and five characters of SQLSTATE, then the message.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_err_packet.html
 */
export function parseErrorPacket(payload: Buffer): ServerMessage {
  const errno = payload.length >= 3 ? payload.readUInt16LE(1) : 0;
  const hasState = payload[3] === 0x23;
  return {
    errno,
    sqlState: hasState ? payload.toString("latin1", 4, 9) : "",
    message: payload.toString("utf8", hasState ? 9 : 3),
  };
}
