import type { PreflightFinding } from "../engine.ts";
import { encryptedFileVariables } from "./encryption.ts";
import { oldestVersionNumber, parseVersion } from "./server-description.ts";

/** With less time than this, an agent that is away over night makes a gap in the log. */
const shortestExpirySeconds = 24 * 3600;
/** The clone plugin sends in packets of up to this. */
const smallestPacketBytes = 2 * 1024 * 1024;
/** Newest series that is known here. */
const newestVersionNumber = 90_799;
/** So many tables are named to people. */
const tablesNamed = 5;

/** What a server says that is looked at; names as MySQL has them. */
export interface PreflightFacts {
  readonly version: string;
  /** As `GRANT` takes it: `` `btar`@`%` ``. */
  readonly account: string;
  /** Global variables; those that the version does not have are missing. */
  readonly variables: ReadonlyMap<string, string>;
  readonly clonePlugin: string | undefined;
  /** Privileges that the account has on everything, its active roles' included. */
  readonly privileges: ReadonlySet<string>;
  /** What the binary log is restricted to: `binlog_do_db`, `binlog_ignore_db`. */
  readonly logFilters: readonly string[];
  /** Tables with rows that no clone carries, with their engines. */
  readonly otherTables: readonly { readonly name: string; readonly engine: string }[];
  readonly hasEncryptedTables: boolean;
  /** Whether it would send the keys of encrypted data: over TLS, or within this host. */
  readonly canSendKeys: boolean;
}

/** Everything that a server lacks for backups, or endangers them with. */
export function findingsOf(facts: PreflightFacts): readonly PreflightFinding[] {
  return [
    ...versionFindings(facts),
    ...privilegeFindings(facts),
    ...cloneFindings(facts),
    ...logFindings(facts),
    ...durabilityFindings(facts),
    ...tlsFindings(facts),
  ];
}

function versionFindings({ version }: PreflightFacts): readonly PreflightFinding[] {
  const parsed = parseVersion(version);
  if (!parsed || parsed.versionNumber < oldestVersionNumber) {
    const message = `the server is ${parsed ? "MySQL " : ""}${version}; btar backs up MySQL 8.0.17 and later`;
    return [{ check: "version", severity: "error", message, fix: "upgrade the server to MySQL 8.0.17 or later" }];
  }
  if (parsed.versionNumber <= newestVersionNumber) return [];
  const message = `the server is MySQL ${version}, which is newer than what btar was tried with (9.7)`;
  return [{ check: "version", severity: "warning", message, fix: "try a fork before you rely on its backups" }];
}

const neededPrivileges = ["BACKUP_ADMIN", "REPLICATION SLAVE", "REPLICATION CLIENT"] as const;

function privilegeFindings({ account, privileges }: PreflightFacts): readonly PreflightFinding[] {
  const missing = neededPrivileges.filter((privilege) => !privileges.has(privilege));
  if (missing.length === 0) return [];
  const list = missing.join(", ");
  return [
    {
      check: "privilege",
      severity: "error",
      message: `${account} lacks ${list} (roles count as far as they are active when it logs in)`,
      fix: `GRANT ${list} ON *.* TO ${account};`,
    },
  ];
}

function cloneFindings(facts: PreflightFacts): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  if (facts.clonePlugin !== "ACTIVE") {
    const state = facts.clonePlugin === undefined ? "not installed" : facts.clonePlugin.toLowerCase();
    findings.push({
      check: "clone_plugin",
      severity: "error",
      message: `the clone plugin is ${state}: base backups are read with it`,
      fix: "INSTALL PLUGIN clone SONAME 'mysql_clone.so';",
    });
  }
  const packetBytes = numberOf(facts, "max_allowed_packet");
  if (packetBytes !== undefined && packetBytes < smallestPacketBytes) {
    findings.push({
      check: "max_allowed_packet",
      severity: "error",
      message: `max_allowed_packet is ${packetBytes}; cloning needs ${smallestPacketBytes}`,
      fix: "SET PERSIST max_allowed_packet = 67108864;",
    });
  }
  if (facts.otherTables.length > 0) findings.push(otherEngines(facts.otherTables));
  return findings;
}

function otherEngines(tables: PreflightFacts["otherTables"]): PreflightFinding {
  const [first] = tables;
  const named = tables.slice(0, tablesNamed).map(({ name, engine }) => `${name} (${engine})`);
  const more = tables.length > named.length ? `, and ${tables.length - named.length} more` : "";
  return {
    check: "engine",
    severity: "warning",
    message: `base backups hold InnoDB only; the rows of these tables come back empty: ${named.join(", ")}${more}`,
    fix: `ALTER TABLE ${first?.name ?? "TABLE"} ENGINE = InnoDB;${tables.length > 1 ? " -- and the others" : ""}`,
  };
}

