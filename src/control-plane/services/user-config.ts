import { isIP } from "node:net";
import { Ajv, type ValidateFunction } from "ajv";
import type { ConfigSchema } from "../../contract/user-config.ts";
import { type EngineName, productNames } from "../../domain/engine-name.ts";
import { BtarError } from "../../domain/errors.ts";
import { serviceTypes } from "../catalogue/service-types.ts";

export type UserConfig = Readonly<Record<string, unknown>>;

/** Keys that are about backups: all that can be set for a server that btar does not run. */
const attachedKeys: readonly string[] = [
  "additional_backup_regions",
  "backup_hour",
  "backup_minute",
  "backup_interval_hours",
  "backup_retention_days",
];

const validators = new Map<string, ValidateFunction>();

export interface ConfigRules {
  readonly engine: EngineName;
  /** Major versions that can run. */
  readonly versions: readonly string[];
  readonly maxRegions: number;
  readonly kind: "managed" | "attached";
}

/**
 * Takes a change over the settings of a service, and checks the whole: keys replace, those of `pg` or `mysql` one by
 * one, and null removes.
 * @throws {BtarError} INVALID_USER_CONFIG naming the key, the value and what would be accepted
 */
export function changedConfig(current: UserConfig, change: UserConfig, rules: ConfigRules): UserConfig {
  const schema = serviceTypes[rules.engine].userConfigSchema(rules);
  const merged = merge(current, change, { known: schema.properties, path: "" });
  checkSchema(merged, schema);
  checkNetworks(merged["ip_filter"]);
  const adminName = merged["admin_username"];
  if (typeof adminName === "string") refuseUserName(rules.engine, adminName);
  if (rules.kind === "attached") checkAttached(merged);
  return merged;
}

/**
 * @param current with `admin_password` as it was given
 * @throws {BtarError} INVALID_USER_CONFIG when a key that only counts at creation is to change
 */
export function refuseCreateOnly(engine: EngineName, current: UserConfig, change: UserConfig): void {
  const { properties } = serviceTypes[engine].userConfigSchema({ versions: [], maxRegions: 1 });
  const key = changedCreateOnly(current, change, properties);
  if (key === undefined) return;
  throw new BtarError("INVALID_USER_CONFIG", {
    message: `Invalid 'user_config' ${key}: it can only be given when the service is created`,
  });
}

/**
 * Settings that lie in the files of a server are those of the source (F5).
 * @throws {BtarError} INVALID_USER_CONFIG when a fork is to have others
 */
export function refuseForkSettings(engine: EngineName, source: UserConfig, asked: UserConfig): void {
  const { properties } = serviceTypes[engine].userConfigSchema({ versions: [], maxRegions: 1 });
  const key = changedCreateOnly(source, engine in asked ? { [engine]: asked[engine] } : {}, properties);
  if (key === undefined) return;
  throw new BtarError("INVALID_USER_CONFIG", {
    message: `Invalid 'user_config' ${key}: a fork has its source's`,
    hint: "leave it out",
  });
}

/** The first key that only counts at creation and is to change; null, for a group too, takes what is there away. */
function changedCreateOnly(
  current: UserConfig,
  change: UserConfig,
  known: Readonly<Record<string, unknown>>,
): string | undefined {
  for (const [key, property] of Object.entries(known)) {
    if (!(key in change) || !isObject(property)) continue;
    const [before, after] = [current[key] ?? undefined, change[key] ?? undefined];
    if (property["createOnly"] === true && before !== after) return key;
    const below = property["properties"];
    if (!isObject(below)) continue;
    const group = isObject(before) ? before : {};
    const removed = Object.fromEntries(Object.keys(group).map((name) => [name, null]));
    const found = changedCreateOnly(group, isObject(after) ? after : removed, below);
    if (found !== undefined) return `${key}.${found}`;
  }
  return undefined;
}

/** The clouds that the backup is to be copied to. */
export function backupRegionsOf(config: UserConfig): readonly string[] {
  const regions = config["additional_backup_regions"];
  return Array.isArray(regions) ? regions.filter((region): region is string => typeof region === "string") : [];
}

