import assert from "node:assert/strict";
import { test } from "node:test";
import { objectNames } from "../../src/repository/object-names.ts";
import { askForFork, forkShop, rowsAt } from "../support/fork-shop.ts";
import { startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";

const backups = "/project/demo/service/shop/backups";

async function clock(server: TestPostgres): Promise<Date> {
  const [row] = await server.sql("select clock_timestamp() as now");
  return row?.["now"] as Date;
}

async function shopWithBackup(regions: TestRegions, server: TestPostgres): Promise<void> {
  await server.sql("create table t (id int primary key, note text)");
  await server.sql("insert into t select i, repeat('x', 100) from generate_series(1, 2000) i");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
}

async function takeBackup(regions: TestRegions): Promise<string> {
  const { backup } = await regions.api.request<{ backup: { backup_name: string } }>("POST", backups);
  return backup.backup_name;
}

for (const code of ["STORE_UNREACHABLE", "STORE_FULL"] as const) {
  test(`P2, X2: with the primary store ${code} in the middle, backup and log wait, say why, and go on by themselves`, async () => {
    await using server = await startPostgres({ majorVersion: "18" });
    await using regions = await TestRegions.create();
    await shopWithBackup(regions, server);
    regions.store(north).failWith(code, { operations: ["put"], afterCalls: 2 });
    await takeBackup(regions);
    await server.sql("insert into t select i, 'while it was down' from generate_series(3000, 3100) i");
    const written = await clock(server);
    await until("the job says why it waits", async () => {
      const job = (await regions.jobs()).find(({ kind }) => kind === "backup");
      return job?.state === "running" && /fails on purpose.*next try/.test(job.trouble ?? "");
    });
    await until("the location says why it waits", async () => {
      return /fails on purpose/.test((await regions.location(north))?.trouble ?? "");
    });
    const [slot] = await server.sql("select restart_lsn < pg_current_wal_lsn() as keeps from pg_replication_slots");
    assert.deepEqual(slot, { keeps: true });
    assert.equal((await regions.location(north))?.complete_backups, 1);
    regions.store(north).heal();
    await regions.hasBackups(north, 2);
    await regions.hasBackups(south, 2);
    await regions.reaches(south, written);
    assert.equal((await regions.location(north))?.trouble, null);
    const uri = await forkShop(regions, "after", { cloud: south });
    assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[2101]]);
  });
}

test("C5, L1: with the secondary store unreachable, primary backups go on, lag grows and is shown, and it catches up", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create();
  await shopWithBackup(regions, server);
  regions.store(south).failWith("STORE_UNREACHABLE");
  await server.sql("insert into t values (5000, 'not copied yet')");
  const written = await clock(server);
  await takeBackup(regions);
  await regions.hasBackups(north, 2);
  await regions.reaches(north, written);
  await until("the lag grows", async () => ((await regions.location(south))?.replication_lag_seconds ?? 0) > 1);
  const behind = await regions.location(south);
  assert.equal(behind?.complete_backups, 1);
  assert.ok(behind.recovery_window && new Date(behind.recovery_window.latest_at) < written);
  assert.match(behind.trouble ?? "", /fails on purpose/);
  regions.store(south).heal();
  await regions.hasBackups(south, 2);
  await regions.reaches(south, written);
  await until("the lag is gone", async () => (await regions.location(south))?.replication_lag_seconds === 0);
});

test("X3, F7: a fork from a damaged copy fails cleanly, leaves nothing, and says what would do instead", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create();
  await shopWithBackup(regions, server);
  const store = regions.store(south);
  const [pack] = await store.keys(`${(await regions.serviceId("shop")) ?? ""}/pack/`);
  assert.ok(pack);
  await store.flipByte(pack, 5000);
  await askForFork(regions, "hopeless", { cloud: south });
  let told = "";
  await until("the fork has failed", async () => {
    const event = (await regions.events()).find(({ event_type }) => event_type === "fork_failed");
    told = event?.event_desc ?? "";
    return event !== undefined;
  });
  assert.ok(told.includes(pack), told);
  const job = (await regions.jobs("hopeless")).find(({ kind }) => kind === "fork");
  await until("the job has failed", async () =>
    (await regions.jobs("hopeless")).some(({ state }) => state === "failed"),
  );
  const failed = (await regions.jobs("hopeless")).find(({ id }) => id === job?.id);
  assert.match(failed?.trouble ?? "", /in local-north/);
  assert.equal(failed?.error_code, "object_damaged");
  await assert.rejects(regions.api.request("GET", "/project/demo/service/hopeless"), /not found|does not exist/i);
});

