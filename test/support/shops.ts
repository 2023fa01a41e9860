/** Database servers to protect, of either engine: for tests of what does not depend on it. */
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type EngineName, engineNames, productNames } from "../../src/domain/engine-name.ts";
import type { ServerAddress } from "../../src/engine/engine.ts";
import { startMysql, type TestMysql } from "./mysql-server.ts";
import { startPostgres } from "./postgres-server.ts";

/** A running server with a table `t (id, note)`. */
export interface Shop extends AsyncDisposable {
  readonly engine: EngineName;
  readonly address: ServerAddress;
  /** Statements that both engines know, where `t` is. */
  sql(text: string): Promise<Record<string, unknown>[]>;
  /** Adds rows to `t`, with ids from `from` on. */
  addRows(from: number, count: number, note?: string): Promise<void>;
  /** What is written from now on goes to another file of its log. */
  switchLog(): Promise<void>;
  /** The server's: a moment behind all that was committed, and before all that will be. */
  clock(): Promise<Date>;
  start(): Promise<void>;
  restart(): Promise<void>;
  /** SIGKILL. */
  crash(): Promise<void>;
}

/** @param options.isAnother it is no copy of the cluster that shops usually are (PostgreSQL: system identifier) */
export async function startShop(engine: EngineName, options: { readonly isAnother?: boolean } = {}): Promise<Shop> {
  const shop = engine === "pg" ? await startPostgresShop(options) : await startMysqlShop();
  await shop.sql("CREATE TABLE t (id int PRIMARY KEY, note varchar(500))");
  return shop;
}

async function startPostgresShop({ isAnother = false }: { readonly isAnother?: boolean }): Promise<Shop> {
  const initdbArgs = isAnother ? ["--no-instructions"] : [];
  const server = await startPostgres({ majorVersion: "18", initdbArgs });
  return {
    engine: "pg",
    address: server.address,
    sql: async (text) => await server.sql(text),
    addRows: async (from, count, note = "row") => {
      const ids = `generate_series($1::int, $1::int + $2::int - 1)`;
      await server.sql(`INSERT INTO t SELECT id, $3 FROM ${ids} id`, [from, count, note]);
    },
    switchLog: async () => void (await server.sql("SELECT pg_switch_wal()")),
    clock: async () => {
      const [row] = await server.sql("SELECT clock_timestamp() AS at");
      return await nextMillisecond(row?.["at"] as Date);
    },
    start: async () => await server.start(),
    restart: async () => await server.restart(),
    crash: async () => await server.crash(),
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
}

async function startMysqlShop(): Promise<Shop> {
  const server = await startMysql();
  await server.sql("CREATE DATABASE shop");
  return {
    engine: "mysql",
    address: server.address,
    sql: async (text) => await server.sql(`USE shop; ${text}`),
    addRows: async (from, count, note = "row") => {
      const ids = "WITH RECURSIVE n AS (SELECT ? AS id UNION ALL SELECT id + 1 FROM n WHERE id < ?)";
      const insert = `SET SESSION cte_max_recursion_depth = 1000000; INSERT INTO shop.t ${ids} SELECT id, ? FROM n`;
      await server.sql(insert, [from, from + count - 1, note]);
    },
    switchLog: async () => void (await server.sql("FLUSH BINARY LOGS")),
    clock: async () => await mysqlClock(server),
    start: async () => await server.start(),
    restart: async () => await server.restart(),
    crash: async () => await server.crash(),
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
}

/** The clock of a server, to the millisecond: a moment behind all that was committed, and before all that will be. */
export async function mysqlClock(server: Pick<TestMysql, "sql">): Promise<Date> {
  const [row] = await server.sql("SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ') AS at");
  return await nextMillisecond(new Date(String(row?.["at"])));
}

/** Commits have times in microseconds, which are cut off here. The next millisecond is over when it is given back. */
async function nextMillisecond(at: Date): Promise<Date> {
  await delay(5);
  return new Date(at.getTime() + 1);
}

/** A test for each engine, whose title says which. */
export function testEachEngine(title: string, work: (engine: EngineName) => Promise<void>): void {
  for (const engine of engineNames) void test(`${productNames[engine]}: ${title}`, async () => await work(engine));
}
