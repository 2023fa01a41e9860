import { execFile } from "node:child_process";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import mysql from "mysql2/promise";
import type { City } from "./cities.ts";
import type { Digests, FoundWrites, ShopConnection, ShopDatabase } from "./shop-database.ts";

const run = promisify(execFile);

export const mysqlShop: ShopDatabase = {
  engine: "mysql",
  serviceName: "shop-mysql",
  pidFile: "data/mysqld.pid",
  install: async (telling, signal) => {
    await telling.step("looking for MySQL's programs, and loading them when they are missing", async (show) => {
      const { stdout } = await run(join(import.meta.dirname, "../scripts/servers/mysql.sh"), { signal });
      show(relative(process.cwd(), stdout.trim()));
    });
  },
  connect: async (uri) => {
    const { host, port, user, password, database } = partsOf(uri);
    const connection = await mysql.createConnection({
      host,
      port,
      user,
      password,
      database,
      ssl: { rejectUnauthorized: false },
      multipleStatements: true,
      timezone: "Z",
    });
    connection.on("error", () => undefined); // a broken connection fails the next statement, too, which tells of it
    await connection.query("set time_zone = '+00:00'");
    return new MysqlConnection(connection);
  },
  clientCommand: (uri) => {
    const { host, port, user, password, database } = partsOf(uri);
    return `mysql --host=${host} --port=${port} --user=${user} --password='${password}' --ssl-mode=REQUIRED ${database}`;
  },
};

class MysqlConnection implements ShopConnection {
  readonly #connection: mysql.Connection;

  constructor(connection: mysql.Connection) {
    this.#connection = connection;
  }

  async createTables(): Promise<void> {
    await this.#connection.query(`
      create table cities (id int primary key, name varchar(200) not null, country varchar(2) not null,
        population int not null, longitude double not null, latitude double not null);
      create table writes (id bigint primary key, at datetime(6) not null, note varchar(100) not null);
      create table totals (id int primary key, writes bigint not null);
      insert into totals values (1, 0)`);
  }

  async insertCities(cities: readonly City[]): Promise<void> {
    const rows = cities.map((city) => [
      city.id,
      city.name,
      city.country,
      city.population,
      city.longitude,
      city.latitude,
    ]);
    await this.#connection.query("insert into cities values ?", [rows]);
  }

  async indexCities(): Promise<number> {
    await this.#connection.query("create index by_country on cities (country, population)");
    const { count } = await this.#row<{ count: number }>("select count(*) as count from cities");
    return count;
  }

  async write(id: number): Promise<Date> {
    const [results] = await this.#connection.query<mysql.RowDataPacket[][]>(`
      set @at = sysdate(6);
      begin;
      insert into writes values (${id}, @at, 'write ${id}');
      update totals set writes = writes + 1 where id = 1;
      commit;
      select cast(@at as datetime(6)) as at`);
    const at: unknown = results.at(-1)?.[0]?.["at"];
    if (!(at instanceof Date)) throw new Error("the database does not tell when it took the write");
    return at;
  }

  async now(): Promise<string> {
    const { at } = await this.#row<{ at: string }>("select date_format(sysdate(6), '%Y-%m-%dT%H:%i:%s.%fZ') as at");
    return at;
  }

  async digests(): Promise<Digests> {
    const [tables] = await this.#connection.query<mysql.RowDataPacket[]>(
      `select table_name as name, group_concat(concat('\`', column_name, '\`') order by ordinal_position) as column_list
       from information_schema.columns where table_schema = database() group by table_name order by 1`,
    );
    const result: Record<string, string> = {};
    for (const { name, column_list } of tables) {
      // Rows have a key, so no two of them are alike and undo each other.
      const { digest } = await this.#row<{ digest: string }>(
        `select concat(hex(bit_xor(unhex(sha2(json_array(${column_list}), 256)))), '/', count(*)) as digest from \`${name}\``,
      );
      result[String(name)] = digest;
    }
    return result;
  }

  async foundWrites(): Promise<FoundWrites> {
    const { newest, count, total, at } = await this.#row<{
      newest: number | null;
      count: number;
      total: number;
      at: Date | null;
    }>(
      "select max(id) as newest, count(*) as count, max(at) as at, (select writes from totals where id = 1) as total from writes",
    );
    return { newestId: Number(newest), count, total, newestAt: at ?? new Date(0) };
  }

  async end(): Promise<void> {
    await this.#connection.end();
  }

  async #row<T>(query: string): Promise<T> {
    const [rows] = await this.#connection.query<(T & mysql.RowDataPacket)[]>(query);
    return firstOf(rows);
  }
}

interface UriParts {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

function partsOf(uri: string): UriParts {
  const url = new URL(uri);
  return {
    host: url.hostname,
    port: Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
  };
}

function firstOf<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error("the database gave no row");
  return row;
}
