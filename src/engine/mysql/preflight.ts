import { isBtarError } from "../../domain/errors.ts";
import type { PreflightFinding, ServerAddress } from "../engine.ts";
import { MysqlConnection } from "./connection.ts";
import { addressForKeys, encryptedFileVariables, hasEncryptedTables } from "./encryption.ts";
import { findingsOf, type PreflightFacts } from "./preflight-rules.ts";
import { errnoOf, formatAddress } from "./server-error.ts";

const variables = [
  "log_bin",
  "server_id",
  "gtid_mode",
  "enforce_gtid_consistency",
  "sync_binlog",
  "log_replica_updates",
  "log_slave_updates",
  "max_allowed_packet",
  "default_table_encryption",
  ...encryptedFileVariables,
];

/** What the account may not see is not among them. Statistics are read anew, or else an empty table may have rows. */
const otherTablesQuery = `
  SELECT CONCAT('\`', table_schema, '\`.\`', table_name, '\`') AS name, engine AS engine
  FROM information_schema.tables
  WHERE table_type = 'BASE TABLE' AND engine NOT IN ('InnoDB', 'MEMORY', 'BLACKHOLE', 'PERFORMANCE_SCHEMA')
    AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') AND table_rows > 0
  ORDER BY table_schema, table_name`;

/**
 * Everything that an attached server lacks for backups, or endangers them with.
 * @throws {BtarError} CANCELLED; whatever the server refuses is a finding
 */
export async function preflight(
  address: ServerAddress,
  options: { readonly signal: AbortSignal },
): Promise<readonly PreflightFinding[]> {
  try {
    await using session = await MysqlConnection.open(address, options);
    return findingsOf(await readFacts(session));
  } catch (error) {
    return [connectionFinding(error, address)];
  }
}

async function readFacts(session: MysqlConnection): Promise<PreflightFacts> {
  const { version, account, roles } = await session.queryRow(
    "SELECT VERSION() AS version, CURRENT_USER() AS account, CURRENT_ROLE() AS roles",
  );
  const privileges = await readPrivileges(session, roles ?? "NONE");
  const [clone] = await session.query(
    "SELECT plugin_status AS status FROM information_schema.plugins WHERE plugin_name = 'clone'",
  );
  await session.query("SET SESSION information_schema_stats_expiry = 0");
  const otherTables = await session.query(otherTablesQuery);
  return {
    version: version ?? "",
    account: quotedAccount(account ?? ""),
    variables: await readVariables(session),
    clonePlugin: clone?.["status"] ?? undefined,
    privileges,
    logFilters: privileges.has("REPLICATION CLIENT") ? await readLogFilters(session) : [],
    otherTables: otherTables.map(({ name, engine }) => ({ name: name ?? "", engine: engine ?? "" })),
    hasEncryptedTables: await hasEncryptedTables(session),
    canSendKeys: addressForKeys(session.address) !== undefined,
  };
}

async function readVariables(session: MysqlConnection): Promise<ReadonlyMap<string, string>> {
  const names = variables.map((name) => `'${name}'`).join(", ");
  const rows = await session.query(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names}) OR Variable_name LIKE 'binlog%'`,
  );
  return new Map(rows.map(({ Variable_name: name, Value: value }) => [name ?? "", value ?? ""]));
}

/** @param roles that are active, as CURRENT_ROLE() writes them: quoted, or NONE */
async function readPrivileges(session: MysqlConnection, roles: string): Promise<ReadonlySet<string>> {
  const using = roles === "NONE" ? "" : ` USING ${roles}`;
  const rows = await session.query(`SHOW GRANTS FOR CURRENT_USER()${using}`);
  const onEverything = rows.flatMap((row) => {
    const [, list] = /^GRANT (.+) ON \*\.\* TO /.exec(Object.values(row)[0] ?? "") ?? [];
    return list?.split(/, ?/) ?? [];
  });
  // This stands for all but those that plugins and components bring.
  if (onEverything.includes("ALL PRIVILEGES")) onEverything.push("REPLICATION SLAVE", "REPLICATION CLIENT");
  return new Set(onEverything);
}

/** Empty where the server does not write a binary log. */
async function readLogFilters(session: MysqlConnection): Promise<readonly string[]> {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(session.serverVersion) ?? [];
  const isRenamed = Number(major) * 100 + Number(minor) >= 802;
  const [row] = await session.query(isRenamed ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
  return [
    ["binlog_do_db", row?.["Binlog_Do_DB"] ?? ""],
    ["binlog_ignore_db", row?.["Binlog_Ignore_DB"] ?? ""],
  ].flatMap(([name, databases]) => (databases === "" ? [] : [`${name} = ${databases}`]));
}

const attachWithTls = "attach it with ssl-mode=VERIFY_IDENTITY in the URI";

/** A refused or failed connection, as something that can be mended. */
function connectionFinding(error: unknown, address: ServerAddress): PreflightFinding {
  if (!isBtarError(error) || error.code === "CANCELLED") throw error;
  const finding = { severity: "error", message: error.message } as const;
  if (error.details["reason"] === "tls") return { ...finding, check: "tls", fix: error.hint ?? "" };
  const account = `'${address.user.replaceAll("'", "''")}'@'%'`;
  const orTls = address.tls.mode === "disable" ? ` -- or, if it requires TLS, ${attachWithTls}` : "";
  switch (errnoOf(error)) {
    case 1045: // ER_ACCESS_DENIED_ERROR
    case 1698: // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
      return { ...finding, check: "authentication", fix: `ALTER USER ${account} IDENTIFIED BY 'PASSWORD';${orTls}` };
    case 1130: // ER_HOST_NOT_PRIVILEGED
      return { ...finding, check: "authentication", fix: `CREATE USER ${account} IDENTIFIED BY 'PASSWORD';` };
    case 1044: // ER_DBACCESS_DENIED_ERROR
    case 1049: // ER_BAD_DB_ERROR
      return { ...finding, check: "database", fix: "leave the database out of the URI, or name another" };
    case 1040: // ER_CON_COUNT_ERROR
    case 1203: // ER_TOO_MANY_USER_CONNECTIONS
      return { ...finding, check: "connections", fix: error.hint ?? "" };
    case 3159: // ER_SECURE_TRANSPORT_REQUIRED
      return { ...finding, check: "tls", fix: attachWithTls };
    default: {
      const check = error.code === "SERVER_UNREACHABLE" ? "reachability" : "connection";
      return { ...finding, check, fix: error.hint ?? `look at the error log of ${formatAddress(address)}` };
    }
  }
}

/** `btar@%` as GRANT takes it. */
function quotedAccount(account: string): string {
  const at = account.lastIndexOf("@");
  return [account.slice(0, at), account.slice(at + 1)].map((part) => `'${part.replaceAll("'", "''")}'`).join("@");
}
