import pg from "pg";
import type { City } from "./cities.ts";
import type { Digests, FoundWrites, ShopConnection, ShopDatabase } from "./shop-database.ts";

export const postgresShop: ShopDatabase = {
  engine: "pg",
  serviceName: "shop",
  pidFile: "data/postmaster.pid",
  connect: async (uri) => {
    const client = new pg.Client({ connectionString: withoutSslMode(uri), ssl: { rejectUnauthorized: false } });
    client.on("error", () => undefined); // a broken connection fails the next statement, too, which tells of it
    await client.connect();
    return new PostgresConnection(client);
  },
  clientCommand: (uri) => `psql '${uri}'`,
};

class PostgresConnection implements ShopConnection {
  readonly #client: pg.Client;

  constructor(client: pg.Client) {
    this.#client = client;
  }

  async createTables(): Promise<void> {
    await this.#client.query(`
      create table cities (id integer primary key, name text not null, country text not null,
        population integer not null, longitude double precision not null, latitude double precision not null);
      create table writes (id bigint primary key, at timestamptz not null, note text not null);
      create table totals (id integer primary key, writes bigint not null);
      insert into totals values (1, 0)`);
  }

  async insertCities(cities: readonly City[]): Promise<void> {
    await this.#client.query(
      "insert into cities select * from unnest($1::int[], $2::text[], $3::text[], $4::int[], $5::float8[], $6::float8[])",
      [
        cities.map((city) => city.id),
        cities.map((city) => city.name),
        cities.map((city) => city.country),
        cities.map((city) => city.population),
        cities.map((city) => city.longitude),
        cities.map((city) => city.latitude),
      ],
    );
  }

  async indexCities(): Promise<number> {
    await this.#client.query("create index on cities (country, population)");
    const found = await this.#client.query<{ rows: number }>("select count(*)::int as rows from cities");
    return found.rows[0]?.rows ?? 0;
  }

  async write(id: number): Promise<Date> {
    const result = await this.#client.query<{ at: Date }>(
      `with write as (insert into writes values (${id}, clock_timestamp(), 'write ${id}') returning at),
            total as (update totals set writes = writes + 1)
       select at from write`,
    );
    return firstOf(result.rows).at;
  }

  async now(): Promise<string> {
    const result = await this.#client.query<{ at: string }>(
      `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
    );
    return firstOf(result.rows).at;
  }

  async digests(): Promise<Digests> {
    const tables = await this.#client.query<{ name: string }>(
      "select quote_ident(relname) as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1",
    );
    const result: Record<string, string> = {};
    for (const { name } of tables.rows) {
      const found = await this.#client.query<{ digest: string }>(
        `select md5(coalesce(string_agg(md5(t::text), '' order by md5(t::text)), '')) || '/' || count(*) as digest from ${name} t`,
      );
      result[name] = firstOf(found.rows).digest;
    }
    return result;
  }

  async foundWrites(): Promise<FoundWrites> {
    const result = await this.#client.query<{ newest: string; count: string; total: string; at: Date | null }>(
      "select max(id) as newest, count(*) as count, max(at) as at, (select writes from totals) as total from writes",
    );
    const { newest, count, total, at } = firstOf(result.rows);
    return { newestId: Number(newest), count: Number(count), total: Number(total), newestAt: at ?? new Date(0) };
  }

  async end(): Promise<void> {
    await this.#client.end();
  }
}

/** `pg` checks certificates by its own option, not by the URI's. */
export function withoutSslMode(uri: string): string {
  const url = new URL(uri);
  url.searchParams.delete("sslmode");
  return url.toString();
}

function firstOf<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error("the database gave no row");
  return row;
}
