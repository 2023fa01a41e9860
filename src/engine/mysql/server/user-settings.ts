import {
  askedSettings,
  choice,
  integer,
  type SettingRule,
  type SettingRules,
  type SettingValue,
} from "../../user-settings.ts";

/** When a change of a setting comes into force. `never`: it was decided when the server's files were made. */
export type ChangeMoment = "online" | "restart" | "never";

const boolean: SettingRule = { type: "boolean" };

const mib = 1024 * 1024;
const maxUint32 = 4_294_967_295;

/** Keys of `user_config.mysql`: options of the same names, in the units that they have by themselves. */
const settingRules: SettingRules = {
  connect_timeout: integer(2, 3_600),
  default_time_zone: { type: "text", pattern: /^(SYSTEM|[+-](0\d|1[0-3]):[0-5]\d)$/ },
  group_concat_max_len: integer(4, maxUint32),
  innodb_lock_wait_timeout: integer(1, 3_600),
  innodb_log_buffer_size: integer(mib, maxUint32),
  innodb_print_all_deadlocks: boolean,
  innodb_read_io_threads: integer(1, 64),
  innodb_rollback_on_timeout: boolean,
  innodb_thread_concurrency: integer(0, 1_000),
  innodb_write_io_threads: integer(1, 64),
  interactive_timeout: integer(30, 604_800),
  internal_tmp_mem_storage_engine: choice("MEMORY", "TempTable"),
  log_output: choice("NONE", "TABLE"),
  long_query_time: { type: "number", min: 0, max: 3_600 },
  lower_case_table_names: integer(0, 1),
  max_allowed_packet: integer(2 * mib, 1024 * mib), // a clone needs 2 MiB
  max_connections: integer(30, 100_000),
  max_execution_time: integer(0, maxUint32),
  max_heap_table_size: integer(mib, 1024 * mib),
  net_read_timeout: integer(1, 3_600),
  net_write_timeout: integer(1, 3_600),
  slow_query_log: boolean,
  sort_buffer_size: integer(32_768, 1024 * mib),
  sql_mode: { type: "text", pattern: /^(?=.{0,1024}$)[A-Z_]*(,[A-Z_]+)*$/ },
  sql_require_primary_key: boolean,
  tmp_table_size: integer(mib, 1024 * mib),
  wait_timeout: integer(1, 2_147_483),
};

/** Those that a running server cannot change; all others it can. */
const changeMoments: Readonly<Record<string, ChangeMoment>> = {
  innodb_read_io_threads: "restart",
  innodb_rollback_on_timeout: "restart",
  innodb_write_io_threads: "restart",
  lower_case_table_names: "never",
};

/** Names of settings that a running server has under others. */
const variables: Readonly<Record<string, string>> = { default_time_zone: "time_zone" };

/** Names of all settings that `user_config.mysql` can have. */
export const userSettingNames: readonly string[] = Object.keys(settingRules);

export function changeMomentOf(name: string): ChangeMoment {
  return changeMoments[name] ?? "online";
}

/** The system variable that holds a setting in a running server. */
export function variableOf(name: string): string {
  return variables[name] ?? name;
}

/**
 * The settings that a service's `user_config` asks for: its `mysql` object, where a null stands for "not set".
 * @throws {BtarError} INVALID_USER_CONFIG for unknown keys and values out of range
 */
export function userSettings(userConfig: Readonly<Record<string, unknown>>): ReadonlyMap<string, SettingValue> {
  return askedSettings(userConfig, "mysql", settingRules);
}
