import { quoteSetting } from "../server/configuration-text.ts";
import type { ServerDirectory } from "../server/directory.ts";
import type { SettingValue } from "../../user-settings.ts";

const mib = 1024 * 1024;

/** What a recipient must have like its donor, or MySQL refuses to clone. */
export interface RecipientSettings {
  readonly innodb_page_size: string;
  readonly character_set_server: string;
  readonly character_set_filesystem: string;
  readonly collation_server: string;
}

/** The text of its my.cnf. */
export function recipientCnf(directory: ServerDirectory, settings: RecipientSettings): string {
  const all = { ...placeSettings(directory), ...privateSettings, ...cloneSettings, ...smallSettings, ...settings };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${quoteSetting(name, value)}`);
  return ["# Written by btar, for as long as a clone takes.", "[mysqld]", ...lines, ""].join("\n");
}

function placeSettings(directory: ServerDirectory): Readonly<Record<string, SettingValue>> {
  return {
    datadir: directory.data,
    tmpdir: directory.temporary,
    // Relative to the data directory: whole, its path is often too long for the system.
    socket: "mysql.sock",
    pid_file: directory.pidFile,
    loose_clone_ssl_ca: directory.certificate,
  };
}

/** The statement that clones has a password in it: nothing keeps statements, and nobody else comes in. */
const privateSettings: Readonly<Record<string, SettingValue>> = {
  skip_networking: true,
  mysqlx: false,
  skip_log_bin: true,
  general_log: false,
  slow_query_log: false,
  log_output: "NONE",
  performance_schema_max_sql_text_length: 0,
  persisted_globals_load: false,
  secure_file_priv: "NULL",
  auto_generate_certs: false,
  event_scheduler: false,
  // What it tells of a clone's course is at this level.
  log_error_verbosity: 3,
  loose_plugin_load_add: "mysql_clone.so",
};

/** Connections that data comes by. */
export const recipientStreamCount = 2;

const cloneSettings: Readonly<Record<string, SettingValue>> = {
  loose_clone_block_ddl: false,
  loose_clone_autotune_concurrency: false,
  loose_clone_max_concurrency: recipientStreamCount,
};

/** It holds no data of its own, and measures nothing but the clone: 240 MB instead of 540. */
const smallSettings: Readonly<Record<string, SettingValue>> = {
  max_connections: 8,
  table_open_cache: 32,
  table_definition_cache: 400,
  thread_cache_size: 0,
  innodb_buffer_pool_size: 32 * mib,
  innodb_log_buffer_size: 4 * mib,
  loose_innodb_redo_log_capacity: 64 * mib,
  // Lost with the machine is lost anyway; what it writes is read again soon, from the system's memory.
  innodb_doublewrite: false,
  innodb_flush_log_at_trx_commit: 0,
  innodb_flush_method: "fsync",
  performance_schema: true,
  performance_schema_instrument: "%=OFF",
  ...Object.fromEntries(
    [
      "accounts_size",
      "digests_size",
      "error_size",
      "events_stages_history_long_size",
      "events_statements_history_long_size",
      "events_transactions_history_long_size",
      "events_waits_history_long_size",
      "hosts_size",
      "max_file_instances",
      "max_memory_classes",
      "max_mutex_instances",
      "max_rwlock_instances",
      "max_table_handles",
      "max_table_instances",
      "users_size",
    ].map((name) => [`performance_schema_${name}`, 0]),
  ),
};