function logFindings(facts: PreflightFacts): readonly PreflightFinding[] {
  if (!isOn(facts, "log_bin")) {
    const fix = "log_bin = binlog # in my.cnf, in place of skip_log_bin; then restart";
    return [{ check: "log_bin", severity: "error", message: "the server writes no binary log", fix }];
  }
  const findings: PreflightFinding[] = [];
  if (facts.variables.get("server_id") === "0") {
    const message = "server_id is 0: the server sends its binary log to nobody";
    findings.push({ check: "server_id", severity: "error", message, fix: "SET PERSIST server_id = 1;" });
  }
  findings.push(...gtidFindings(facts));
  const format = facts.variables.get("binlog_format") ?? "ROW";
  if (format !== "ROW") {
    findings.push({
      check: "binlog_format",
      severity: "error",
      message: `binlog_format is ${format}: statements may have another effect when they are replayed; it should be ROW`,
      fix: "SET PERSIST binlog_format = 'ROW'; -- sessions that are open keep theirs",
    });
  }
  const image = facts.variables.get("binlog_row_image") ?? "FULL";
  if (image !== "FULL") {
    findings.push({
      check: "binlog_row_image",
      severity: "warning",
      message: `binlog_row_image is ${image}: changes are replayed by the columns that are logged; it should be FULL`,
      fix: "SET PERSIST binlog_row_image = 'FULL';",
    });
  }
  if (facts.logFilters.length > 0) {
    findings.push({
      check: "binlog_filter",
      severity: "error",
      message: `the binary log leaves databases out: ${facts.logFilters.join(", ")}`,
      fix: "remove binlog_do_db and binlog_ignore_db from my.cnf, then restart",
    });
  }
  return [...findings, ...expiryFindings(facts)];
}

const gtidModes = ["OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"];

function gtidFindings(facts: PreflightFacts): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  const consistency = facts.variables.get("enforce_gtid_consistency") ?? "";
  if (consistency !== "ON") {
    findings.push({
      check: "enforce_gtid_consistency",
      severity: "error",
      message: `enforce_gtid_consistency is ${consistency}; it should be ON`,
      fix: "SET PERSIST enforce_gtid_consistency = 'ON';",
    });
  }
  const mode = facts.variables.get("gtid_mode") ?? "";
  if (mode !== "ON") {
    const steps = gtidModes.slice(Math.max(0, gtidModes.indexOf(mode)) + 1);
    findings.push({
      check: "gtid_mode",
      severity: "error",
      message: `gtid_mode is ${mode}: a recovery tells by GTIDs which transactions a base backup holds; it should be ON`,
      fix: steps.map((step) => `SET PERSIST gtid_mode = '${step}';`).join(" "),
    });
  }
  return findings;
}

function expiryFindings(facts: PreflightFacts): readonly PreflightFinding[] {
  const seconds = numberOf(facts, "binlog_expire_logs_seconds") ?? 0;
  const isKept = seconds === 0 || facts.variables.get("binlog_expire_logs_auto_purge") === "OFF";
  if (isKept || seconds >= shortestExpirySeconds) return [];
  return [
    {
      check: "binlog_expire_logs_seconds",
      severity: "warning",
      message: `binlog_expire_logs_seconds is ${seconds}: when btar is away for longer, the log gets a gap`,
      fix: "SET PERSIST binlog_expire_logs_seconds = 259200; -- three days",
    },
  ];
}

function durabilityFindings(facts: PreflightFacts): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  const sync = facts.variables.get("sync_binlog");
  if (isOn(facts, "log_bin") && sync !== undefined && sync !== "1") {
    findings.push({
      check: "sync_binlog",
      severity: "warning",
      message: `sync_binlog is ${sync}: when its host crashes, the server may lose log that is stored, and the log gets a gap`,
      fix: "SET PERSIST sync_binlog = 1;",
    });
  }
  if (facts.variables.get("binlog_checksum") === "NONE") {
    findings.push({
      check: "binlog_checksum",
      severity: "warning",
      message: "binlog_checksum is NONE: log that the server's disk has damaged is stored unnoticed",
      fix: "SET PERSIST binlog_checksum = 'CRC32';",
    });
  }
  const updates = facts.variables.get("log_replica_updates") ?? facts.variables.get("log_slave_updates");
  if (updates === "OFF") {
    findings.push({
      check: "log_replica_updates",
      severity: "warning",
      message: "log_replica_updates is OFF: what the server takes from another one as a replica is not in its log",
      fix: "log_replica_updates = ON # in my.cnf, then restart; not needed if the server is no replica",
    });
  }
  return findings;
}

function tlsFindings(facts: PreflightFacts): readonly PreflightFinding[] {
  if (facts.canSendKeys) return [];
  const encrypting = ["default_table_encryption", ...encryptedFileVariables].filter((name) => isOn(facts, name));
  if (encrypting.length === 0 && !facts.hasEncryptedTables) return unseenFindings(facts);
  const what = encrypting.length > 0 ? `${encrypting.join(" and ")} is ON` : "some tables are encrypted";
  return [
    {
      check: "tls",
      severity: "error",
      message: `${what}, and MySQL clones encrypted data over TLS only`,
      fix: "attach it with ssl-mode=VERIFY_IDENTITY, VERIFY_CA or REQUIRED in the URI",
    },
  ];
}

function unseenFindings({ account, privileges }: PreflightFacts): readonly PreflightFinding[] {
  if (privileges.has("PROCESS") || privileges.has("ALL PRIVILEGES")) return [];
  return [
    {
      check: "tls",
      severity: "warning",
      message: `MySQL clones encrypted data over TLS only, and ${account} cannot see whether there is any`,
      fix: `attach it with ssl-mode=VERIFY_IDENTITY in the URI; or, to have it looked for, GRANT PROCESS ON *.* TO ${account};`,
    },
  ];
}

function isOn({ variables }: PreflightFacts, name: string): boolean {
  return variables.get(name) === "ON" || variables.get(name) === "1";
}

function numberOf({ variables }: PreflightFacts, name: string): number | undefined {
  const text = variables.get(name);
  return text === undefined ? undefined : Number(text);
}
