/**
 * The `user_config` of PostgreSQL services: exactly the keys that btar acts on, in the dialect of JSON Schema that
 * clients of the API read (every property has a type, every array a type of its items).
 */

export interface ConfigProperty {
  readonly type: string | readonly string[];
  readonly title: string;
  readonly description?: string;
  readonly [keyword: string]: unknown;
}

export interface ConfigSchema {
  readonly type: "object";
  readonly additionalProperties: false;
  readonly properties: Readonly<Record<string, ConfigProperty>>;
}

const serviceName = "^([a-z][-a-z0-9]{0,63}|)$";
const nullableInteger = (title: string, minimum: number, maximum: number, description?: string): ConfigProperty => ({
  type: ["integer", "null"],
  title,
  minimum,
  maximum,
  ...(description === undefined ? {} : { description }),
});

const integer = (title: string, minimum: number, maximum: number): ConfigProperty => ({
  type: "integer",
  title,
  minimum,
  maximum,
});
const choice = (title: string, values: readonly string[]): ConfigProperty => ({ type: "string", title, enum: values });

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

/** @param versions major versions that can run, oldest first */
export function pgUserConfigSchema(options: {
  readonly versions: readonly string[];
  readonly maxRegions: number;
}): ConfigSchema {
  return {
    type: "object",
    additionalProperties: false,
    properties: {
      additional_backup_regions: {
        type: "array",
        title: "Additional clouds for backups",
        description: "Clouds that the service's backups are copied to, of the same provider; [] turns copying off",
        maxItems: options.maxRegions,
        items: { type: "string", title: "Cloud", maxLength: 256, pattern: "^[a-z0-9-]+$" },
      },
      admin_username: {
        type: ["string", "null"],
        title: "Name of the administrator",
        createOnly: true,
        // PostgreSQL cuts longer names.
        maxLength: 63,
        pattern: "^[_A-Za-z0-9][-._A-Za-z0-9]{0,62}$",
      },
      admin_password: {
        type: ["string", "null"],
        title: "Password of the administrator; a random one by default",
        createOnly: true,
        _secure: true,
        minLength: 8,
        maxLength: 256,
        pattern: "^[a-zA-Z0-9-_]+$",
      },
      backup_hour: nullableInteger("Hour of the daily base backup, UTC", 0, 23),
      backup_minute: nullableInteger("Minute of the base backup", 0, 59),
      backup_interval_hours: {
        type: ["integer", "null"],
        title: "Hours between base backups",
        enum: [3, 4, 6, 8, 12, 24, null],
      },
      backup_retention_days: nullableInteger("Days that backups are kept", 1, 30),
      ip_filter: {
        type: "array",
        title: "Networks that may connect",
        maxItems: 8000,
        items: {
          type: ["string", "object"],
          title: "Network in CIDR notation, or an object with network and description",
          maxLength: 43,
          required: ["network"],
          additionalProperties: false,
          properties: {
            network: { type: "string", title: "Network in CIDR notation", maxLength: 43 },
            description: { type: "string", title: "Description", maxLength: 1024 },
          },
        },
      },
      pg: {
        type: "object",
        title: "PostgreSQL settings",
        additionalProperties: false,
        properties: pgSettings,
      },
      pg_version: { type: ["string", "null"], title: "Major version", enum: [...options.versions, null] },
      project_to_fork_from: {
        type: ["string", "null"],
        title: "Project of the service to fork from",
        createOnly: true,
        maxLength: 63,
        pattern: serviceName,
      },
      recovery_basebackup_name: {
        type: ["string", "null"],
        title: "Base backup to fork from; without recovery_target_time nothing later is replayed",
        createOnly: true,
        maxLength: 128,
        pattern: "^[a-zA-Z0-9-_:.]+$",
      },
      recovery_target_time: {
        type: ["string", "null"],
        title: "Time to fork at, with zone or in UTC",
        createOnly: true,
        maxLength: 40,
      },
      service_to_fork_from: {
        type: ["string", "null"],
        title: "Service to fork from",
        createOnly: true,
        maxLength: 64,
        pattern: serviceName,
      },
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