test("P5: the server restarts; the log goes on without a gap", async () => {
  await using server = await startPostgres({ majorVersion: "17" });
  await using regions = await TestRegions.create();
  await shopWithBackup(regions, server);
  await server.restart();
  await server.sql("insert into t values (7000, 'after the restart')");
  await regions.reaches(south, await clock(server));
  const ranges = await regions.catalog.db.selectFrom("log_range").select("cloud").where("cloud", "=", north).execute();
  assert.equal(ranges.length, 1);
  const uri = await forkShop(regions, "restarted", { cloud: south });
  assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[2001]]);
});

test("P5: log that the server dropped is a gap: it is said, a new base backup is taken, and no time in it is offered", async () => {
  await using server = await startPostgres({
    majorVersion: "18",
    settings: { max_wal_size: "32MB", min_wal_size: "32MB" },
  });
  await using regions = await TestRegions.create();
  await shopWithBackup(regions, server);
  await regions.reaches(south, await clock(server));
  await regions.stopAgent(north);
  await server.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
  for (let round = 0; round < 4; round += 1) {
    await server.sql("insert into t select i, repeat('gap', 500) from generate_series(1000000, 1010000) i");
    await server.sql("delete from t where id >= 1000000");
    await server.sql("select pg_switch_wal()");
    await server.sql("checkpoint");
  }
  const inGap = await clock(server);
  await regions.startAgent(north);
  await until("the gap is told", async () =>
    (await regions.events()).some(({ event_type }) => event_type === "log_gap"),
  );
  await regions.hasBackups(north, 2);
  await server.sql("insert into t values (9000, 'after the gap')");
  await regions.reaches(south, await clock(server));
  const window = (await regions.location(south))?.recovery_window;
  assert.ok(window && new Date(window.earliest_at) > inGap, JSON.stringify(window));
  await assert.rejects(askForFork(regions, "in-gap", { cloud: south, at: inGap.toISOString() }), /choose a time from/);
});

test("P5: another database at the same address is noticed, and its backups are kept apart", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using other = await startPostgres({ majorVersion: "18", initdbArgs: ["--no-sync"] });
  await using regions = await TestRegions.create();
  await shopWithBackup(regions, server);
  await regions.reaches(south, await clock(server));
  await regions.stopAgent(north);
  await other.sql("create table replaced (id int)");
  await regions.repoint("shop", other);
  await regions.startAgent(north);
  await until("it is told", async () =>
    (await regions.events()).some(({ event_type }) => event_type === "database_replaced"),
  );
  await regions.hasBackups(south, 2);
  const streams = await regions.store(north).listFolders(objectNames.log((await regions.serviceId("shop")) ?? ""));
  assert.equal(streams.length, 2);
  const uri = await forkShop(regions, "replaced", { cloud: south });
  assert.deepEqual(await rowsAt(uri, "select count(*)::int from replaced"), [[0]]);
});

test("P3: a base backup stopped at any call to the store is taken again, is never half visible, and leaves nothing", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create();
  await shopWithBackup(regions, server);
  const store = regions.store(north);
  const serviceId = (await regions.serviceId("shop")) ?? "";
  for (const step of [0, 1, 2, 4, 7]) {
    let isStruck = false;
    store.interrupt(
      async (_operation, key) => {
        if (key.includes("/log/") || key === "" || isStruck) return;
        isStruck = true;
        throw new Error("the process was killed here");
      },
      { afterCalls: step },
    );
    const before = (await regions.location(north))?.complete_backups ?? 0;
    const name = await takeBackup(regions);
    await regions.hasBackups(north, before + 1);
    store.heal();
    assert.ok(await store.head(objectNames.manifest(serviceId, name)), `after a stop at call ${step}`);
  }
  await regions.hasBackups(south, 6);
  const manifests = (await store.keys(`${serviceId}/base/`)).length;
  assert.equal(manifests, 6);
  const uri = await forkShop(regions, "whole", { cloud: south });
  assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[2000]]);
});

test("WAL that the server holds back while the store is away is told before its disk fills, and when it is let go", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create({ retainedLogBytes: 24 * 1024 * 1024 });
  await shopWithBackup(regions, server);
  regions.store(north).failWith("STORE_UNREACHABLE");
  for (let round = 0; round < 4; round += 1) {
    await server.sql("insert into t select i, repeat('held back', 50) from generate_series(100000, 102000) i");
    await server.sql("delete from t where id >= 100000");
    await server.sql("select pg_switch_wal()");
  }
  const told = async (kind: string) => (await regions.events()).some(({ event_type }) => event_type === kind);
  await until("the slot is told", () => told("slot_holds_wal"));
  regions.store(north).heal();
  await until("it is told that the log is let go", () => told("slot_released_wal"), 90);
});
