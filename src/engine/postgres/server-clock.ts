import { formatLsn } from "../../domain/lsn.ts";
import { copyDoneMessage } from "./backend-message.ts";
import type { ReplicationConnection } from "./replication-connection.ts";
import type { WalPosition } from "./server-description.ts";
import { protocolViolation } from "./server-error.ts";
import { keepaliveBytes, parseKeepalive, standbyStatusMessage } from "./wal-message.ts";

/**
 * The server's clock, microseconds since 1970. A physical replication connection has no SQL to ask it with, but the
 * server puts its time into each keepalive, and sends one when asked to. So this starts streaming for a moment.
 * @param position as the server just said
 * @throws {BtarError} those of connections
 */
export async function readServerClock(connection: ReplicationConnection, position: WalPosition): Promise<bigint> {
  connection.send(`START_REPLICATION PHYSICAL ${formatLsn(position.flushed)} TIMELINE ${position.timeline}`);
  let atMicros: bigint | undefined;
  for (;;) {
    const event = await connection.next();
    if (event.kind === "ready") break;
    if (event.kind === "copy-start") {
      connection.write(standbyStatusMessage({ written: 0n, flushed: 0n, wantsReply: true }));
    }
    if (event.kind !== "copy-data") continue;
    const head = await connection.payload(keepaliveBytes);
    if (head.toString("latin1", 0, 1) === "k" && head.length === keepaliveBytes && atMicros === undefined) {
      atMicros = parseKeepalive(head).sentAtMicros;
      connection.write(copyDoneMessage);
    }
  }
  if (atMicros === undefined) throw protocolViolation(connection.address, "no keepalive although one was asked for");
  return atMicros;
}
