import assert from "node:assert/strict";
import mysql from "mysql2/promise";
import pg from "pg";
import type { ServiceAnswer } from "./api-client.ts";
import type { TestMysql } from "./mysql-server.ts";
import { type TestRegions, until } from "./regions.ts";

const project = "/project/demo";

export interface ForkRequest {
  /** Default: `shop`. */
  readonly source?: string;
  readonly cloud: string;
  readonly at?: string;
  readonly gtid?: string;
  readonly backup?: string;
}

/** Asks for a fork of `shop`, or another service. */
export async function askForFork(regions: TestRegions, name: string, request: ForkRequest): Promise<void> {
  await regions.api.request("POST", `${project}/service`, {
    service_name: name,
    cloud: request.cloud,
    user_config: {
      service_to_fork_from: request.source ?? "shop",
      ...(request.at === undefined ? {} : { recovery_target_time: request.at }),
      ...(request.gtid === undefined ? {} : { recovery_target_gtid: request.gtid }),
      ...(request.backup === undefined ? {} : { recovery_basebackup_name: request.backup }),
    },
  });
}

/** Forks it and waits until the fork runs. @returns URI of its database that the test's tables are in */
export async function forkShop(regions: TestRegions, name: string, request: ForkRequest): Promise<string> {
  await askForFork(regions, name, request);
  return await forkRuns(regions, name);
}

/** Waits until a fork runs that was asked for. @returns as `forkShop` does */
export async function forkRuns(regions: TestRegions, name: string): Promise<string> {
  let uri = "";
  await until(`${name} runs`, async () => {
    const failure = (await regions.events()).find(
      ({ event_type, event_desc }) => event_type === "fork_failed" && event_desc.startsWith(`${name} `),
    );
    assert.equal(failure?.event_desc, undefined);
    const { service } = await regions.api.request<{ service: ServiceAnswer }>("GET", `${project}/service/${name}`);
    uri = service.service_uri ?? "";
    return service.state === "RUNNING";
  });
  const url = new URL(uri);
  url.pathname = isMysql(url) ? "/shop" : "/postgres";
  return url.toString();
}

/** Rows of a query, as arrays of values. */
export async function rowsAt(uri: string, text: string): Promise<unknown[][]> {
  const url = new URL(uri);
  return isMysql(url) ? await rowsAtMysql(url, text) : await rowsAtPostgres(url, text);
}

export async function countAt(uri: string, table = "t"): Promise<number> {
  const [[count] = []] = await rowsAt(uri, `SELECT count(*) FROM ${table}`);
  return Number(count);
}

function isMysql({ protocol }: URL): boolean {
  return protocol === "mysql:";
}

async function rowsAtPostgres(url: URL, text: string): Promise<unknown[][]> {
  url.searchParams.delete("sslmode");
  const client = new pg.Client({ connectionString: url.toString(), ssl: { rejectUnauthorized: false } });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text, rowMode: "array" })).rows;
  } finally {
    await client.end();
  }
}

async function rowsAtMysql(url: URL, text: string): Promise<unknown[][]> {
  return await withMysql(url, async (connection) => {
    const [rows] = await connection.query<mysql.RowDataPacket[][]>({ sql: text, rowsAsArray: true });
    return Array.isArray(rows) ? rows : [];
  });
}

/** A MySQL server, as its administrator reaches it. */
export function mysqlAt(uri: string): Pick<TestMysql, "sql"> {
  return {
    sql: async (text) =>
      await withMysql(new URL(uri), async (connection) => {
        const [rows] = await connection.query<mysql.RowDataPacket[]>(text);
        return Array.isArray(rows) ? rows : [];
      }),
  };
}

async function withMysql<T>(url: URL, work: (connection: mysql.Connection) => Promise<T>): Promise<T> {
  const connection = await mysql.createConnection({
    host: url.hostname,
    port: Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: url.pathname.slice(1),
    ssl: { rejectUnauthorized: false },
    dateStrings: true,
  });
  try {
    return await work(connection);
  } finally {
    await connection.end();
  }
}
