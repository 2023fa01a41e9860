/** The `user_config` of PostgreSQL services: exactly the keys that btar acts on. */
import {
  choice,
  commonProperties,
  type ConfigProperty,
  type ConfigSchema,
  type ConfigSchemaOptions,
  integer,
  versionProperty,
} from "./user-config.ts";

/** PostgreSQL cuts longer names. */
const adminNameLength = 63;

/** Settings that reach the running server's configuration as they are. */
const pgSettings: Readonly<Record<string, ConfigProperty>> = {
  autovacuum_max_workers: integer("autovacuum_max_workers", 1, 20),
  autovacuum_naptime: integer("autovacuum_naptime, seconds", 1, 86400),
  autovacuum_vacuum_scale_factor: { type: "number", title: "autovacuum_vacuum_scale_factor", minimum: 0, maximum: 1 },
  autovacuum_vacuum_threshold: integer("autovacuum_vacuum_threshold", 0, 2147483647),
  bgwriter_delay: integer("bgwriter_delay, milliseconds", 10, 10000),
  deadlock_timeout: integer("deadlock_timeout, milliseconds", 500, 1800000),
  default_toast_compression: choice("default_toast_compression", ["lz4", "pglz"]),
  idle_in_transaction_session_timeout: integer("idle_in_transaction_session_timeout, milliseconds", 0, 604800000),
  jit: { type: "boolean", title: "jit" },
  log_min_duration_statement: integer("log_min_duration_statement, milliseconds", -1, 86400000),
  log_temp_files: integer("log_temp_files, kilobytes", -1, 2147483647),
  max_connections: integer("max_connections", 25, 60000),
  max_locks_per_transaction: integer("max_locks_per_transaction", 64, 6400),
  max_parallel_workers: integer("max_parallel_workers", 0, 96),
  max_prepared_transactions: integer("max_prepared_transactions", 0, 10000),
  max_replication_slots: integer("max_replication_slots", 8, 256),
  max_slot_wal_keep_size: integer("max_slot_wal_keep_size, megabytes", -1, 2147483647),
  max_wal_senders: integer("max_wal_senders", 20, 256),
  max_worker_processes: integer("max_worker_processes", 8, 288),
  password_encryption: choice("password_encryption", ["md5", "scram-sha-256"]),
  "pg_stat_statements.track": choice("pg_stat_statements.track", ["all", "top", "none"]),
  synchronous_commit: choice("synchronous_commit", ["local", "off", "on", "remote_apply", "remote_write"]),
  temp_file_limit: integer("temp_file_limit, kilobytes", -1, 2147483647),
  timezone: { type: "string", title: "timezone", maxLength: 64, pattern: "^[\\w/+-]+$" },
  track_commit_timestamp: choice("track_commit_timestamp", ["off", "on"]),
  track_io_timing: choice("track_io_timing", ["off", "on"]),
  wal_sender_timeout: integer("wal_sender_timeout, milliseconds", 0, 10800000),
  wal_writer_delay: integer("wal_writer_delay, milliseconds", 10, 200),
};

export function pgUserConfigSchema(options: ConfigSchemaOptions): ConfigSchema {
  return {
    type: "object",
    additionalProperties: false,
    properties: {
      ...commonProperties({ maxRegions: options.maxRegions, adminNameLength }),
      pg: {
        type: "object",
        title: "PostgreSQL settings",
        additionalProperties: false,
        properties: pgSettings,
      },
      pg_version: versionProperty(options.versions),
      shared_buffers_percentage: {
        type: "number",
        title: "shared_buffers, percent of memory",
        minimum: 20,
        maximum: 60,
      },
      work_mem: integer("work_mem, megabytes", 1, 1024),
    },
  };
}
