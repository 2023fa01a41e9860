import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { createObjectStore } from "../../src/object-store/open-object-store.ts";
import type { FaultObjectStore } from "../support/fault-object-store.ts";
import { forkShop, rowsAt } from "../support/fork-shop.ts";
import { jobResults } from "../support/job-results.ts";
import { startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { north, south, TestRegions } from "../support/regions.ts";
import { startCeph } from "../support/s3-servers.ts";

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

  // Another program of the host has the port that the fork would get.
  const stranger = createServer().listen(regions.configuration.services.ports.first, "127.0.0.1");
  await once(stranger, "listening");
  const atTime = await forkShop(regions, "at-time", { cloud: south, at: between.text });
  stranger.close();
  assert.deepEqual(await rowsAt(atTime, "select max(id), count(*)::int from t"), [[1001, 1001]]);
  const latest = await forkShop(regions, "latest", { cloud: north });
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
    const uri = await forkShop(regions, "survivor", { cloud: south });
    assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[500]]);
    const asked = nothingOfLog(regions.store(north));
    assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[500]]);
    assert.deepEqual(nothingOfLog(regions.store(north)), asked);
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

/** What was read and listed of a store, but for log: whoever copies it looks again and again whether the store is back. */
function nothingOfLog(store: FaultObjectStore): readonly string[] {
  const operations = ["get", "head", "list", "listFolders"] as const;
  return operations.flatMap((operation) => store.keysOf(operation)).filter((key) => !key.includes("/log/"));
}

test("a backup of what changed is copied, and a fork from it holds what the source holds", async () => {
  const settings = { summarize_wal: "on", wal_level: "replica" };
  await using server = await startPostgres({ majorVersion: "18", settings, initdbArgs: ["--data-checksums"] });
  await using regions = await TestRegions.create();
  await server.sql("create table t (id int primary key, text text)");
  await server.sql("insert into t select i, repeat(md5(i::text), 10) from generate_series(1, 20000) i");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  for (let round = 2; round <= 4; round += 1) {
    await server.sql(`update t set text = text || '${round}' where id % 1009 = ${round}`);
    await server.sql(`delete from t where id % 2003 = ${round}`);
    await regions.api.request("POST", "/project/demo/service/shop/backups", {});
    await regions.hasBackups(south, round);
  }
  const results = await jobResults(regions, "backup");
  assert.equal(results.filter((result) => /the server sent what changed/.test(JSON.stringify(result))).length, 3);
  const stored = results.map((result) => Number(result["storedBytes"])).sort((a, b) => a - b);
  assert.ok((stored[2] ?? 0) < (stored[3] ?? 0) / 4, `${stored.join(", ")} bytes`);

  const digest = "select count(*)::int, md5(string_agg(id || text, ',' order by id)) from t";
  const [expected] = await server.sql(digest);
  await regions.reaches(south, (await now(server)).date);
  const uri = await forkShop(regions, "from-changes", { cloud: south });
  assert.deepEqual(await rowsAt(uri, digest), [Object.values(expected ?? {})]);
  // An index-only scan believes the visibility map.
  const indexOnly = `${uri}&options=${encodeURIComponent("-c enable_seqscan=off -c enable_bitmapscan=off")}`;
  assert.deepEqual(await rowsAt(indexOnly, "select count(*)::int from t where id > 0"), [[expected?.["count"]]]);
});

test("C8: with two buckets of one S3 service as stores, backups are taken, copied inside the service, and forked", async () => {
  await using s3 = await startCeph();
  for (const cloud of [north, south]) await s3.makeBucket(cloud);
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create({
    storeOf: (cloud) =>
      createObjectStore(`s3://${cloud}/btar?endpoint=${encodeURIComponent(s3.endpoint)}&region=us-east-1`, {
        credentials: s3.credentials,
      }),
  });
  await server.sql("create table t as select i, repeat('row ', 20) as note from generate_series(1, 50000) i");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  const packs = (await regions.store(south).keys()).filter((key) => key.includes("/pack/"));
  const copied = regions.store(south).keysOf("copyFrom");
  for (const pack of packs) assert.ok(copied.includes(pack), `${pack} went through btar`);
  await server.sql("insert into t values (50001, 'after the backup')");
  await regions.reaches(south, (await now(server)).date);
  const uri = await forkShop(regions, "from-s3", { cloud: south });
  assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[50_001]]);
});
