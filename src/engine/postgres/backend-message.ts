import type { ServerMessage } from "./server-error.ts";

/** One row of a result, as the server writes it. */
export type Row = readonly (string | undefined)[];

/**
 * Fields of an ErrorResponse or NoticeResponse.
 * @see https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export function parseServerMessage(payload: Buffer): ServerMessage {
  const fields = new Map<string, string>();
  for (let offset = 0; offset < payload.length && payload[offset] !== 0; ) {
    const end = payload.indexOf(0, offset + 1);
    if (end < 0) break;
    fields.set(payload.toString("latin1", offset, offset + 1), payload.toString("utf8", offset + 1, end));
    offset = end + 1;
  }
  return {
    severity: fields.get("V") ?? fields.get("S") ?? "ERROR",
    sqlState: fields.get("C") ?? "XX000",
    message: fields.get("M") ?? "an error without a message",
    detail: fields.get("D"),
    hint: fields.get("H"),
  };
}

/** Values of a DataRow; undefined when the row is cut short or too long. */
export function parseDataRow(payload: Buffer): Row | undefined {
  if (payload.length < 2) return undefined;
  const row: (string | undefined)[] = [];
  let offset = 2;
  for (let left = payload.readUInt16BE(0); left > 0; left -= 1) {
    if (offset + 4 > payload.length) return undefined;
    const length = payload.readInt32BE(offset);
    offset += 4;
    if (length < 0) {
      row.push(undefined);
      continue;
    }
    if (offset + length > payload.length) return undefined;
    row.push(payload.toString("utf8", offset, offset + length));
    offset += length;
  }
  return offset === payload.length ? row : undefined;
}

/** A simple Query message. */
export function queryMessage(command: string): Buffer {
  const text = Buffer.from(`${command}\0`, "utf8");
  const head = Buffer.alloc(5);
  head.write("Q", "latin1");
  head.writeInt32BE(text.length + 4, 1);
  return Buffer.concat([head, text]);
}

/** A CopyData message. */
export function copyDataMessage(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.write("d", "latin1");
  head.writeInt32BE(payload.length + 4, 1);
  return Buffer.concat([head, payload]);
}

export const copyDoneMessage = Buffer.from([0x63, 0, 0, 0, 4]);
