/** What the console reads of a JSON Schema of settings. */
export interface UserConfigSchema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, UserConfigSchema>>;
  readonly createOnly?: boolean;
}

/** One setting of the form. */
export interface Setting {
  /** With the keys above it: `pg.work_mem`. */
  readonly key: string;
  readonly keys: readonly string[];
  readonly kind: "boolean" | "number" | "choice" | "list" | "text";
  readonly about: string;
  readonly placeholder: string;
  readonly choices: readonly string[];
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** Said when a service is made or forked, or set elsewhere in the console. */
const elsewhere = new Set([
  "additional_backup_regions",
  "service_to_fork_from",
  "project_to_fork_from",
  "recovery_target_time",
  "recovery_basebackup_name",
  "recovery_target_gtid",
  "admin_username",
  "admin_password",
  "pg_version",
  "mysql_version",
]);

/** All settings that can be changed, those below objects too. */
export function settingsOf(schema: UserConfigSchema, above: readonly string[] = []): readonly Setting[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const keys = [...above, name];
    if (elsewhere.has(name) || property.createOnly) return [];
    if (property.properties) return settingsOf(property, keys);
    return settingOf(keys, property);
  });
}

function settingOf(keys: readonly string[], schema: UserConfigSchema): Setting {
  const choices = (schema.enum ?? []).filter((value) => typeof value === "string");
  const types = [schema.type ?? "string"].flat();
  const kind = types.includes("boolean")
    ? "boolean"
    : types.includes("integer") || types.includes("number")
      ? "number"
      : types.includes("array")
        ? "list"
        : choices.length > 0
          ? "choice"
          : "text";
  const { minimum: min, maximum: max } = schema;
  const range = kind === "number" && min !== undefined && max !== undefined ? ` (${min} to ${max})` : "";
  return {
    key: keys.join("."),
    keys,
    kind,
    about: `${schema.description ?? schema.title ?? ""}${range}`,
    placeholder:
      schema.default === undefined || schema.default === null
        ? "default"
        : `default: ${JSON.stringify(schema.default)}`,
    choices,
    min,
    max,
  };
}

/** @returns undefined where nothing is set */
export function valueAt(config: Readonly<Record<string, unknown>>, keys: readonly string[]): unknown {
  let value: unknown = config;
  for (const key of keys) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

/** What is to be sent for edited settings; null removes one. */
export function changesOf(settings: readonly Setting[], edited: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const { key, keys } of settings) {
    if (!edited.has(key)) continue;
    let place = changes;
    for (const above of keys.slice(0, -1)) place = (place[above] ??= {}) as Record<string, unknown>;
    place[keys.at(-1) ?? ""] = edited.get(key);
  }
  return changes;
}
