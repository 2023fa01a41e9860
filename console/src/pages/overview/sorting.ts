import type { Location, Protection } from "../../api/types.ts";
import { type Level, levels, type Verdict } from "../../words/verdict.ts";

export interface JudgedService {
  readonly service: Protection;
  readonly verdict: Verdict;
}

export type SortKey = "name" | "safety" | "lag" | "rpo";

export interface Wanted {
  readonly text: string;
  readonly level: Level | undefined;
  readonly sort: SortKey;
  readonly isDescending: boolean;
}

/** The services that are wanted, in their order. */
export function chosenServices(services: readonly JudgedService[], wanted: Wanted): readonly JudgedService[] {
  const words = wanted.text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const found = services.filter(
    ({ service, verdict }) =>
      (wanted.level === undefined || verdict.level === wanted.level) &&
      words.every((word) => textOf(service).includes(word)),
  );
  const direction = wanted.isDescending ? -1 : 1;
  return found.toSorted(
    (a, b) => direction * compare[wanted.sort](a, b) || (a.service.service_name < b.service.service_name ? -1 : 1),
  );
}

const compare: Readonly<Record<SortKey, (a: JudgedService, b: JudgedService) => number>> = {
  name: (a, b) => (a.service.service_name < b.service.service_name ? -1 : 1),
  safety: (a, b) => levels.indexOf(a.verdict.level) - levels.indexOf(b.verdict.level),
  lag: (a, b) => (lagOf(a.service) ?? -1) - (lagOf(b.service) ?? -1),
  rpo: (a, b) => (rpoOf(a.service) ?? -1) - (rpoOf(b.service) ?? -1),
};

/** Wanted additional clouds of a service. */
export function copiesOf({ locations }: Protection): readonly Location[] {
  return locations.filter(({ role, state }) => role === "secondary" && state !== "deleting");
}

/** Of the additional cloud that is furthest behind; undefined: there is none. */
export function lagOf(service: Protection): number | undefined {
  return worst(copiesOf(service).map(({ replication_lag_seconds }) => replication_lag_seconds));
}

export function rpoOf(service: Protection): number | undefined {
  return worst(copiesOf(service).map(({ rpo_seconds }) => rpo_seconds));
}

function worst(values: readonly (number | null)[]): number | undefined {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? undefined : Math.max(...known);
}

function textOf({ service_name, service_type, cloud_name, state, locations }: Protection): string {
  const engine = service_type === "pg" ? "pg postgresql" : service_type;
  return [service_name, engine, cloud_name, state, ...locations.map(({ cloud }) => cloud)].join(" ").toLowerCase();
}
