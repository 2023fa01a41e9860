import { type BtarError, isBtarError } from "../../domain/errors.ts";
import type { PreflightFinding, ServerAddress } from "../engine.ts";
import { ReplicationConnection } from "./replication-connection.ts";
import { newestMajorVersion, oldestMajorVersion } from "./server-description.ts";
import { formatAddress, sqlStateOf } from "./server-error.ts";
import { applicationName, SqlSession } from "./session.ts";

/** One connection receives the log; another one takes base backups. */
const neededSenders = 2;
/** With less room than this, a store that is away for minutes makes a gap in the log. */
const smallestSlotRoomMb = 1024;

/** What the server is set to, and what we are to it: one row, all as text. */
const factsQuery = `
  select current_setting('server_version') as version,
    current_setting('server_version_num') as version_num,
    current_setting('wal_level') as wal_level,
    current_setting('full_page_writes') as full_page_writes,
    current_setting('fsync') as fsync,
    current_setting('data_checksums') as data_checksums,
    current_setting('synchronous_standby_names') as synchronous_standby_names,
    current_setting('max_wal_senders') as max_senders,
    (select count(*) from pg_stat_replication)::text as used_senders,
    current_setting('max_replication_slots') as max_slots,
    (select count(*) from pg_replication_slots)::text as used_slots,
    (select setting from pg_settings where name = 'max_slot_wal_keep_size') as slot_room_mb,
    (select setting from pg_settings where name = 'summarize_wal') as summarize_wal,
    coalesce((select setting from pg_settings where name = 'idle_replication_slot_timeout'), '0') as slot_timeout,
    (select rolreplication or rolsuper from pg_roles where rolname = current_user)::text as may_replicate,
    host(coalesce(inet_client_addr(), '127.0.0.1')) as client_address`;

type Facts = Readonly<Record<string, string | null>>;

/**
 * Everything that an attached server lacks for backups, or endangers them with.
 * @throws {BtarError} CANCELLED; whatever the server refuses is a finding
 */
export async function preflight(
  address: ServerAddress,
  options: { readonly signal: AbortSignal },
): Promise<readonly PreflightFinding[]> {
  let facts: Facts;
  try {
    await using session = await SqlSession.open(address, options);
    facts = (await session.query(factsQuery))[0] ?? {};
  } catch (error) {
    return [connectionFinding(error, address, { isReplication: false, client: undefined })];
  }
  const findings = [...serverFindings(facts), ...durabilityFindings(facts), ...slotFindings(facts)];
  if (facts["may_replicate"] !== "true") {
    return [...findings, lacksReplication(address, String(facts["may_replicate"]))];
  }
  return [...findings, ...(await replicationFindings(address, facts, options.signal))];
}

/** Whether a replication connection can be made; a line for databases in pg_hba.conf does not allow it. */
async function replicationFindings(
  address: ServerAddress,
  facts: Facts,
  signal: AbortSignal,
): Promise<readonly PreflightFinding[]> {
  const client = facts["client_address"] ?? undefined;
  try {
    await using connection = await ReplicationConnection.open(address, { signal });
    return connection.usedPassword ? [] : [letInWithoutPassword(address, client)];
  } catch (error) {
    // Then the server had no sender left, which is among the findings already.
    if (sqlStateOf(error) === "53300" && Number(facts["max_senders"]) < neededSenders) return [];
    return [connectionFinding(error, address, { isReplication: true, client })];
  }
}

function serverFindings(facts: Facts): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  const major = Math.floor(Number(facts["version_num"]) / 10_000);
  if (!(major >= oldestMajorVersion && major <= newestMajorVersion)) {
    findings.push({
      check: "version",
      severity: "error",
      message: `the server is PostgreSQL ${facts["version"]}; btar backs up ${oldestMajorVersion} to ${newestMajorVersion}`,
      fix: `upgrade the server to PostgreSQL ${oldestMajorVersion} to ${newestMajorVersion}`,
    });
  }
  if (facts["wal_level"] === "minimal") {
    findings.push({
      check: "wal_level",
      severity: "error",
      message: "wal_level is minimal, so the log does not hold all changes; it should be replica or logical",
      fix: "ALTER SYSTEM SET wal_level = 'replica'; -- then restart",
    });
  }
  const maxSenders = Number(facts["max_senders"]);
  const freeSenders = maxSenders - Number(facts["used_senders"]);
  if (freeSenders < neededSenders) {
    findings.push({
      check: "senders",
      severity: "error",
      message: `max_wal_senders is ${maxSenders} and ${Math.max(0, freeSenders)} are free; btar needs ${neededSenders}`,
      fix: `ALTER SYSTEM SET max_wal_senders = ${maxSenders + neededSenders - freeSenders}; -- then restart`,
    });
  }
  if (facts["summarize_wal"] === "off") {
    findings.push({
      check: "summarize_wal",
      severity: "warning",
      message: "summarize_wal is off: each base backup reads the whole database, not only what has changed",
      fix: "ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf();",
    });
  }
  return findings;
}

