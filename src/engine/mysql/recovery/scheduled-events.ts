import type { MysqlConnection } from "../connection.ts";
import { type ChangedEvent, type EventStatus, keyOf } from "./event-statements.ts";

interface ScheduledEvent {
  readonly schema: string;
  readonly name: string;
  readonly definer: string;
  readonly status: EventStatus;
  /** That its statement is written in. */
  readonly characterSet: string;
  readonly collation: string;
}

/** Which events a server has, and whether they run. */
export async function scheduledEvents(session: MysqlConnection): Promise<readonly ScheduledEvent[]> {
  const rows = await session.query(
    `SELECT event_schema AS place, event_name AS name, definer AS definer, status AS status,
       character_set_client AS client, collation_connection AS collation FROM information_schema.events`,
  );
  return rows.map(({ place, name, definer, status, client, collation }) => ({
    schema: place ?? "",
    name: name ?? "",
    definer: definer ?? "",
    status: statusOf(status ?? ""),
    characterSet: client ?? "",
    collation: collation ?? "",
  }));
}

/** Servers before 8.0.26 say SLAVESIDE_DISABLED. */
function statusOf(status: string): EventStatus {
  return status === "ENABLED" || status === "DISABLED" ? status : "REPLICA_SIDE_DISABLED";
}

/**
 * Has events that were made or changed by a log, which disables them where it is applied, run again as they did on the
 * source.
 * @param before the events that there were before the log was applied
 * @param changed what the log tells of them
 */
export async function settleEvents(
  session: MysqlConnection,
  before: readonly ScheduledEvent[],
  changed: readonly ChangedEvent[],
): Promise<void> {
  const earlier = new Map(before.map((event) => [keyOf(event), event.status]));
  const told = new Map(changed.map((event) => [keyOf(event), event]));
  for (const event of await scheduledEvents(session)) {
    const change = told.get(keyOf(event));
    const wanted = change?.status ?? earlier.get(keyOf(change?.was ?? event)) ?? "ENABLED";
    if (event.status !== "REPLICA_SIDE_DISABLED" || wanted === "REPLICA_SIDE_DISABLED") continue;
    await setStatus(session, event, wanted === "ENABLED" ? "ENABLE" : "DISABLE");
  }
  await session.query("SET NAMES utf8mb4");
}

/** An event takes over the character set of the session, by which what it does is read: it keeps its own. */
async function setStatus(session: MysqlConnection, event: ScheduledEvent, status: string): Promise<void> {
  const { schema, name, definer, characterSet, collation } = event;
  const at = definer.lastIndexOf("@");
  const account = `${quoteName(definer.slice(0, at))}@${quoteName(definer.slice(at + 1))}`;
  const statement = `ALTER DEFINER=${account} EVENT ${quoteName(schema)}.${quoteName(name)} ${status}`;
  await session.query("SET NAMES utf8mb4");
  await session.query("SET @btar_statement = ?", [statement]);
  await session.query("SET SESSION character_set_client = ?, collation_connection = ?", [characterSet, collation]);
  await session.query("PREPARE btar_statement FROM @btar_statement");
  await session.query("EXECUTE btar_statement");
}

function quoteName(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}
