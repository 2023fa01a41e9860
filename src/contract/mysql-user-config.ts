/** The `user_config` of MySQL services: exactly the keys that btar acts on. */
import {
  choice,
  commonProperties,
  type ConfigProperty,
  type ConfigSchema,
  type ConfigSchemaOptions,
  integer,
  versionProperty,
} from "./user-config.ts";

/** MySQL refuses longer names. */
const adminNameLength = 32;

function flag(title: string): ConfigProperty {
  return { type: "boolean", title };
}

/** Settings that reach the running server's configuration as they are. */
const mysqlSettings: Readonly<Record<string, ConfigProperty>> = {
  connect_timeout: integer("connect_timeout, seconds", 2, 3600),
  default_time_zone: {
    type: "string",
    title: "default_time_zone: an offset such as +02:00, or SYSTEM",
    maxLength: 6,
    pattern: "^(SYSTEM|[+-](0[0-9]|1[0-3]):[0-5][0-9])$",
  },
  group_concat_max_len: integer("group_concat_max_len, bytes", 4, 4294967295),
  innodb_lock_wait_timeout: integer("innodb_lock_wait_timeout, seconds", 1, 3600),
  innodb_log_buffer_size: integer("innodb_log_buffer_size, bytes", 1048576, 4294967295),
  innodb_print_all_deadlocks: flag("innodb_print_all_deadlocks"),
  innodb_read_io_threads: integer("innodb_read_io_threads", 1, 64),
  innodb_rollback_on_timeout: flag("innodb_rollback_on_timeout"),
  innodb_thread_concurrency: integer("innodb_thread_concurrency", 0, 1000),
  innodb_write_io_threads: integer("innodb_write_io_threads", 1, 64),
  interactive_timeout: integer("interactive_timeout, seconds", 30, 604800),
  internal_tmp_mem_storage_engine: choice("internal_tmp_mem_storage_engine", ["MEMORY", "TempTable"]),
  log_output: choice("log_output: where slow queries are logged to", ["NONE", "TABLE"]),
  long_query_time: { type: "number", title: "long_query_time, seconds", minimum: 0, maximum: 3600 },
  lower_case_table_names: { ...integer("lower_case_table_names", 0, 1), createOnly: true },
  max_allowed_packet: integer("max_allowed_packet, bytes", 2097152, 1073741824),
  max_connections: integer("max_connections", 30, 100000),
  max_execution_time: integer("max_execution_time, milliseconds", 0, 4294967295),
  max_heap_table_size: integer("max_heap_table_size, bytes", 1048576, 1073741824),
  net_read_timeout: integer("net_read_timeout, seconds", 1, 3600),
  net_write_timeout: integer("net_write_timeout, seconds", 1, 3600),
  slow_query_log: flag("slow_query_log"),
  sort_buffer_size: integer("sort_buffer_size, bytes", 32768, 1073741824),
  sql_mode: { type: "string", title: "sql_mode", maxLength: 1024, pattern: "^[A-Z_]*(,[A-Z_]+)*$" },
  sql_require_primary_key: flag("sql_require_primary_key"),
  tmp_table_size: integer("tmp_table_size, bytes", 1048576, 1073741824),
  wait_timeout: integer("wait_timeout, seconds", 1, 2147483),
};

export function mysqlUserConfigSchema(options: ConfigSchemaOptions): ConfigSchema {
  return {
    type: "object",
    additionalProperties: false,
    properties: {
      ...commonProperties({ maxRegions: options.maxRegions, adminNameLength }),
      binlog_retention_period: integer(
        "Seconds that binary logs stay on the server after they are backed up",
        600,
        4294967295,
      ),
      mysql: {
        type: "object",
        title: "MySQL settings",
        additionalProperties: false,
        properties: mysqlSettings,
      },
      mysql_version: versionProperty(options.versions),
      recovery_target_gtid: {
        type: ["string", "null"],
        title: "Transaction to fork at: the fork holds all in log order up to it, and nothing behind it",
        createOnly: true,
        maxLength: 128,
      },
    },
  };
}
