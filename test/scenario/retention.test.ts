import assert from "node:assert/strict";
import { test } from "node:test";
import { objectNames } from "../../src/repository/object-names.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { countAt, forkShop } from "../support/fork-shop.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";
import { type Shop, startShop, testEachEngine } from "../support/shops.ts";
import { packFaults } from "../support/tiny-backups.ts";

const path = "/project/demo/service/shop";
const dayMs = 86_400_000;

let rowCount = 0;

async function addRows(shop: Shop, count: number): Promise<void> {
  await shop.addRows(rowCount + 1, count);
  rowCount += count;
}

/** Takes a base backup, and waits until both regions have it. @returns its name */
async function takeBackup(regions: TestRegions, shop: Shop): Promise<string> {
  await addRows(shop, 1000);
  await shop.switchLog();
  const answer = await regions.api.request<{ backup: { backup_name: string } }>("POST", `${path}/backups`);
  const name = answer.backup.backup_name;
  await until("the backup is in both regions", async () => {
    const taken = (await backups(regions)).find(({ backup_name }) => backup_name === name);
    return taken?.locations.every(({ state }) => state === "complete") === true;
  });
  return name;
}

interface BackupView {
  readonly backup_name: string;
  readonly state: string;
  readonly locations: readonly { readonly cloud: string; readonly state: string }[];
}

async function backups(regions: TestRegions): Promise<readonly BackupView[]> {
  return (await regions.api.request<{ backups: readonly BackupView[] }>("GET", `${path}/backups`)).backups;
}

/** Makes base backups as old as if they had been taken this many days ago. */
async function age(regions: TestRegions, days: Readonly<Record<string, number>>): Promise<void> {
  for (const [id, count] of Object.entries(days)) {
    const consistent_at = new Date(Date.now() - count * dayMs);
    await regions.catalog.db.updateTable("base_backup").set({ consistent_at }).where("id", "=", id).execute();
  }
}

/** Each base backup that is complete makes its region look for what has expired. */
async function collectionsHaveEnded(regions: TestRegions): Promise<void> {
  await until("earlier collections have ended", async () => {
    const jobs = await regions.jobs();
    return jobs.every(({ kind, state }) => kind !== "collect" || state === "complete");
  });
}

async function collected(regions: TestRegions, cloud: string): Promise<Readonly<Record<string, unknown>>> {
  const service = { id: (await regions.serviceId("shop")) ?? "", name: "shop" };
  await collectionsHaveEnded(regions);
  const id = await regions.queue.enqueue({ kind: "collect", cloud, project: "demo", service, input: {} });
  const find = async () => (await regions.jobs()).find((job) => job.id === id);
  await until(`the collection in ${cloud} has ended`, async () => {
    const job = await find();
    assert.ok(job?.state !== "failed", job?.trouble ?? "");
    return job?.state === "complete";
  });
  return (await find())?.result ?? {};
}

/** Reads everything that is in the second region. @returns the job's result */
async function verified(regions: TestRegions): Promise<Readonly<Record<string, unknown>>> {
  const body = { location: south, read_data_percent: 100 };
  const { jobs } = await regions.api.request<{ jobs: readonly { id: string }[] }>("POST", `${path}/btar/verify`, body);
  const find = async () => (await regions.jobs()).find(({ id }) => id === jobs[0]?.id);
  await until("the verification has ended", async () => (await find())?.state === "complete");
  return (await find())?.result ?? {};
}

async function firstLogOf(repository: Repository): Promise<string> {
  for (const stream of await repository.logStreams()) {
    for await (const piece of repository.logPieces(stream)) return piece.start;
  }
  return "";
}

