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

function unknownChoice(field: string, value: string, known: readonly string[]): BtarError {
  const near = nearestWord(value, known);
  const meant = near === undefined ? "" : `did you mean ${near}? `;
  return new BtarError("INVALID_INPUT", {
    message: `Invalid input: ${field} '${value}' is unknown`,
    hint: `${meant}there are: ${known.join(", ")}`,
  });
}
