import assert from "node:assert/strict";
import { test } from "node:test";
import mysql from "mysql2/promise";
import type { ServiceAnswer } from "../support/api-client.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";

const project = "/project/demo";

async function now(server: TestMysql): Promise<Date> {
  const [row] = await server.sql("SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ') AS at");
  return new Date(String(row?.["at"]));
}

async function attach(regions: TestRegions, server: TestMysql): Promise<void> {
  const { host, port } = server.address;
  await regions.api.request("POST", `${project}/service/attach`, {
    service_name: "shop",
    cloud: north,
    uri: `mysql://root@${host}:${port}/?ssl-mode=DISABLED`,
    user_config: { additional_backup_regions: [south] },
  });
}

async function fork(regions: TestRegions, name: string, cloud: string, at?: Date): Promise<string> {
  await regions.api.request("POST", `${project}/service`, {
    service_name: name,
    service_type: "mysql",
    plan: "hobbyist",
    cloud,
    user_config: { service_to_fork_from: "shop", ...(at && { recovery_target_time: at.toISOString() }) },
  });
  let uri = "";
  await until(`${name} runs`, async () => {
    const failure = (await regions.events()).find(({ event_type }) => event_type === "fork_failed");
    assert.equal(failure?.event_desc, undefined);
    const { service } = await regions.api.request<{ service: ServiceAnswer }>("GET", `${project}/service/${name}`);
    uri = service.service_uri ?? "";
    return service.state === "RUNNING";
  });
  return uri;
}

async function valuesAt(uri: string, sql: string): Promise<unknown[]> {
  const url = new URL(uri);
  const connection = await mysql.createConnection({
    host: url.hostname,
    port: Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    ssl: { rejectUnauthorized: false },
  });
  try {
    const [rows] = await connection.query<mysql.RowDataPacket[]>(sql);
    return Array.isArray(rows) ? rows.flatMap((row) => Object.values(row)) : [];
  } finally {
    await connection.end();
  }
}

test("F1-F4, C3: an attached MySQL server is backed up, copied, and forked; the copy alone does when its region is gone", async () => {
  const server = await startMysql();
  await using regions = await TestRegions.create();
  try {
    await server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, note VARCHAR(200))");
    await server.sql(
      "INSERT INTO shop.t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i, REPEAT('row ', 40) FROM n",
    );
    await attach(regions, server);
    await regions.hasBackups(south, 1);
    await server.sql("INSERT INTO shop.t VALUES (1001, 'in time')");
    await new Promise((resolve) => setTimeout(resolve, 5)); // times that a fork is asked for are whole milliseconds
    const between = await now(server);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await server.sql("INSERT INTO shop.t VALUES (1002, 'too late')");
    await regions.reaches(south, await now(server));

    const atTime = await fork(regions, "at-time", south, between);
    assert.deepEqual(await valuesAt(atTime, "SELECT MAX(id), COUNT(*) FROM shop.t"), [1001, 1001]);
    const latest = await fork(regions, "latest", north);
    assert.deepEqual(await valuesAt(latest, "SELECT MAX(id), COUNT(*) FROM shop.t"), [1002, 1002]);
    await valuesAt(latest, "INSERT INTO shop.t VALUES (2000, 'of its own')");
    await regions.hasBackups(north, 1, "latest");
    assert.deepEqual(await server.sql("SELECT MAX(id) AS id FROM shop.t"), [{ id: 1002 }]);

    // The second base backup stores what differs.
    await server.sql("UPDATE shop.t SET note = 'changed' WHERE id = 7");
    await regions.api.request("POST", `${project}/service/shop/backups`, {});
    await regions.hasBackups(south, 2);
    const results = (await regions.jobs()).filter(({ kind }) => kind === "backup").map(({ result }) => result);
    const stored = results.map((result) => Number(result?.["storedBytes"])).sort((a, b) => a - b);
    assert.ok((stored[0] ?? 0) < (stored[1] ?? 0) / 2, `${stored.join(", ")} bytes`);

    await server.sql("INSERT INTO shop.t VALUES (1003, 'at the very end')");
    await regions.reaches(south, await now(server));
    await server.crash();
    await regions.stopAgent(north);
    regions.store(north).failWith("STORE_UNREACHABLE");
    const survivor = await fork(regions, "survivor", south);
    assert.deepEqual(await valuesAt(survivor, "SELECT MAX(id), COUNT(*) FROM shop.t"), [1003, 1003]);
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

test("P5: binary logs that are gone before they were stored are a gap, which is told, and which no fork crosses", async () => {
  await using server = await startMysql();
  await using regions = await TestRegions.create();
  await server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)");
  await attach(regions, server);
  await regions.hasBackups(south, 1);
  await regions.reaches(south, await now(server));
  await regions.stopAgent(north);
  await server.sql(
    "INSERT INTO shop.t VALUES (2); FLUSH BINARY LOGS; INSERT INTO shop.t VALUES (3); FLUSH BINARY LOGS",
  );
  const gapAt = await now(server);
  const [newest] = (await server.sql("SHOW BINARY LOGS")).slice(-1);
  await server.sql(`PURGE BINARY LOGS TO '${String(newest?.["Log_name"])}'`);
  await regions.startAgent(north);
  await regions.hasBackups(south, 2);
  assert.ok((await regions.events()).some(({ event_type }) => event_type === "log_gap"));
  await assert.rejects(fork(regions, "in-the-gap", south, gapAt), /cannot be recovered to/);
  const uri = await fork(regions, "behind-the-gap", south);
  assert.deepEqual(await valuesAt(uri, "SELECT id FROM shop.t ORDER BY id"), [1, 2, 3]);
});

test("P5: binary logs that are reset are another history: a new base backup begins it, and the old one stays", async () => {
  await using server = await startMysql();
  await using regions = await TestRegions.create();
  await server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)");
  await attach(regions, server);
  await regions.hasBackups(south, 1);
  await server.sql("INSERT INTO shop.t VALUES (2)");
  const before = await now(server);
  await regions.reaches(south, before);
  await server.sql("RESET BINARY LOGS AND GTIDS; INSERT INTO shop.t VALUES (3)");
  await regions.hasBackups(south, 2);
  assert.ok((await regions.events()).some(({ event_type }) => event_type === "database_replaced"));
  await server.sql("INSERT INTO shop.t VALUES (4)");
  await regions.reaches(south, await now(server));
  const latest = await fork(regions, "after-the-reset", south);
  assert.deepEqual(await valuesAt(latest, "SELECT id FROM shop.t ORDER BY id"), [1, 2, 3, 4]);
  const earlier = await fork(regions, "before-the-reset", south, before);
  assert.deepEqual(await valuesAt(earlier, "SELECT id FROM shop.t ORDER BY id"), [1, 2]);
});
