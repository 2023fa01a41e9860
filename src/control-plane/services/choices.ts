import { type EngineName, engineNames } from "../../domain/engine-name.ts";
import { BtarError } from "../../domain/errors.ts";
import { nearestWord } from "../../domain/nearest-word.ts";
import { findPlan, type Plan, plans } from "../../domain/plan.ts";
import { cloudNames, type ControlPlaneContext } from "../context.ts";

/** @throws {BtarError} INVALID_INPUT */
export function chosenServiceType(name: string): EngineName {
  const known = engineNames.find((type) => type === name);
  if (known) return known;
  throw unknownChoice("service_type", name, engineNames);
}

/** @param name with or without the service type: `pg:startup-4`. @throws {BtarError} INVALID_INPUT */
export function chosenPlan(type: EngineName, name: string): Plan {
  const plan = findPlan(name.startsWith(`${type}:`) ? name.slice(type.length + 1) : name);
  if (plan) return plan;
  throw unknownChoice(
    "plan",
    name,
    plans.map((known) => known.name),
  );
}

/** @throws {BtarError} INVALID_INPUT */
export function chosenCloud(context: ControlPlaneContext, name: string): string {
  const names = cloudNames(context.configuration);
  if (names.includes(name)) return name;
  throw unknownChoice("cloud", name, names);
}

/** What services of others have, and clients may ask for. */
const notOffered = {
  project_vpc_id: "run the servers in the network that they should be in (services.listen of the configuration)",
  cmk_id: "backups are sealed with the master key of this installation",
  service_integrations: "fork the service for a copy of it",
  static_ips: "servers have the addresses of their host",
} as const;

/** @throws {BtarError} INVALID_INPUT when something is asked for that btar would not do */
export function refuseNotOffered(body: Readonly<Partial<Record<keyof typeof notOffered, unknown>>>): void {
  for (const [field, hint] of Object.entries(notOffered)) {
    const asked: unknown = Reflect.get(body, field);
    if (asked == null || (Array.isArray(asked) && asked.length === 0)) continue;
    throw new BtarError("INVALID_INPUT", {
      message: `Invalid input: ${field} ${JSON.stringify(asked)}: btar does not offer that`,
      hint: `leave it out; ${hint}`,
    });
  }
}

function unknownChoice(field: string, value: string, known: readonly string[]): BtarError {
  const near = nearestWord(value, known);
  const meant = near === undefined ? "" : `did you mean ${near}? `;
  return new BtarError("INVALID_INPUT", {
    message: `Invalid input: ${field} '${value}' is unknown`,
    hint: `${meant}there are: ${known.join(", ")}`,
  });
}
