import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { objectNames } from "../../src/repository/object-names.ts";
import type { BackupAnswer } from "../support/api-client.ts";
import { askForFork, countAt, forkShop } from "../support/fork-shop.ts";
import { startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import type { FaultObjectStore } from "../support/fault-object-store.ts";
import { type JobView, north, south, TestRegions, until } from "../support/regions.ts";
import { type Shop, startShop, testEachEngine } from "../support/shops.ts";

const backups = "/project/demo/service/shop/backups";

async function shopWithBackup(regions: TestRegions, shop: Shop): Promise<void> {
  await shop.addRows(1, 2000);
  await regions.attachShop(shop);
  await regions.hasBackups(south, 1);
}

async function serverClock(server: TestPostgres): Promise<Date> {
  const [row] = await server.sql("select clock_timestamp() as now");
  return row?.["now"] as Date;
}

async function takeBackup(regions: TestRegions): Promise<string> {
  const { backup } = await regions.api.request<{ backup: { backup_name: string } }>("POST", backups);
  return backup.backup_name;
}

for (const { engine, code } of [
  { engine: "pg", code: "STORE_UNREACHABLE" },
  { engine: "pg", code: "STORE_FULL" },
  { engine: "mysql", code: "STORE_FULL" },
] as const) {
  test(`P2, X2: ${engine}, with the primary store ${code} in the middle: backup and log wait, say why, and go on by themselves`, async () => {
    await using shop = await startShop(engine);
    await using regions = await TestRegions.create();
    await shopWithBackup(regions, shop);
    regions.store(north).failWith(code, { operations: ["put"], afterCalls: 2 });
    await takeBackup(regions);
    await until("the job says why it waits", async () => {
      const job = (await regions.jobs()).find(({ kind }) => kind === "backup");
      return job?.state === "running" && /fails on purpose.*next try/.test(job.trouble ?? "");
    });
    await shop.addRows(3000, 101, "while it was down");
    const written = await shop.clock();
    await until("the location says why it waits", async () => {
      return /fails on purpose/.test((await regions.location(north))?.trouble ?? "");
    });
    if (engine === "pg") {
      const [slot] = await shop.sql("select restart_lsn < pg_current_wal_lsn() as keeps from pg_replication_slots");
      assert.deepEqual(slot, { keeps: true });
    }
    assert.equal((await regions.location(north))?.complete_backups, 1);
    regions.store(north).heal();
    await regions.hasBackups(north, 2);
    await regions.hasBackups(south, 2);
    await regions.reaches(south, written);
    await until("the trouble is over", async () => (await regions.location(north))?.trouble === null);
    assert.equal(await countAt(await forkShop(regions, "after", { cloud: south })), 2101);
  });
}

test("C5, E6, L1, L3: with the secondary store unreachable, the service and primary backups go on, lag grows and is shown, and it catches up; what cannot be copied is failed", async () => {
  await using shop = await startShop("pg");
  await using regions = await TestRegions.create();
  await shopWithBackup(regions, shop);
  regions.store(south).failWith("STORE_UNREACHABLE");
  await goesOnUnhindered(shop, 10_000);
  await shop.sql("insert into t values (5000, 'not copied yet')");
  const written = await shop.clock();
  await takeBackup(regions);
  await regions.hasBackups(north, 2);
  await regions.reaches(north, written);
  await until("the lag grows, and it is said why", async () => {
    const { replication_lag_seconds: lag, trouble } = (await regions.location(south)) ?? {};
    return (lag ?? 0) > 1 && /fails on purpose/.test(trouble ?? "");
  });
  const behind = await regions.location(south);
  assert.equal(behind?.complete_backups, 1);
  assert.ok(behind.recovery_window && new Date(behind.recovery_window.latest_at) < written);
  regions.store(south).heal();
  await regions.hasBackups(south, 2);
  await regions.reaches(south, written);
  await until("the lag is gone", async () => (await regions.location(south))?.replication_lag_seconds === 0);

  // C4: what is damaged in the primary before it was copied is named.
  const packs = async () => (await regions.store(north).keys()).filter((key) => key.includes("/pack/"));
  const known = new Set(await packs());
  regions.store(south).stall({ operations: ["copyFrom"] });
  const name = await takeBackup(regions);
  await regions.hasBackups(north, 3);
  await goesOnUnhindered(shop, 20_000);
  const [damaged = ""] = (await packs()).filter((key) => !known.has(key));
  await regions.store(north).flipByte(damaged);
  regions.store(south).heal();
  await until("the copy has failed", async () => {
    const { backup } = await regions.api.request<{ backup: BackupAnswer }>("GET", `${backups}/${name}`);
    const copy = backup.locations.find(({ cloud }) => cloud === south);
    return copy?.state === "failed" && (copy.trouble ?? "").startsWith(`${damaged} in file:`);
  });
  const told = (await regions.events()).find(({ event_type }) => event_type === "copy_failed");
  assert.match(told?.event_desc ?? "", /cannot be copied to local-south: .* is damaged: its bytes do not match/);
  assert.equal((await regions.location(south))?.complete_backups, 2);
});

/** E6: a server commits without waiting for its copy, keeps no log for it, and was not restarted. */
async function goesOnUnhindered(shop: Shop, firstId: number): Promise<void> {
  const facts = `select pg_postmaster_start_time() as started_at, pg_current_wal_lsn()::text as lsn,
    current_setting('synchronous_standby_names') as awaited`;
  const [before] = await shop.sql(facts);
  for (let id = firstId; id < firstId + 50; id += 1) await shop.sql(`insert into t values (${id}, 'committed')`);
  const [after] = await shop.sql(facts);
  assert.deepEqual([after?.["started_at"], after?.["awaited"]], [before?.["started_at"], ""]);
  await until("the server keeps none of that log", async () => {
    const slots = await shop.sql(
      `select restart_lsn >= '${String(after?.["lsn"])}' as has_it from pg_replication_slots`,
    );
    return slots.length > 0 && slots.every((slot) => slot["has_it"] === true);
  });
}

/** What can have happened to an object of a store, and of which kind the object is. */
const damages = {
  "a pack with flipped bytes": { folder: "pack", harm: flipBytes },
  "a missing pack": { folder: "pack", harm: (store, key) => store.remove(key) },
  "another pack in its place": { folder: "pack", harm: (store, key, other) => store.swap(key, other) },
  "another manifest in its place": { folder: "base", harm: (store, key, other) => store.swap(key, other) },
  "other log in its place": { folder: "log", harm: (store, key, other) => store.swap(key, other) },
} as const satisfies Readonly<Record<string, Damage>>;

/** What is looked for again and again before it is told, as stores may give old listings for a while. */
const slowDamages = {
  "missing log": { folder: "log", harm: (store, key) => store.remove(key) },
} as const satisfies Readonly<Record<string, Damage>>;

interface Damage {
  readonly folder: string;
  readonly harm: (store: FaultObjectStore, key: string, other: string) => Promise<void>;
}

testEachEngine(
  "X3, F7: a fork from a damaged copy fails cleanly, leaves nothing, and says what would do instead",
  async (engine) => {
    await using shop = await startShop(engine);
    await using regions = await TestRegions.create();
    await shopWithBackup(regions, shop);
    await takeBackup(regions);
    await regions.hasBackups(south, 2);
    await shop.addRows(3000, 10);
    await regions.reaches(south, await shop.clock());
    const store = regions.store(south);
    const serviceId = (await regions.serviceId("shop")) ?? "";
    const repository = await regions.repository(south);
    const { packs } = await repository.manifest((await repository.backupIds()).at(-1) ?? "");
    const all = engine === "pg" ? damages : { ...damages, ...slowDamages };
    for (const [number, [what, { folder, harm }]] of Object.entries<Damage>(all).entries()) {
      const keys = (await store.keys(`${serviceId}/${folder}/`)).filter((key) => !key.endsWith("/history"));
      // The newest: all log from the base backup on is needed, and of the packs those of the newest backup.
      const byNeed = packs.toSorted((one, more) => more.liveBytes - one.liveBytes);
      const ofBackup = byNeed.map(({ sha256 }) => objectNames.pack(serviceId, sha256));
      const [key = "", other = ""] = folder === "pack" ? ofBackup : keys.toReversed();
      const before = [await store.get(key), await store.get(other)];
      await harm(store, key, other);
      const name = `hopeless-${number}`;
      await askForFork(regions, name, { cloud: south });
      const job = await failedFork(regions, name);
      const names = [key, other, path.basename(key).split("-")[0] ?? key]; // log that is missing: where it begins
      assert.ok(
        names.some((each) => job.trouble?.includes(each)),
        `${what}: ${job.trouble}`,
      );
      assert.match(job.trouble ?? "", /in local-north/);
      assert.match(job.error_code ?? "", /^object_(damaged|missing)$/);
      await assert.rejects(regions.api.request("GET", `/project/demo/service/${name}`), /not found|does not exist/i);
      for (const [index, bytes] of before.entries()) {
        const place = index === 0 ? key : other;
        await store.delete(place);
        await store.put(place, bytes ?? Buffer.alloc(0));
      }
    }
    const services = path.join(regions.directory, "clouds", south, "services");
    assert.deepEqual(await readdir(services), []);
    assert.equal(await countAt(await forkShop(regions, "sound", { cloud: south })), 2010);
  },
);

/** All over an object: some of a pack may be of what no backup needs any more. */
async function flipBytes(store: FaultObjectStore, key: string): Promise<void> {
  const { sizeBytes = 0 } = (await store.head(key)) ?? {};
  for (let part = 0; part < 16; part += 1) await store.flipByte(key, Math.floor((sizeBytes * part) / 16));
}

async function failedFork(regions: TestRegions, name: string): Promise<JobView> {
  let failed: JobView | undefined;
  await until(`the fork ${name} has failed`, async () => {
    failed = (await regions.jobs(name)).find(({ kind, state }) => kind === "fork" && state === "failed");
    const isTold = (await regions.events()).some(
      ({ event_type, event_desc }) => event_type === "fork_failed" && event_desc.startsWith(name),
    );
    return failed !== undefined && isTold;
  });
  assert.ok(failed);
  return failed;
}

testEachEngine("P5: the server restarts, and is killed; the log goes on without a gap", async (engine) => {
  await using shop = await startShop(engine);
  await using regions = await TestRegions.create();
  await shopWithBackup(regions, shop);
  await shop.restart();
  await shop.addRows(7000, 1, "after the restart");
  await regions.reaches(south, await shop.clock());
  await shop.crash();
  await shop.start();
  await shop.addRows(7001, 1, "after the crash");
  await regions.reaches(south, await shop.clock());
  const ranges = await regions.catalog.db.selectFrom("log_range").select("cloud").where("cloud", "=", north).execute();
  assert.equal(ranges.length, 1);
  assert.equal(await countAt(await forkShop(regions, "restarted", { cloud: south })), 2002);
});

test("P5: log that the server dropped is a gap: it is said, a new base backup is taken, and no time in it is offered", async () => {
  await using server = await startPostgres({
    majorVersion: "18",
    settings: { max_wal_size: "32MB", min_wal_size: "32MB" },
  });
  await using regions = await TestRegions.create();
  await server.sql("create table t (id int, note text)");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  await regions.reaches(south, await serverClock(server));
  await regions.stopAgent(north);
  await server.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
  for (let round = 0; round < 4; round += 1) {
    await server.sql("insert into t select i, repeat('gap', 500) from generate_series(1000000, 1010000) i");
    await server.sql("delete from t where id >= 1000000");
    await server.sql("select pg_switch_wal()");
    await server.sql("checkpoint");
  }
  const inGap = await serverClock(server);
  await regions.startAgent(north);
  await until("the gap is told", async () =>
    (await regions.events()).some(({ event_type }) => event_type === "log_gap"),
  );
  await regions.hasBackups(north, 2);
  await server.sql("insert into t values (9000, 'after the gap')");
  await regions.reaches(south, await serverClock(server));
  const window = (await regions.location(south))?.recovery_window;
  assert.ok(window && new Date(window.earliest_at) > inGap, JSON.stringify(window));
  await assert.rejects(askForFork(regions, "in-gap", { cloud: south, at: inGap.toISOString() }), /choose a time from/);
});

testEachEngine(
  "P5: another database at the same address is noticed, and its backups are kept apart",
  async (engine) => {
    await using shop = await startShop(engine);
    await using other = await startShop(engine, { isAnother: true });
    await using regions = await TestRegions.create();
    await shopWithBackup(regions, shop);
    await regions.reaches(south, await shop.clock());
    await regions.stopAgent(north);
    await other.sql("create table replaced (id int)");
    await regions.repoint("shop", other);
    await regions.startAgent(north);
    await until("it is told", async () =>
      (await regions.events()).some(({ event_type }) => event_type === "database_replaced"),
    );
    await regions.hasBackups(south, 2);
    await regions.reaches(south, await other.clock());
    const streams = await regions.store(north).listFolders(objectNames.log((await regions.serviceId("shop")) ?? ""));
    assert.equal(streams.length, 2);
    assert.equal(await countAt(await forkShop(regions, "replaced", { cloud: south }), "replaced"), 0);
  },
);

testEachEngine(
  "P3: a base backup stopped at any call to the store is taken again, is never half visible, and leaves nothing",
  async (engine) => {
    await using shop = await startShop(engine);
    await using regions = await TestRegions.create();
    await shopWithBackup(regions, shop);
    const store = regions.store(north);
    const serviceId = (await regions.serviceId("shop")) ?? "";
    for (const step of engine === "pg" ? [0, 1, 2, 4, 7] : [1, 4]) {
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
    const taken = (await regions.location(north))?.complete_backups ?? 0;
    await regions.hasBackups(south, taken);
    const manifests = (await store.keys(`${serviceId}/base/`)).length;
    assert.equal(manifests, taken);
    assert.equal(await countAt(await forkShop(regions, "whole", { cloud: south })), 2000);
  },
);

test("WAL that the server holds back while the store is away is told before its disk fills, and when it is let go", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create({ retainedLogBytes: 24 * 1024 * 1024 });
  await server.sql("create table t (id int, note text)");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
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
