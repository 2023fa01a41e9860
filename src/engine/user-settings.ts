import { BtarError } from "../domain/errors.ts";

/** What a setting of a server may be. */
export type SettingRule =
  | { readonly type: "integer" | "number"; readonly min: number; readonly max: number }
  | { readonly type: "boolean" }
  | { readonly type: "choice"; readonly choices: readonly string[] }
  | { readonly type: "text"; readonly pattern: RegExp; readonly accepted?: string };

export type SettingRules = Readonly<Record<string, SettingRule>>;
export type SettingValue = string | number | boolean;

export function integer(min: number, max: number): SettingRule {
  return { type: "integer", min, max };
}

export function choice(...choices: readonly string[]): SettingRule {
  return { type: "choice", choices };
}

/**
 * The settings that a service's `user_config` asks for in the object of an engine, where a null stands for "not set".
 * @param section the object's key, such as `pg`
 * @throws {BtarError} INVALID_USER_CONFIG for unknown keys and values out of range
 */
export function askedSettings(
  userConfig: Readonly<Record<string, unknown>>,
  section: string,
  rules: SettingRules,
): ReadonlyMap<string, SettingValue> {
  const settings = new Map<string, SettingValue>();
  const asked = userConfig[section] ?? {};
  if (typeof asked !== "object" || Array.isArray(asked)) throw invalidSetting(section, asked, "an object of settings");
  for (const [key, value] of Object.entries(asked)) {
    const name = `${section}.${key}`;
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
    if (!rule) throw invalidSetting(name, value, `no such setting; those are ${Object.keys(rules).join(", ")}`);
    if (value !== null) settings.set(key, checked(name, value, rule));
  }
  return settings;
}

/**
 * A number of `user_config` itself.
 * @throws {BtarError} INVALID_USER_CONFIG
 */
export function askedNumber(
  userConfig: Readonly<Record<string, unknown>>,
  key: string,
  range: { readonly min: number; readonly max: number },
): number | undefined {
  const value = userConfig[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === "number" && value >= range.min && value <= range.max) return value;
  throw invalidSetting(key, value, `a number from ${range.min} to ${range.max}`);
}

export function invalidSetting(key: string, value: unknown, accepted: string): BtarError {
  return new BtarError("INVALID_USER_CONFIG", {
    message: `user_config.${key} cannot be ${JSON.stringify(value)}`,
    hint: `accepted: ${accepted}`,
    details: { key, value },
  });
}

function checked(name: string, value: unknown, rule: SettingRule): SettingValue {
  switch (rule.type) {
    case "boolean":
      if (typeof value === "boolean") return value;
      throw invalidSetting(name, value, "true or false");
    case "integer":
    case "number": {
      const isOfType = typeof value === "number" && (rule.type === "number" || Number.isInteger(value));
      if (isOfType && value >= rule.min && value <= rule.max) return value;
      throw invalidSetting(name, value, `${rule.type} from ${rule.min} to ${rule.max}`);
    }
    case "choice":
      if (typeof value === "string" && rule.choices.includes(value)) return value;
      throw invalidSetting(name, value, rule.choices.join(", "));
    case "text":
      if (typeof value === "string" && rule.pattern.test(value)) return value;
      throw invalidSetting(name, value, rule.accepted ?? `text that matches ${rule.pattern.source}`);
  }
}
