import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Static } from "typebox";
import type { serviceAnswer } from "../../src/contract/services.ts";
import { askForFork, forkRuns, forkShop, rowsAt } from "../support/fork-shop.ts";
import { jobResults } from "../support/job-results.ts";
import { startMysql } from "../support/mysql-server.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";
import { SmallDisk } from "../support/small-disk.ts";
import { mysqlClock } from "../support/shops.ts";

const ids = "SELECT id FROM t ORDER BY id";
const newest = "SELECT MAX(id), COUNT(*) FROM t";

test("F1-F4, F7, C3: an attached MySQL server is backed up, copied, and forked; the copy alone does when its region is gone", async () => {
  const server = await startMysql();
  await using regions = await TestRegions.create();
  try {
    await server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, note VARCHAR(200))");
    await server.sql(
      "INSERT INTO shop.t WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i, REPEAT('row ', 40) FROM n",
    );
    await regions.attachShop(server);
    await regions.hasBackups(south, 1);
    await server.sql("INSERT INTO shop.t VALUES (1001, 'in time')");
    await new Promise((resolve) => setTimeout(resolve, 5)); // times that a fork is asked for are whole milliseconds
    const between = await mysqlClock(server);
    const [executed] = await server.sql("SELECT @@GLOBAL.gtid_executed AS gtids");
    const gtid = String(executed?.["gtids"]).replace(/:1-(\d+)$/, ":$1");
    await new Promise((resolve) => setTimeout(resolve, 5));
    await server.sql("INSERT INTO shop.t VALUES (1002, 'too late')");
    await regions.reaches(south, await mysqlClock(server));

    const atTime = await forkShop(regions, "at-time", { cloud: south, at: between.toISOString() });
    assert.deepEqual(await rowsAt(atTime, newest), [[1001, 1001]]);
    // Only who may mount one can have a disk that runs full.
    using disk = SmallDisk.mount(path.join(regions.directory, "clouds", north, "services"), 2 ** 30);
    const latest = await (disk ? forkWhileDiskFills(regions, disk) : forkShop(regions, "latest", { cloud: north }));
    assert.deepEqual(await rowsAt(latest, newest), [[1002, 1002]]);
    await rowsAt(latest, "INSERT INTO shop.t VALUES (2000, 'of its own')");
    await regions.hasBackups(north, 1, "latest");
    assert.deepEqual(await server.sql("SELECT MAX(id) AS id FROM shop.t"), [{ id: 1002 }]);

    // The second base backup stores what differs.
    await server.sql("UPDATE shop.t SET note = 'changed' WHERE id = 7");
    await regions.api.request("POST", "/project/demo/service/shop/backups", {});
    await regions.hasBackups(south, 2);
    const results = await jobResults(regions, "backup");
    const stored = results.map((result) => Number(result["storedBytes"])).sort((a, b) => a - b);
    assert.ok((stored[0] ?? 0) < (stored[1] ?? 0) / 2, `${stored.join(", ")} bytes`);

    await forksByGtid(regions, gtid);

    await server.sql("INSERT INTO shop.t VALUES (1003, 'at the very end')");
    await regions.reaches(south, await mysqlClock(server));
    await server.crash();
    await regions.stopAgent(north);
    regions.store(north).failWith("STORE_UNREACHABLE");
    const survivor = await forkShop(regions, "survivor", { cloud: south });
    assert.deepEqual(await rowsAt(survivor, newest), [[1003, 1003]]);
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

/** The disk fills while files are restored, and, when that is tried again, while the log is fetched. */
async function forkWhileDiskFills(regions: TestRegions, disk: SmallDisk): Promise<string> {
  const forkJob = async () => (await regions.jobs("latest")).find(({ kind }) => kind === "fork");
  for (const [index, part] of ["/pack/", "/log/"].entries()) {
    let isFilled = false;
    regions.store(north).heal();
    regions.store(north).interrupt(
      async (_operation, key) => {
        if (!key.includes(part) || readdirSync(disk.directory).length === 0) return;
        disk.fill();
        isFilled = true;
      },
      { operations: ["get"] },
    );
    disk.makeRoom();
    if (index === 0) await askForFork(regions, "latest", { cloud: north });
    await until(`there is no room at ${part}`, async () => {
      const wasFilled = isFilled;
      const job = await forkJob();
      if (job?.state !== "waiting" || !wasFilled) return false;
      const left = readdirSync(disk.directory);
      // It may have been tried again meanwhile, which is seen by the number of attempts.
      const after = await forkJob();
      if (after?.state !== "waiting" || after.attempts !== job.attempts) return false;
      assert.deepEqual(left, [], "F7");
      assert.equal(job.error_code, "not_enough_room", job.trouble ?? "");
      assert.match(
        job.trouble ?? "",
        /^(?:\S+ cannot be written: ENOSPC|the disk of \S+services ran full while the fork was made: ).*\(make room/,
      );
      return true;
    });
  }
  regions.store(north).heal();
  disk.makeRoom();
  return await forkRuns(regions, "latest");
}

/** @param gtid of the transaction that has made row 1001, which the newest base backup holds already */
async function forksByGtid(regions: TestRegions, gtid: string): Promise<void> {
  const uri = await forkShop(regions, "at-gtid", { cloud: south, gtid });
  assert.deepEqual(await rowsAt(uri, newest), [[1001, 1001]]);
  const path = "/project/demo/service/at-gtid";
  const { service } = await regions.api.request<Static<typeof serviceAnswer>>("GET", path);
  const { target, lastGtid, lastCommitAt, stoppedAt } = service.forked_from ?? {};
  assert.deepEqual([target, lastGtid], [gtid, gtid], "F4: it is told which transaction is its last");
  assert.ok(lastCommitAt);
  assert.match(stoppedAt ?? "", /^binlog\.\d+:\d+ \(.*\)$/);

  const unknown = gtid.replace(/\d+$/, "999999");
  await askForFork(regions, "at-no-gtid", { cloud: south, gtid: unknown });
  let told = "";
  await until("it has failed", async () => {
    const events = await regions.events();
    told = events.find(({ event_type }) => event_type === "fork_failed")?.event_desc ?? "";
    return told !== "";
  });
  assert.match(told, /to transaction \S+:999999: the log holds no such transaction \(choose a transaction of /);
  await assert.rejects(regions.api.request("GET", "/project/demo/service/at-no-gtid"), /not found/i, "F7");
}

test("P5: binary logs that are gone before they were stored are a gap, which is told, and which no fork crosses", async () => {
  await using server = await startMysql();
  await using regions = await TestRegions.create();
  await server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  await regions.reaches(south, await mysqlClock(server));
  await regions.stopAgent(north);
  await server.sql(
    "INSERT INTO shop.t VALUES (2); FLUSH BINARY LOGS; INSERT INTO shop.t VALUES (3); FLUSH BINARY LOGS",
  );
  const gapAt = await mysqlClock(server);
  const [last] = (await server.sql("SHOW BINARY LOGS")).slice(-1);
  await server.sql(`PURGE BINARY LOGS TO '${String(last?.["Log_name"])}'`);
  await regions.startAgent(north);
  await regions.hasBackups(south, 2);
  await regions.reaches(south, await mysqlClock(server));
  assert.ok((await regions.events()).some(({ event_type }) => event_type === "log_gap"));
  await assert.rejects(
    forkShop(regions, "in-the-gap", { cloud: south, at: gapAt.toISOString() }),
    /cannot be recovered to/,
  );
  const uri = await forkShop(regions, "behind-the-gap", { cloud: south });
  assert.deepEqual(await rowsAt(uri, ids), [[1], [2], [3]]);
});

test("P5: binary logs that are reset are another history: a new base backup begins it, and the old one stays", async () => {
  await using server = await startMysql();
  await using regions = await TestRegions.create();
  await server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  await server.sql("INSERT INTO shop.t VALUES (2)");
  const before = await mysqlClock(server);
  await regions.reaches(south, before);
  await server.sql("RESET BINARY LOGS AND GTIDS; INSERT INTO shop.t VALUES (3)");
  await regions.hasBackups(south, 2);
  assert.ok((await regions.events()).some(({ event_type }) => event_type === "database_replaced"));
  await server.sql("INSERT INTO shop.t VALUES (4)");
  await regions.reaches(south, await mysqlClock(server));
  const latest = await forkShop(regions, "after-the-reset", { cloud: south });
  assert.deepEqual(await rowsAt(latest, ids), [[1], [2], [3], [4]]);
  const earlier = await forkShop(regions, "before-the-reset", { cloud: south, at: before.toISOString() });
  assert.deepEqual(await rowsAt(earlier, ids), [[1], [2]]);
});
