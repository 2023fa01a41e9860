import type { ServerSpec } from "../../server.ts";
import type { ServerDirectory } from "./directory.ts";
import { askedNumber, invalidSetting, type SettingValue } from "../../user-settings.ts";
import { userSettings } from "./user-settings.ts";

const mib = 1024 * 1024;

/** Facts of the server, besides its spec, that its configuration depends on. */
export interface ConfigurationContext {
  readonly directory: ServerDirectory;
  readonly walSegmentBytes: number;
  /** The programs have the pg_stat_statements library. */
  readonly hasStatStatements: boolean;
}

/**
 * The whole postgresql.conf of a managed server. Settings that are not in it have PostgreSQL's own defaults.
 * @throws {BtarError} INVALID_USER_CONFIG
 */
export function postgresqlConf(spec: ServerSpec, context: ConfigurationContext): string {
  const settings = new Map<string, SettingValue>([
    ...connectionSettings(spec, context.directory),
    ...memorySettings(spec),
    ...logSettings(spec, context),
    ...(context.hasStatStatements ? [["shared_preload_libraries", "pg_stat_statements"] as const] : []),
    ...userSettings(spec.userConfig),
  ]);
  if (!context.hasStatStatements) settings.delete("pg_stat_statements.track");
  const lines = [...settings].map(([name, value]) => `${name} = ${quoteSetting(name, value)}`);
  return ["# Written by btar, whole, at each change of the service: edits are lost.", ...lines, ""].join("\n");
}

/** A value as postgresql.conf takes it: quoted, with quotes and backslashes doubled. */
export function quoteSetting(name: string, value: SettingValue): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number") return String(value);
  if (/[\p{Cc}]/u.test(value)) throw invalidSetting(`pg.${name}`, value, "text without control characters");
  return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

function connectionSettings(spec: ServerSpec, directory: ServerDirectory): [string, SettingValue][] {
  return [
    ["cluster_name", asciiName(spec.serviceName)],
    ["listen_addresses", listenAddresses(spec.listenHost)],
    ["port", spec.port],
    // TCP only: the path of a socket below a data directory is often too long for the system.
    ["unix_socket_directories", ""],
    ["max_connections", defaultConnections(spec.memoryMb)],
    ["superuser_reserved_connections", 5],
    ["ssl", true],
    ["ssl_cert_file", directory.certificate],
    ["ssl_key_file", directory.privateKey],
    ["ssl_min_protocol_version", "TLSv1.2"],
    ["password_encryption", "scram-sha-256"],
  ];
}

function memorySettings(spec: ServerSpec): [string, SettingValue][] {
  const percentage = askedNumber(spec.userConfig, "shared_buffers_percentage", { min: 20, max: 60 }) ?? 25;
  const workMemMb = askedNumber(spec.userConfig, "work_mem", { min: 1, max: 1024 }) ?? defaultWorkMemMb(spec.memoryMb);
  return [
    ["shared_buffers", `${Math.max(16, Math.floor((spec.memoryMb * percentage) / 100))}MB`],
    ["effective_cache_size", `${Math.max(32, Math.floor(spec.memoryMb * 0.7))}MB`],
    ["work_mem", `${workMemMb}MB`],
    ["maintenance_work_mem", `${Math.min(1024, Math.max(16, Math.floor(spec.memoryMb / 16)))}MB`],
  ];
}

function logSettings(spec: ServerSpec, context: ConfigurationContext): [string, SettingValue][] {
  const segmentMb = context.walSegmentBytes / mib;
  return [
    // What base backups and the log stream need.
    ["wal_level", "replica"],
    ["archive_mode", false],
    ["max_wal_senders", 20],
    ["max_replication_slots", 20],
    ...(Number(spec.majorVersion) >= 17 ? [["summarize_wal", true] as [string, SettingValue]] : []),
    // PostgreSQL refuses to start with less than two segments.
    ["min_wal_size", `${Math.max(80, 2 * segmentMb)}MB`],
    ["max_wal_size", `${Math.max(1024, 2 * segmentMb)}MB`],
    // The server's own log is its standard error, a file that btar opens: see server-log.ts, which reads it.
    ["log_destination", "stderr"],
    ["logging_collector", false],
    ["log_line_prefix", "%m [%p] %q%u@%d "],
    ["log_timezone", "UTC"],
    ["log_checkpoints", true],
    ["log_lock_waits", true],
    ["lc_messages", "C"],
    ["timezone", "UTC"],
  ];
}

/** The internal account connects to 127.0.0.1 whatever the server listens on besides. */
function listenAddresses(listenHost: string): string {
  const coversLoopback = ["*", "0.0.0.0", "127.0.0.1", "localhost"].includes(listenHost);
  return coversLoopback ? listenHost : `${listenHost},127.0.0.1`;
}

/** 50 and up, one more for every 20 MB. */
function defaultConnections(memoryMb: number): number {
  return Math.max(50, Math.min(1000, Math.floor(memoryMb / 20)));
}

/** 1 MB, one more for every 1.3 GB, 32 at the most. */
function defaultWorkMemMb(memoryMb: number): number {
  return Math.min(32, 1 + Math.floor(memoryMb * 0.00075));
}

/** cluster_name takes 63 bytes of printable ASCII. */
function asciiName(name: string): string {
  return name.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 63);
}
