import type { Lsn } from "../../domain/lsn.ts";
import { copyDataMessage } from "./backend-message.ts";

/** PostgreSQL counts time from 2000-01-01 UTC. */
const postgresEpochMicros = 946_684_800_000_000n;

/** Microseconds since 1970 of a PostgreSQL timestamp. */
export function microsFromTimestamp(timestamp: bigint): bigint {
  return timestamp + postgresEpochMicros;
}

/** Bytes of a WAL message (`w`) before the WAL, its type among them. */
export const walHeadBytes = 25;
/** Bytes of a keepalive (`k`), its type among them. */
export const keepaliveBytes = 18;

/** Head of a message with WAL. */
export interface WalHead {
  /** Position of the first byte. */
  readonly start: Lsn;
  /** All WAL up to it was durable on the server when it sent this. */
  readonly serverEnd: Lsn;
}

/** A keepalive: all WAL before `sentEnd` was sent before `sentAtMicros`, the server's clock. */
export interface Keepalive {
  readonly sentEnd: Lsn;
  readonly sentAtMicros: bigint;
  readonly wantsReply: boolean;
}

/** @see https://www.postgresql.org/docs/current/protocol-replication.html XLogData */
export function parseWalHead(payload: Buffer): WalHead {
  return { start: payload.readBigUInt64BE(1), serverEnd: payload.readBigUInt64BE(9) };
}

export function parseKeepalive(payload: Buffer): Keepalive {
  return {
    sentEnd: payload.readBigUInt64BE(1),
    sentAtMicros: microsFromTimestamp(payload.readBigInt64BE(9)),
    wantsReply: payload[17] === 1,
  };
}

/** What we tell the server. A position of 0 says nothing. */
export interface StandbyStatus {
  readonly written: Lsn;
  /** The replication slot advances to it. */
  readonly flushed: Lsn;
  readonly wantsReply: boolean;
}

/** A standby status update, as a whole message. */
export function standbyStatusMessage(status: StandbyStatus): Buffer {
  const payload = Buffer.alloc(34);
  payload.write("r", "latin1");
  payload.writeBigUInt64BE(status.written, 1);
  payload.writeBigUInt64BE(status.flushed, 9);
  payload.writeBigUInt64BE(status.flushed, 17); // "applied": nothing of ours is ahead of what is stored
  payload.writeBigInt64BE(BigInt(Date.now()) * 1000n - postgresEpochMicros, 25);
  payload.writeUInt8(status.wantsReply ? 1 : 0, 33);
  return copyDataMessage(payload);
}
