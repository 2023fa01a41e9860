import type { ReservationState, ServerAddress, StoredLog } from "../engine.ts";
import { unpackPosition } from "./binlog/binlog-position.ts";
import { listServerLogs, type ServerLogs } from "./binlog/server-logs.ts";
import { MysqlConnection } from "./connection.ts";

/**
 * What a server keeps back for btar. MySQL has no reservations. One that removes its binary logs by itself keeps none;
 * one that leaves it to somebody else keeps all that is not stored.
 * @throws {BtarError} SERVER_REFUSED, SERVER_PROTOCOL, and those of connections
 */
export async function reservationState(
  address: ServerAddress,
  request: { readonly stored?: Pick<StoredLog, "position"> | undefined; readonly signal: AbortSignal },
): Promise<ReservationState> {
  await using session = await MysqlConnection.open(address, request);
  const retainedBytes = (await removesLogs(session)) ? 0 : bytesBehind(await listServerLogs(session), request.stored);
  return { exists: true, retainedBytes, isLost: false };
}

/** Whether the server itself removes logs that have become old. */
async function removesLogs(session: MysqlConnection): Promise<boolean> {
  const rows = await session.query("SHOW GLOBAL VARIABLES LIKE 'binlog_expire_logs%'");
  const settings = new Map(rows.map((row) => [row["Variable_name"], row["Value"]]));
  // The switch came with MySQL 8.0.29; before, only 0 seconds turn it off.
  return settings.get("binlog_expire_logs_auto_purge") !== "OFF" && settings.get("binlog_expire_logs_seconds") !== "0";
}

function bytesBehind({ files }: ServerLogs, stored: Pick<StoredLog, "position"> | undefined): number {
  const from = stored ? unpackPosition(stored.position) : { file: 0, offset: 0 };
  return files.reduce((sum, { file, sizeBytes }) => {
    if (file < from.file) return sum;
    return sum + (file === from.file ? Math.max(0, sizeBytes - from.offset) : sizeBytes);
  }, 0);
}
