import { InvalidArgumentError } from "commander";

const longestTimeoutSeconds = 7 * 86_400;

/** For options that may be repeated. */
export function collect(value: string, all: readonly string[] | undefined): readonly string[] {
  return [...(all ?? []), value];
}

/** For options of the form KEY=VALUE that may be repeated. */
export function collectPairs(value: string, all: readonly string[] | undefined): readonly string[] {
  if (value.indexOf("=") < 1) throw new InvalidArgumentError("Give KEY=VALUE.");
  return collect(value, all);
}

/** A positive number of seconds. */
export function seconds(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= longestTimeoutSeconds) return value;
  throw new InvalidArgumentError(`Give a number of seconds above 0, up to ${longestTimeoutSeconds}.`);
}

/** A whole number above 0. */
export function count(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("Give a whole number above 0.");
}

/** A whole number from 0 to 100. */
export function percentage(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 100) return value;
  throw new InvalidArgumentError("Give a whole number from 0 to 100.");
}

/** What the options of a service say about its settings. */
export interface SettingOptions {
  readonly config?: readonly string[];
  /** false: nowhere. */
  readonly additionalBackupRegion?: readonly string[] | boolean;
}

/**
 * The `user_config` of `KEY=VALUE` options; undefined when they say nothing. Values are JSON where they read as such,
 * texts otherwise; a dot reaches into an object.
 */
export function userConfig(options: SettingOptions): Readonly<Record<string, unknown>> | undefined {
  const config: Record<string, unknown> = {};
  for (const setting of options.config ?? []) {
    const at = setting.indexOf("=");
    const [first = "", ...rest] = setting.slice(0, at).split(".");
    const value = settingValue(first, setting.slice(at + 1));
    config[first] = rest.length === 0 ? value : { ...(config[first] as object | undefined), [rest.join(".")]: value };
  }
  const regions = options.additionalBackupRegion;
  if (regions === false) config["additional_backup_regions"] = [];
  else if (typeof regions === "object") config["additional_backup_regions"] = regions;
  return Object.keys(config).length === 0 ? undefined : config;
}

/** Settings that are texts even where they look like numbers. */
const textKeys = new Set(["pg_version", "mysql_version", "admin_username", "admin_password"]);

function settingValue(key: string, text: string): unknown {
  if (text === "null") return null;
  if (textKeys.has(key)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // not JSON: a text as it stands
  }
}