/** A text setting; undefined when it is absent or empty. */
export function textOf(config: UserConfig, key: string): string | undefined {
  const value = config[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Refuses names that cannot be those of users. @throws {BtarError} INVALID_INPUT */
export function refuseUserName(engine: EngineName, name: string): void {
  const { longestUserName, isReservedUser } = serviceTypes[engine];
  if (name.length > longestUserName) {
    throw new BtarError("INVALID_INPUT", {
      message: `Invalid input: the user name '${name}' has ${name.length} characters`,
      hint: `${productNames[engine]} takes at most ${longestUserName}`,
    });
  }
  if (!isReservedUser(name)) return;
  throw new BtarError("INVALID_INPUT", {
    message: `Invalid input: the user name '${name}' is reserved`,
    hint: "choose another one",
  });
}

function merge(
  current: UserConfig,
  change: UserConfig,
  level: { readonly known: Readonly<Record<string, unknown>>; readonly path: string },
): UserConfig {
  const merged: Record<string, unknown> = { ...current };
  for (const [key, value] of Object.entries(change)) {
    const name = level.path + key;
    if (!Object.hasOwn(level.known, key)) throw unknownKey(name, Object.keys(level.known));
    const known = level.known[key];
    const below = isObject(known) && isObject(known["properties"]) ? known["properties"] : undefined;
    if (value === null) delete merged[key];
    else if (below && isObject(value)) {
      const before = merged[key];
      merged[key] = merge(isObject(before) ? before : {}, value, { known: below, path: `${name}.` });
    } else merged[key] = value;
  }
  return merged;
}

function checkSchema(config: UserConfig, schema: ConfigSchema): void {
  const validate = validatorFor(schema);
  if (validate(config)) return;
  const [first] = validate.errors ?? [];
  const path = (first?.instancePath ?? "").slice(1).split("/").map(unescaped);
  const params: Readonly<Record<string, unknown>> = first?.params ?? {};
  const allowed = params["allowedValues"];
  throw new BtarError("INVALID_USER_CONFIG", {
    message: `Invalid 'user_config' ${path.join(".")} value '${valueText(config, path)}': ${first?.message ?? "not valid"}`,
    ...(Array.isArray(allowed) ? { hint: `allowed: ${allowed.filter((value) => value !== null).join(", ")}` } : {}),
  });
}

/** JSON pointers write `/` and `~` in names otherwise. */
function unescaped(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

function unknownKey(name: string, known: readonly string[]): BtarError {
  return new BtarError("INVALID_USER_CONFIG", {
    message: `Invalid 'user_config': '${name}' is not a known key`,
    hint: `known keys: ${known.join(", ")}`,
  });
}

function validatorFor(schema: ConfigSchema): ValidateFunction {
  const key = JSON.stringify(schema);
  const known = validators.get(key);
  if (known) return known;
  const validate = new Ajv({ strict: false, allErrors: false }).compile(schema);
  validators.set(key, validate);
  return validate;
}

function checkNetworks(filter: unknown): void {
  if (!Array.isArray(filter)) return;
  for (const item of filter as readonly unknown[]) {
    const network = isObject(item) ? item["network"] : item;
    if (typeof network === "string" && isNetwork(network)) continue;
    throw new BtarError("INVALID_USER_CONFIG", {
      message: `Invalid 'user_config' ip_filter value '${String(network)}'`,
      hint: "give a network in CIDR notation, such as 10.0.0.0/24 or 2001:db8::/32",
    });
  }
}

/** `ADDRESS` or `ADDRESS/BITS`. */
function isNetwork(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || address.includes("%") || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

function checkAttached(config: UserConfig): void {
  const key = Object.keys(config).find((name) => !attachedKeys.includes(name));
  if (key === undefined) return;
  throw new BtarError("INVALID_USER_CONFIG", {
    message: `Invalid 'user_config' ${key}: btar does not run the server of an attached service`,
    hint: `keys that can be set: ${attachedKeys.join(", ")}`,
  });
}

function valueText(config: UserConfig, path: readonly string[]): string {
  if (path[0] === "admin_password") return "(secret)";
  let value: unknown = config;
  for (const part of path) value = isObject(value) || Array.isArray(value) ? Reflect.get(value, part) : undefined;
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
