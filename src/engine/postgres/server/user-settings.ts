import { BtarError } from "../../../domain/errors.ts";

/** What a key of `user_config.pg` may hold. */
type SettingRule =
  | { readonly type: "integer" | "number"; readonly min: number; readonly max: number }
  | { readonly type: "boolean" }
  | { readonly type: "choice"; readonly choices: readonly string[] }
  | { readonly type: "text"; readonly maxLength: number };

const integer = (min: number, max: number): SettingRule => ({ type: "integer", min, max });
const choice = (...choices: readonly string[]): SettingRule => ({ type: "choice", choices });

const maxInt32 = 2_147_483_647;
const sevenDaysMs = 604_800_000;

/** Keys of `user_config.pg`: server settings of the same names, in the units that the settings have by themselves. */
const settingRules: Readonly<Record<string, SettingRule>> = {
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
  timezone: { type: "text", maxLength: 64 },
  track_commit_timestamp: choice("off", "on"),
  track_io_timing: choice("off", "on"),
  wal_sender_timeout: integer(0, 10_800_000),
  wal_writer_delay: integer(10, 200),
};

export type SettingValue = string | number | boolean;

/**
 * The server settings that a service's `user_config` asks for: its `pg` object, where a null stands for "not set".
 * @throws {BtarError} INVALID_USER_CONFIG for unknown keys and values out of range
 */
export function userSettings(userConfig: Readonly<Record<string, unknown>>): ReadonlyMap<string, SettingValue> {
  const settings = new Map<string, SettingValue>();
  const asked = userConfig.pg ?? {};
  if (typeof asked !== "object" || Array.isArray(asked)) throw invalid("pg", asked, "an object of settings");
  for (const [key, value] of Object.entries(asked)) {
    const rule = Object.hasOwn(settingRules, key) ? settingRules[key] : undefined;
    if (!rule) throw invalid(`pg.${key}`, value, `no such setting; those are ${Object.keys(settingRules).join(", ")}`);
    if (value !== null) settings.set(key, checked(key, value, rule));
  }
  return settings;
}

/**
 * A number of `user_config` itself.
 * @throws {BtarError} INVALID_USER_CONFIG
 */
export function userNumber(
  userConfig: Readonly<Record<string, unknown>>,
  key: string,
  range: { readonly min: number; readonly max: number },
): number | undefined {
  const value = userConfig[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= range.min && value <= range.max) return value;
  throw invalid(key, value, `a number from ${range.min} to ${range.max}`);
}

export function invalid(key: string, value: unknown, accepted: string): BtarError {
  return new BtarError("INVALID_USER_CONFIG", {
    message: `user_config.${key} cannot be ${JSON.stringify(value)}`,
    hint: `accepted: ${accepted}`,
    details: { key, value },
  });
}

function checked(key: string, value: unknown, rule: SettingRule): SettingValue {
  switch (rule.type) {
    case "boolean":
      if (typeof value === "boolean") return value;
      throw invalid(`pg.${key}`, value, "true or false");
    case "integer":
    case "number": {
      const isOfType = typeof value === "number" && (rule.type === "number" || Number.isInteger(value));
      if (isOfType && value >= rule.min && value <= rule.max) return value;
      throw invalid(`pg.${key}`, value, `${rule.type} from ${rule.min} to ${rule.max}`);
    }
    case "choice":
      if (typeof value === "string" && rule.choices.includes(value)) return value;
      throw invalid(`pg.${key}`, value, rule.choices.join(", "));
    case "text":
      if (typeof value === "string" && value !== "" && value.length <= rule.maxLength) return value;
      throw invalid(`pg.${key}`, value, `1 to ${rule.maxLength} characters`);
  }
}
