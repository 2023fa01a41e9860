import { rename } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import { GtidSet } from "../../../domain/gtid-set.ts";
import { systemClock, throwIfCancelled } from "../../../platform/clock.ts";
import { giveTree, syncDirectory } from "../../../platform/files.ts";
import type { RunAs } from "../../run-as.ts";
import type { RecoveryProgress } from "../../server.ts";
import { formatPosition, unpackPosition } from "../binlog/binlog-position.ts";
import type { MysqlConnection, Row } from "../connection.ts";
import { keyringComponent } from "../server/installations.ts";
import { type RelayedLog, relayIndexName, relayLogName } from "./relay-logs.ts";
import { scheduledEvents, settleEvents } from "./scheduled-events.ts";

const pollMs = 50;
const workers = 4;
const noServer = 0xffff_ffff;
/** ER_CANNOT_FIND_KEY_IN_KEYRING */
const keyMissing = 3185;

/** Settings of a server that replays, whoever starts it. It writes no log of its own, and nobody can reach it. */
export function replaySettings(): Readonly<Record<string, string>> {
  return {
    skip_networking: "ON",
    skip_log_bin: "ON",
    skip_replica_start: "ON",
    event_scheduler: "DISABLED",
    // Events of a server with the same id would be passed over in silence.
    server_id: String(randomServerId(Math.random())),
    relay_log: relayLogName,
    relay_log_index: relayIndexName,
    relay_log_recovery: "OFF",
    relay_log_purge: "OFF",
    replica_parallel_workers: String(workers),
    // What the source took may have been by settings of its sessions, which its log does not tell.
    innodb_strict_mode: "OFF",
    loose_restrict_fk_on_non_standard_key: "OFF",
  };
}

/** Options of a server that replays, before those of my.cnf. */
export function replayOptions(): readonly string[] {
  return [
    ...Object.entries(replaySettings()).map(([name, value]) => `--${name}=${value}`),
    // A replay that is cut off begins anew from the files.
    "--innodb_flush_log_at_trx_commit=2",
    "--sync_binlog=0",
  ];
}

/** Statements that a server is prepared for a log with. */
export function replayStatements({ namesDirectories }: Pick<RelayedLog, "namesDirectories">): readonly string[] {
  if (!namesDirectories) return [passOverMissingRows];
  // Tables that the source made in directories of its own are made in the data directory. Programs that the log makes
  // keep the mode, so that it is taken only where it is needed.
  return [passOverMissingRows, "SET GLOBAL sql_mode = 'NO_DIR_IN_CREATE'"];
}

/**
 * Tables that InnoDB does not hold come empty. Where there are any, changes of rows that are not there are passed over
 * instead of ending the replay.
 */
const passOverMissingRows = `SET GLOBAL replica_exec_mode = (
  SELECT IF(COUNT(*) > 0, 'IDEMPOTENT', 'STRICT') FROM information_schema.tables
  WHERE table_type = 'BASE TABLE' AND engine <> 'InnoDB'
    AND table_schema NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema'))`;

/** A number that a server id of MySQL's can be, and hardly the source's. */
function randomServerId(random: number): number {
  return 1 + Math.floor(random * (noServer - 1));
}

export interface Replay {
  readonly session: MysqlConnection;
  readonly dataDirectory: string;
  readonly runAs: RunAs | undefined;
  readonly relayed: RelayedLog;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined;
}

/**
 * Has a running server apply relay logs that lie in a directory beside its files, and waits until all is applied.
 * Transactions that the files hold already are passed over.
 * @param directory of the relay logs
 * @throws {BtarError} RECOVERY_FAILED, CANCELLED
 */
export async function replayRelayLogs(directory: string, replay: Replay): Promise<void> {
  const { session, relayed, signal } = replay;
  // A source that was a replica itself has its own channels in its files; relay logs that are there go with them.
  await session.query("RESET REPLICA ALL");
  const [first] = relayed.files;
  if (first === undefined) return;
  await moveInto(directory, replay);
  await session.query(`CHANGE REPLICATION SOURCE TO SOURCE_HOST='btar', RELAY_LOG_FILE='${first}', RELAY_LOG_POS=4`);
  const eventsBefore = await scheduledEvents(session);
  for (const statement of replayStatements(relayed)) await session.query(statement);
  await session.query("START REPLICA SQL_THREAD");
  for (;;) {
    throwIfCancelled(signal);
    const missing = await session.queryRow("SELECT GTID_SUBTRACT(?, @@GLOBAL.gtid_executed) AS missing", [
      relayed.gtids.format(),
    ]);
    const left = GtidSet.parse(missing["missing"] ?? "");
    if (left.isEmpty) break;
    const [status] = await session.query("SHOW REPLICA STATUS");
    if (status) await refuseFailure(session, status);
    replay.onProgress?.(progressOf(relayed, status, left.count));
    await systemClock.sleep(pollMs, signal);
  }
  await session.query("STOP REPLICA");
  await session.query("RESET REPLICA ALL");
  await settleEvents(session, eventsBefore, relayed.events);
}

/** The server looks for them in its data directory only. */
async function moveInto(directory: string, { dataDirectory, runAs, relayed }: Replay): Promise<void> {
  if (runAs) await giveTree(directory, runAs);
  for (const name of [...relayed.files, relayIndexName]) {
    await rename(path.join(directory, name), path.join(dataDirectory, name));
  }
  await syncDirectory(dataDirectory);
}

async function refuseFailure(session: MysqlConnection, status: Row): Promise<void> {
  if ((status["Last_SQL_Errno"] ?? "0") === "0") return;
  const [worker] = await session.query(
    `SELECT last_error_number AS errno, last_error_message AS message
     FROM performance_schema.replication_applier_status_by_worker WHERE last_error_number != 0 LIMIT 1`,
  );
  const isKeyMissing = Number(worker?.["errno"] ?? status["Last_SQL_Errno"]) === keyMissing;
  throw new BtarError("RECOVERY_FAILED", {
    message: `MySQL ended its replay: ${worker?.["message"] ?? status["Last_SQL_Error"] ?? "it does not say why"}`,
    hint: isKeyMissing
      ? `the log encrypts tables: give this host a MySQL that has ${keyringComponent}.so`
      : "try another target, base backup or location",
  });
}

function progressOf(relayed: RelayedLog, status: Row | undefined, left: bigint): RecoveryProgress {
  const total = BigInt(relayed.transactionCount);
  const done = total > left ? total - left : 0n;
  const end = unpackPosition(relayed.end);
  const index = Math.max(0, relayed.files.indexOf(status?.["Relay_Log_File"] ?? ""));
  const file = end.file - (relayed.files.length - 1) + index;
  return {
    position: formatPosition("binlog", { file, offset: Number(status?.["Relay_Log_Pos"] ?? 0) }),
    end: formatPosition("binlog", end),
    fraction: total === 0n ? 1 : Number(done) / Number(total),
    transactions: `${done} of ${total} transactions`,
  };
}
