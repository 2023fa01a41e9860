import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import type { ServiceAnswer } from "../support/api-client.ts";
import { startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";

const project = "/project/demo";

async function fork(
  regions: TestRegions,
  name: string,
  options: { readonly cloud: string; readonly at?: string; readonly backup?: string },
): Promise<string> {
  await regions.api.request("POST", `${project}/service`, {
    service_name: name,
    service_type: "pg",
    plan: "hobbyist",
    cloud: options.cloud,
    user_config: {
      service_to_fork_from: "shop",
      ...(options.at === undefined ? {} : { recovery_target_time: options.at }),
      ...(options.backup === undefined ? {} : { recovery_basebackup_name: options.backup }),
    },
  });
  let uri = "";
  await until(`${name} runs`, async () => {
    const failure = (await regions.events()).find(({ event_type }) => event_type === "fork_failed");
    assert.equal(failure?.event_desc, undefined);
    const { service } = await regions.api.request<{ service: ServiceAnswer }>("GET", `${project}/service/${name}`);
    uri = service.service_uri ?? "";
    return service.state === "RUNNING";
  });
  return uri.replace("/defaultdb", "/postgres");
}

async function rowsAt(uri: string, text: string): Promise<unknown[][]> {
  const url = new URL(uri);
  url.searchParams.delete("sslmode");
  const client = new pg.Client({ connectionString: url.toString(), ssl: { rejectUnauthorized: false } });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text, rowMode: "array" })).rows;
  } finally {
    await client.end();
  }
}

async function now(server: TestPostgres): Promise<{ readonly date: Date; readonly text: string }> {
  const [row] = await server.sql(
    `select clock_timestamp() as date, to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as text`,
  );
  return { date: row?.["date"] as Date, text: String(row?.["text"]) };
}

test("F1-F4: an attached service is backed up, copied, and forked in both regions, at a time and at the latest", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create();
  await server.sql(
    "create table t (id int primary key); insert into t select generate_series(1, 1000); create role app login password 'app secret'",
  );
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  await server.sql("insert into t values (1001)");
  const between = await now(server);
  await server.sql("insert into t values (1002)");
  const after = await now(server);
  await regions.reaches(south, after.date);

  const atTime = await fork(regions, "at-time", { cloud: south, at: between.text });
  assert.deepEqual(await rowsAt(atTime, "select max(id), count(*)::int from t"), [[1001, 1001]]);
  const latest = await fork(regions, "latest", { cloud: north });
  assert.deepEqual(await rowsAt(latest, "select max(id), count(*)::int from t"), [[1002, 1002]]);

  // F5, F6: writable, with own backups, and the source's users.
  await rowsAt(latest, "insert into t values (2000)");
  await regions.hasBackups(north, 1, "latest");
  assert.deepEqual(await server.sql("select max(id) from t"), [{ max: 1002 }]);
});

test("C3, F2: with the first region's store, agent and server gone, the copy is forked up to its last moment", async () => {
  const server = await startPostgres({ majorVersion: "17" });
  await using regions = await TestRegions.create();
  try {
    await server.sql("create table t (id int primary key)");
    await regions.attachShop(server);
    await regions.hasBackups(south, 1);
    await server.sql("insert into t select generate_series(1, 500)");
    await regions.reaches(south, (await now(server)).date);
    await server.crash();
    await regions.stopAgent(north);
    regions.store(north).failWith("STORE_UNREACHABLE");
    const uri = await fork(regions, "survivor", { cloud: south });
    assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[500]]);
    const calls = regions.store(north).calls();
    assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[500]]);
    assert.equal(regions.store(north).calls(), calls);
  } finally {
    await server[Symbol.asyncDispose]();
  }
});