testEachEngine(
  "M3: expired base backups, their files and the log before go from both regions, and what is left is restored",
  async (engine) => {
    await using shop = await startShop(engine);
    await using regions = await TestRegions.create();
    await regions.attachShop(shop);
    await regions.hasBackups(south, 1);
    const first = (await backups(regions))[0]?.backup_name ?? "";
    const second = await takeBackup(regions, shop);
    const third = await takeBackup(regions, shop);
    const logBefore = await firstLogOf(await regions.repository(south));
    await age(regions, { [first]: 5, [second]: 3 });

    // The next base backup that is complete makes both agents look.
    const fourth = await takeBackup(regions, shop);
    await until("the first one is gone", async () => {
      const names = (await backups(regions)).map(({ backup_name }) => backup_name);
      return !names.includes(first);
    });
    const left = [second, third, fourth];
    for (const cloud of [north, south]) {
      await collected(regions, cloud);
      const repository = await regions.repository(cloud);
      assert.deepEqual(await repository.backupIds(), left);
      assert.deepEqual(await packFaults(repository), { missing: [], orphans: [] });
      assert.ok((await firstLogOf(repository)) > logBefore);
      const { log } = await repository.manifest(second);
      assert.ok((await firstLogOf(repository)) <= log.start);
      const ranges = await regions.catalog.db.selectFrom("log_range").selectAll().where("cloud", "=", cloud).execute();
      assert.deepEqual(
        ranges.map((range) => range.start_position > logBefore && range.start_position <= log.start),
        [true],
      );
    }
    await until("the copy lacks nothing", async () => (await regions.location(south))?.replication_lag_seconds === 0);
    const sound = await verified(regions);
    assert.deepEqual([sound["healed"], sound["damaged"]], [0, 0]);
    const expired = (await regions.events()).filter(({ event_type }) => event_type === "backup_expired");
    assert.equal(expired.length, 2);

    // Log that is still in one region is not copied again to the one where it has expired.
    await addRows(shop, 1000);
    await regions.reaches(south, await shop.clock());
    await regions.stopAgent(south);
    await regions.startAgent(south);
    assert.equal(await countAt(await forkShop(regions, "fork", { cloud: south, backup: second })), 1000);
  },
);

test("M3: nothing expires in a region while the primary cannot be reached; a damaged manifest stops the removal", async () => {
  await using shop = await startShop("pg");
  await using regions = await TestRegions.create();
  await regions.attachShop(shop);
  await regions.hasBackups(south, 1);
  const first = (await backups(regions))[0]?.backup_name ?? "";
  const second = await takeBackup(regions, shop);
  await collectionsHaveEnded(regions);
  await regions.stopAgent(north);
  await age(regions, { [first]: 9, [second]: 8 });
  const result = await collected(regions, south);
  assert.match(String(result["remarks"]), /primary cannot be reached/);
  assert.deepEqual(await (await regions.repository(south)).backupIds(), [first, second]);

  await regions.store(south).flipByte(objectNames.manifest((await regions.serviceId("shop")) ?? "", second));
  await regions.startAgent(north);
  const id = await regions.queue.enqueue({
    ...{ kind: "collect" as const, cloud: south, project: "demo", input: {} },
    service: { id: (await regions.serviceId("shop")) ?? "", name: "shop" },
  });
  await until("the collection fails", async () => {
    const job = (await regions.jobs()).find((each) => each.id === id);
    return job?.state === "failed" && job.error_code === "object_damaged";
  });
  assert.equal((await regions.store(south).keys()).filter((key) => key.endsWith("/manifest")).length, 2);
});

