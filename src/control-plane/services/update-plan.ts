import type { Static } from "typebox";
import type { ServiceState } from "../../catalog/schema.ts";
import type { updateServiceBody } from "../../contract/services.ts";
import { BtarError } from "../../domain/errors.ts";
import { serviceTypes } from "../catalogue/service-types.ts";
import { chosenPlan, refuseNotOffered } from "./choices.ts";
import type { ServiceRow } from "./find-service.ts";
import { changedConfig, type ConfigRules, refuseCreateOnly, textOf, type UserConfig } from "./user-config.ts";

export type UpdateBody = Static<typeof updateServiceBody>;

/** What a change makes of a service. */
export interface UpdatePlan {
  readonly config: UserConfig;
  readonly plan: string;
  readonly isPowered: boolean;
  readonly terminationProtection: boolean;
  readonly maintenance: { readonly dow: string; readonly time: string };
  readonly diskSpaceMb: number;
  readonly techEmails: ServiceRow["tech_emails"];
  /** As it is shown from now on; the agent takes it from there. */
  readonly state: ServiceState;
  /** Names of what is different, for people. */
  readonly changed: readonly string[];
  /** The running server must be brought in line. */
  readonly isServerChange: boolean;
}

/**
 * Works out a partial change: what is absent stays, `null` in `user_config` removes a key, and what is the same
 * changes nothing.
 * @param askedAdminPassword `admin_password` as it was given at creation
 * @throws {BtarError} INVALID_INPUT, INVALID_USER_CONFIG, SERVICE_PROTECTED, WRONG_STATE
 */
export function planUpdate(
  row: ServiceRow,
  body: UpdateBody,
  options: { readonly rules: ConfigRules; readonly askedAdminPassword: string | undefined },
): UpdatePlan {
  refuseNotOffered(body);
  const change = body.user_config ?? {};
  refuseCreateOnly(row.engine, { ...row.user_config, admin_password: options.askedAdminPassword }, change);
  const { admin_password: _, ...config } = changedConfig(row.user_config, change, options.rules);
  refuseOtherVersion(row, config);
  const isPowered = body.powered ?? row.is_powered;
  if (row.is_powered && !isPowered) refusePowerOff(row, body);
  if (row.rebuilt_at !== null && isPowered) throw noServer(row);
  const plan = body.plan === undefined ? row.plan : chosenPlan(row.engine, body.plan).name;
  const next = {
    config,
    plan,
    isPowered,
    terminationProtection: body.termination_protection ?? row.termination_protection,
    maintenance: {
      dow: body.maintenance?.dow ?? row.maintenance.dow,
      time: body.maintenance?.time ?? row.maintenance.time,
    },
    diskSpaceMb: body.disk_space_mb ?? row.disk_space_mb,
    techEmails: body.tech_emails ?? row.tech_emails,
  };
  const changedKeys = [...new Set([...Object.keys(row.user_config), ...Object.keys(config)])].filter(
    (key) => !isSame(row.user_config[key], config[key]),
  );
  const { serverKeys } = serviceTypes[row.engine];
  const isServerChange =
    row.kind === "managed" &&
    (plan !== row.plan || isPowered !== row.is_powered || changedKeys.some((key) => serverKeys.includes(key)));
  return {
    ...next,
    state: nextState(row, isPowered, isServerChange),
    changed: [
      ...changedKeys,
      ...(plan === row.plan ? [] : ["plan"]),
      ...(isPowered === row.is_powered ? [] : ["powered"]),
      ...(next.terminationProtection === row.termination_protection ? [] : ["termination_protection"]),
      ...(isSame(next.maintenance, row.maintenance) ? [] : ["maintenance"]),
      ...(next.diskSpaceMb === row.disk_space_mb ? [] : ["disk_space_mb"]),
      ...(isSame(next.techEmails, row.tech_emails) ? [] : ["tech_emails"]),
    ],
    isServerChange,
  };
}

/** A service that is being built, or is off, stays so until its agent says otherwise. */
function nextState(row: ServiceRow, isPowered: boolean, isServerChange: boolean): ServiceState {
  if (isPowered && !row.is_powered) return "REBUILDING";
  return isServerChange && isPowered && row.state === "RUNNING" ? "REBALANCING" : row.state;
}

function refuseOtherVersion(row: ServiceRow, config: UserConfig): void {
  const { versionKey } = serviceTypes[row.engine];
  const asked = textOf(config, versionKey);
  if (asked === undefined || asked === row.version) return;
  throw new BtarError("INVALID_USER_CONFIG", {
    message: `Invalid 'user_config' ${versionKey} '${asked}': ${row.name} has version ${row.version}, which cannot be changed`,
  });
}

function refusePowerOff(row: ServiceRow, body: UpdateBody): void {
  if (row.kind === "attached") {
    throw new BtarError("WRONG_STATE", {
      message: `Service ${row.name} is attached: btar does not run its server`,
      hint: "detach it to end its backups",
    });
  }
  if (body.termination_protection ?? row.termination_protection) throw protectedError();
}

function noServer({ name }: ServiceRow): BtarError {
  return new BtarError("WRONG_STATE", {
    message: `Service ${name} was rebuilt from a store: btar has no server of it to start`,
    hint: `fork it: btar fork ${name} NEW-NAME --cloud CLOUD`,
  });
}

/** The words that clients know. */
export function protectedError(): BtarError {
  return new BtarError("SERVICE_PROTECTED", {
    message: "Service is protected against termination and shutdown. Remove termination protection first.",
  });
}

/** Equal as JSON, whatever the order of keys. */
function isSame(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  const sorted = (_key: string, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([x], [y]) => (x < y ? -1 : 1)))
      : part;
  return JSON.stringify(value ?? null, sorted);
}