function slotFindings(facts: Facts): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  const maxSlots = Number(facts["max_slots"]);
  const usedSlots = Number(facts["used_slots"]);
  if (usedSlots >= maxSlots) {
    findings.push({
      check: "slots",
      severity: "error",
      message: `max_replication_slots is ${maxSlots} and all are in use; btar needs one`,
      fix: `ALTER SYSTEM SET max_replication_slots = ${usedSlots + 1}; -- then restart`,
    });
  }
  const roomMb = Number(facts["slot_room_mb"]);
  if (roomMb < 0) {
    findings.push({
      check: "max_slot_wal_keep_size",
      severity: "warning",
      message: "max_slot_wal_keep_size is -1: while btar is away, the log that waits for it can fill the server's disk",
      fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();",
    });
  } else if (roomMb < smallestSlotRoomMb) {
    findings.push({
      check: "max_slot_wal_keep_size",
      severity: "warning",
      message: `max_slot_wal_keep_size is ${roomMb} MB: when btar is away for more log than that, the log gets a gap`,
      fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();",
    });
  }
  if (facts["slot_timeout"] !== "0") {
    findings.push({
      check: "idle_replication_slot_timeout",
      severity: "warning",
      message: "idle_replication_slot_timeout is set: when btar is away for longer, the log gets a gap",
      fix: "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();",
    });
  }
  return findings;
}

function durabilityFindings(facts: Facts): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  if (facts["full_page_writes"] === "off") {
    findings.push({
      check: "full_page_writes",
      severity: "error",
      message: "full_page_writes is off: pages that change during a base backup could not be restored",
      fix: "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();",
    });
  }
  if (facts["fsync"] === "off") {
    findings.push({
      check: "fsync",
      severity: "warning",
      message: "fsync is off: after a crash the server may go back to before the stored log, and the log gets a gap",
      fix: "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
    });
  }
  if (facts["data_checksums"] === "off") {
    findings.push({
      check: "data_checksums",
      severity: "warning",
      message: "data checksums are off: pages that the server's disk has damaged are backed up unnoticed",
      fix: "pg_checksums --enable -D DATA_DIRECTORY # with the server stopped",
    });
  }
  const standbys = facts["synchronous_standby_names"] ?? "";
  if (new RegExp(`\\*|\\b${applicationName}\\b`).test(standbys)) {
    findings.push({
      check: "synchronous_standby_names",
      severity: "warning",
      message: `synchronous_standby_names is ${standbys}, which includes btar: commits may wait until btar has stored them`,
      fix: "ALTER SYSTEM SET synchronous_standby_names = 'NAMES_OF_YOUR_STANDBYS'; SELECT pg_reload_conf();",
    });
  }
  return findings;
}

function lacksReplication(address: ServerAddress, attribute: string): PreflightFinding {
  return {
    check: "privilege",
    severity: "error",
    message: `role ${address.user} may not replicate (rolreplication is ${attribute})`,
    fix: `ALTER ROLE ${quoted(address.user)} REPLICATION;`,
  };
}

function letInWithoutPassword(address: ServerAddress, client: string | undefined): PreflightFinding {
  return {
    check: "authentication",
    severity: "warning",
    message: `the server lets ${address.user} replicate from ${client ?? "here"} without a password: so may others there`,
    fix: `${hbaLine(address, "replication", client)} # in place of the line with trust in pg_hba.conf, then SELECT pg_reload_conf();`,
  };
}

/** A refused or failed connection, as something that can be mended. */
function connectionFinding(
  error: unknown,
  address: ServerAddress,
  to: { readonly isReplication: boolean; readonly client: string | undefined },
): PreflightFinding {
  if (!isBtarError(error) || error.code === "CANCELLED") throw error;
  const finding = { severity: "error", message: error.message } as const;
  const what = to.isReplication ? "replication" : address.database;
  if (error.details["reason"] === "tls") return { ...finding, check: "tls", fix: error.hint ?? "" };
  switch (sqlStateOf(error)) {
    case "28P01":
      return {
        ...finding,
        check: "authentication",
        fix: `ALTER ROLE ${quoted(address.user)} LOGIN PASSWORD 'PASSWORD';`,
      };
    case "28000":
      return {
        ...finding,
        check: "pg_hba",
        fix: `${hbaLine(address, what, to.client)} # in pg_hba.conf, then SELECT pg_reload_conf();`,
      };
    case "3D000":
      return { ...finding, check: "database", fix: `CREATE DATABASE ${quoted(address.database)}; -- or name another` };
    case "42501":
      return { ...finding, check: "privilege", fix: `ALTER ROLE ${quoted(address.user)} REPLICATION;` };
    case "53300":
      return { ...finding, check: to.isReplication ? "senders" : "connections", fix: error.hint ?? "" };
    default:
      return {
        ...finding,
        check: connectionCheck(error),
        fix: error.hint ?? `look at the log of ${formatAddress(address)}`,
      };
  }
}

function connectionCheck(error: BtarError): string {
  if (error.code === "SERVER_UNREACHABLE") return "reachability";
  return error.code === "SERVER_PROTOCOL" ? "protocol" : "connection";
}

/** The line that lets us in. `client` is our address as the server sees it. */
function hbaLine(address: ServerAddress, database: string, client: string | undefined): string {
  const type = address.tls.mode === "disable" ? "host" : "hostssl";
  const from = client === undefined ? "ADDRESS" : `${client}/${client.includes(":") ? 128 : 32}`;
  const name = database === "replication" ? database : quoted(database);
  return `${type} ${name} ${quoted(address.user)} ${from} scram-sha-256`;
}

/** Names that need no quotes stay as people write them; SQL and pg_hba.conf quote the others alike. */
function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
