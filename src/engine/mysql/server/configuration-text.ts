import { createHash } from "node:crypto";
import type { ServerSpec } from "../../server.ts";
import type { ServerDirectory, ServerState } from "./directory.ts";
import { askedNumber, invalidSetting, type SettingValue } from "../../user-settings.ts";
import { type ChangeMoment, changeMomentOf, userSettings } from "./user-settings.ts";

const mib = 1024 * 1024;

/** A line of my.cnf. */
export interface Setting {
  readonly name: string;
  readonly value: SettingValue;
  /** When a change of its value comes into force. */
  readonly changes: ChangeMoment;
}

/** Facts of the server, besides its spec, that its configuration depends on. */
export interface ConfigurationContext {
  readonly directory: ServerDirectory;
  readonly fileSettings: ServerState["fileSettings"];
  /** Of the programs, such as `8.0.28`. */
  readonly version: string;
}

/**
 * All settings of a managed server. Those that are not among them have MySQL's own defaults. Where its programs find
 * their parts is said on their command line.
 * @throws {BtarError} INVALID_USER_CONFIG
 */
export function serverSettings(spec: ServerSpec, context: ConfigurationContext): readonly Setting[] {
  const settings = new Map<string, Setting>();
  const add = (changes: ChangeMoment, values: Readonly<Record<string, SettingValue>>) => {
    for (const [name, value] of Object.entries(values)) settings.set(name, { name, value, changes });
  };
  add("never", placeSettings(context.directory));
  add("restart", connectionSettings(spec));
  add("never", securitySettings);
  add("never", logSettings);
  add("online", { ...purgeSettings(spec, context.version), ...memorySettings(spec), ...defaultSettings(spec) });
  add("restart", { innodb_read_io_threads: 4, innodb_write_io_threads: 4, innodb_rollback_on_timeout: false });
  for (const [name, value] of userSettings(spec.userConfig)) add(changeMomentOf(name), { [name]: value });
  refuseOtherFiles(settings, context.fileSettings);
  add("never", context.fileSettings);
  return [...settings.values()];
}

/**
 * The text of my.cnf. The server starts in offline mode, where it lets nobody in but btar: who may come, btar says once
 * it answers, since a line of an option file is too short for it.
 */
export function myCnf(settings: readonly Setting[]): string {
  const lines = settings.map(({ name, value }) => `${name} = ${quoteSetting(name, value)}`);
  const head = [
    "# Written by btar, whole, at each change of the service: edits are lost.",
    "[mysqld]",
    "offline_mode = ON",
  ];
  return [...head, ...lines, ""].join("\n");
}

/**
 * A value as option files take it: quoted, with backslashes doubled; quotes within need nothing.
 * @see https://dev.mysql.com/doc/refman/9.7/en/option-files.html
 */
export function quoteSetting(name: string, value: SettingValue): string {
  if (typeof value === "boolean") return value ? "ON" : "OFF";
  if (typeof value === "number") return String(value);
  if (/[\p{Cc}]/u.test(value)) throw invalidSetting(`mysql.${name}`, value, "text without control characters");
  return `"${value.replaceAll("\\", "\\\\")}"`;
}

function placeSettings(directory: ServerDirectory): Readonly<Record<string, SettingValue>> {
  return {
    datadir: directory.data,
    tmpdir: directory.temporary,
    // Relative to the data directory: whole, its path is often too long for the system.
    socket: "mysql.sock",
    pid_file: directory.pidFile,
    ssl_cert: directory.certificate,
    ssl_key: directory.privateKey,
  };
}

function connectionSettings(spec: ServerSpec): Readonly<Record<string, SettingValue>> {
  return { port: spec.port, bind_address: spec.listenHost, server_id: serverId(spec) };
}

const securitySettings: Readonly<Record<string, SettingValue>> = {
  // TLS for everybody who comes by TCP; btar comes by the socket.
  require_secure_transport: true,
  tls_version: "TLSv1.2,TLSv1.3",
  auto_generate_certs: false,
  skip_name_resolve: true,
  // Nothing that is not in this file outlasts a restart.
  persisted_globals_load: false,
  // Administrators have rights everywhere but in MySQL's own tables.
  partial_revokes: true,
  secure_file_priv: "NULL",
  mysqlx: false,
};

const logSettings: Readonly<Record<string, SettingValue>> = {
  // What base backups and the log stream need.
  loose_plugin_load_add: "mysql_clone.so",
  log_bin: "binlog",
  loose_binlog_format: "ROW",
  gtid_mode: "ON",
  enforce_gtid_consistency: "ON",
  sync_binlog: 1,
  innodb_flush_log_at_trx_commit: 1,
  // Small enough that the room of what is backed up comes back soon.
  max_binlog_size: 256 * mib,
};

/**
 * The server itself never removes binary logs: btar does, once they are stored, and then after
 * `binlog_retention_period`, which `binlog_expire_logs_seconds` keeps for it.
 */
function purgeSettings(spec: ServerSpec, version: string): Readonly<Record<string, SettingValue>> {
  const range = { min: 600, max: 4_294_967_295 };
  const seconds = askedNumber(spec.userConfig, "binlog_retention_period", range) ?? range.min;
  // The switch came with 8.0.29; before, only 0 seconds turn it off.
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  if (major === 8 && minor === 0 && patch < 29) return { binlog_expire_logs_seconds: 0 };
  return { binlog_expire_logs_auto_purge: false, binlog_expire_logs_seconds: seconds };
}

/** A server has some 400 MiB besides its buffer pool, more than half of them for what it measures of itself. */
function memorySettings(spec: ServerSpec): Readonly<Record<string, SettingValue>> {
  const poolMb = Math.max(64, Math.floor((spec.memoryMb - 400) * 0.6));
  // The server rounds up to chunks of 128 MiB.
  const roundedMb = poolMb < 128 ? poolMb : Math.floor(poolMb / 128) * 128;
  return { innodb_buffer_pool_size: roundedMb * mib };
}

function defaultSettings(spec: ServerSpec): Readonly<Record<string, SettingValue>> {
  return {
    max_connections: defaultConnections(spec.memoryMb),
    default_time_zone: "+00:00",
    log_output: "NONE",
    max_allowed_packet: 64 * mib,
    // Port scanners and health checks are no reason to shut a host out.
    max_connect_errors: 1_000_000,
  };
}

/** 50 and up, one more for every 20 MB. */
function defaultConnections(memoryMb: number): number {
  return Math.max(50, Math.min(1000, Math.floor(memoryMb / 20)));
}

/** Servers that replicate from one another must differ in it; what is copied from a service has another name. */
function serverId(spec: ServerSpec): number {
  return createHash("sha256").update(`${spec.serviceName}:${spec.port}`).digest().readUInt32LE() || 1;
}

function refuseOtherFiles(settings: ReadonlyMap<string, Setting>, fileSettings: ServerState["fileSettings"]): void {
  for (const [name, value] of Object.entries(fileSettings)) {
    const asked = settings.get(name)?.value;
    if (asked === undefined || String(asked) === value) continue;
    throw invalidSetting(`mysql.${name}`, asked, `${value}, which the server was made with`);
  }
}