test("a base backup is kept with the log that makes it consistent only, or deleted; the others stay whole", async () => {
  await using shop = await startShop("pg");
  await using regions = await TestRegions.create();
  await regions.attachShop(shop);
  await regions.hasBackups(south, 1);
  const first = (await backups(regions))[0]?.backup_name ?? "";
  const second = await takeBackup(regions, shop);
  const third = await takeBackup(regions, shop);
  await takeBackup(regions, shop);
  await regions.api.request("PUT", `${path}/backups/${first}`, { kept: true });
  await age(regions, { [first]: 9, [second]: 8, [third]: 7 });

  const deleted = await regions.api.request<{ jobs: readonly { id: string }[] }>("DELETE", `${path}/backups/${second}`);
  await until("it is deleted", async () => {
    const jobs = await regions.jobs();
    return deleted.jobs.every(({ id }) => jobs.find((job) => job.id === id)?.state === "complete");
  });
  for (const cloud of [north, south]) {
    await collected(regions, cloud);
    const repository = await regions.repository(cloud);
    assert.equal((await repository.backupIds()).includes(second), false);
    assert.deepEqual(await packFaults(repository), { missing: [], orphans: [] });
    const ranges = await regions.catalog.db.selectFrom("log_range").selectAll().where("cloud", "=", cloud).execute();
    assert.equal(ranges.length, 2, "between the kept one and the window there is no log");
  }
  assert.ok((await regions.events()).some(({ event_type }) => event_type === "backup_deleted"));
  assert.equal(
    (await backups(regions)).find(({ backup_name }) => backup_name === second),
    undefined,
  );
  assert.equal(await countAt(await forkShop(regions, "kept", { cloud: south, backup: first })), 0);
});

test("D1, D3: copies go after the grace time, unless they are wanted again meanwhile; with a deleted service, all goes", async () => {
  await using shop = await startShop("pg");
  await using regions = await TestRegions.create();
  await regions.attachShop(shop);
  await regions.hasBackups(south, 1);
  await takeBackup(regions, shop);
  const { db } = regions.catalog;
  const setRegions = (clouds: readonly string[]) =>
    regions.api.request("PUT", path, { user_config: { additional_backup_regions: clouds } });
  const endGrace = (cloud: string) =>
    db
      .updateTable("location")
      .set({ delete_after: new Date() })
      .where("cloud", "=", cloud)
      .where("state", "=", "deleting")
      .execute();

  // Enabled again within the grace time: nothing is copied again.
  const sent = async () => (await regions.jobs()).filter(({ kind }) => kind === "copy").length;
  const copies = await sent();
  await setRegions([]);
  await setRegions([south]);
  await regions.hasBackups(south, 2);
  assert.equal(await sent(), copies);

  // Enabled again while the removal is going on: it ends, and what is gone is copied again.
  await setRegions([]);
  await collectionsHaveEnded(regions);
  const store = regions.store(south);
  store.stall({ operations: ["delete"], afterCalls: 2 });
  await endGrace(south);
  await until("the removal is under way", async () => (await regions.location(south))?.complete_backups === 0);
  await until(
    "something is gone",
    async () => (await store.keys()).filter((key) => key.endsWith("/manifest")).length < 2,
  );
  await setRegions([south]);
  await regions.hasBackups(south, 2);
  store.heal();
  const repository = await regions.repository(south);
  assert.equal((await repository.backupIds()).length, 2);
  assert.deepEqual((await packFaults(repository)).missing, []);
  await addRows(shop, 10);
  await regions.reaches(south, await shop.clock());

  // Not wanted any more: nothing is left.
  await setRegions([]);
  await until("the log is not copied any more", async () => {
    const leases = await db.selectFrom("duty_lease").selectAll().where("cloud", "=", south).execute();
    return leases.length === 0;
  });
  await endGrace(south);
  await until("the location is gone", async () => (await regions.location(south)) === undefined);
  assert.deepEqual(await store.keys((await regions.serviceId("shop")) ?? ""), []);
  assert.equal((await backups(regions)).length, 2);

  await regions.api.request("DELETE", path);
  const id = (await regions.serviceId("shop")) ?? "";
  await db
    .updateTable("service")
    .set({ deleted_at: new Date(Date.now() - 4 * dayMs) })
    .execute();
  await until("the service is forgotten", async () => (await regions.serviceId("shop")) === undefined);
  assert.deepEqual(await regions.store(north).keys(id), []);
});
