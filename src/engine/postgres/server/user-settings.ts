import { askedSettings, choice, integer, type SettingRules, type SettingValue } from "../../user-settings.ts";

const maxInt32 = 2_147_483_647;
const sevenDaysMs = 604_800_000;

/** Keys of `user_config.pg`: server settings of the same names, in the units that the settings have by themselves. */
const settingRules: SettingRules = {
  autovacuum_max_workers: integer(1, 20),
  autovacuum_naptime: integer(1, 86_400),
  autovacuum_vacuum_scale_factor: { type: "number", min: 0, max: 1 },
  autovacuum_vacuum_threshold: integer(0, maxInt32),
  bgwriter_delay: integer(10, 10_000),
  deadlock_timeout: integer(500, 1_800_000),
  default_toast_compression: choice("lz4", "pglz"),
  idle_in_transaction_session_timeout: integer(0, sevenDaysMs),
  jit: { type: "boolean" },
  log_min_duration_statement: integer(-1, 86_400_000),
  log_temp_files: integer(-1, maxInt32),
  max_connections: integer(25, 60_000),
  max_locks_per_transaction: integer(64, 6_400),
  max_parallel_workers: integer(0, 96),
  max_prepared_transactions: integer(0, 10_000),
  max_replication_slots: integer(8, 256),
  max_slot_wal_keep_size: integer(-1, maxInt32),
  max_wal_senders: integer(20, 256),
  max_worker_processes: integer(8, 288),
  password_encryption: choice("md5", "scram-sha-256"),
  "pg_stat_statements.track": choice("all", "top", "none"),
  synchronous_commit: choice("local", "off", "on", "remote_apply", "remote_write"),
  temp_file_limit: integer(-1, maxInt32),
  timezone: { type: "text", pattern: /^.{1,64}$/su, accepted: "1 to 64 characters" },
  track_commit_timestamp: choice("off", "on"),
  track_io_timing: choice("off", "on"),
  wal_sender_timeout: integer(0, 10_800_000),
  wal_writer_delay: integer(10, 200),
};

/**
 * The server settings that a service's `user_config` asks for: its `pg` object, where a null stands for "not set".
 * @throws {BtarError} INVALID_USER_CONFIG for unknown keys and values out of range
 */
export function userSettings(userConfig: Readonly<Record<string, unknown>>): ReadonlyMap<string, SettingValue> {
  return askedSettings(userConfig, "pg", settingRules);
}
