import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { type EngineName, engineNames, productNames } from "../../src/domain/engine-name.ts";
import { FileObjectStore } from "../../src/object-store/file/file-object-store.ts";
import { objectNames } from "../../src/repository/object-names.ts";
import type { JobAnswer, RebuildAnswer, StatusAnswer } from "../../src/cli/api-answers.ts";
import { countAt, forkShop, rowsAt } from "../support/fork-shop.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";
import { startShop } from "../support/shops.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const project = "/project/demo";
const masterKey = randomBytes(32);

/** Stores that outlive the installations that use them. */
async function keptStores(context: TestContext): Promise<(cloud: string) => FileObjectStore> {
  const directory = await temporaryDirectory(context);
  return (cloud) => new FileObjectStore(path.join(directory, cloud));
}

async function rebuild(regions: TestRegions, location?: string) {
  const body = location === undefined ? undefined : { location };
  const { jobs } = await regions.api.request<RebuildAnswer>("POST", `${project}/btar/rebuild`, body);
  const results: Readonly<Record<string, unknown>>[] = [];
  for (const { id } of jobs) {
    await until("the store has been read", async () => {
      const { job } = await regions.api.request<JobAnswer>("GET", `${project}/jobs/${id}`);
      assert.notEqual(job.state, "failed", job.trouble ?? "");
      if (job.state === "complete") results.push(job.result ?? {});
      return job.state === "complete";
    });
  }
  return results;
}

async function status(regions: TestRegions) {
  return (await regions.api.request<StatusAnswer>("GET", `${project}/btar/status`)).services;
}

async function refusal(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => assert.fail("it was taken"),
    (error: unknown) => String(error),
  );
}

/** A service with rows 1 to 100 at the time that is given back, and 200 more by the end. */
async function lostInstallation(engine: EngineName, stores: (cloud: string) => FileObjectStore): Promise<Date> {
  await using shop = await startShop(engine);
  await using regions = await TestRegions.create({ storeOf: stores, masterKey });
  await shop.addRows(1, 100);
  await regions.attachShop(shop);
  await regions.hasBackups(south, 1);
  await shop.addRows(101, 1);
  const at = await shop.clock();
  await shop.addRows(201, 100);
  await shop.addRows(401, 1); // a log ends where the last commit in it was
  await regions.reaches(south, await shop.clock());
  return at;
}

for (const engine of engineNames) {
  test(`R3: ${productNames[engine]}: from one store and the master key, what was backed up is forked to any time`, async (context) => {
    const stores = await keptStores(context);
    const at = await lostInstallation(engine, stores);
    const emptyNorth = new FileObjectStore(path.join(await temporaryDirectory(context), north));
    await using regions = await TestRegions.create({
      masterKey,
      storeOf: (cloud) => (cloud === south ? stores(south) : emptyNorth),
    });
    assert.deepEqual(await status(regions), [], "the catalog is new");
    const [ofNorth, ofSouth] = await rebuild(regions);
    assert.deepEqual(ofNorth, { found: 0, services: [], unreadable: [] });
    assert.equal(ofSouth?.["found"], 1);
    assert.deepEqual(ofSouth?.["unreadable"], []);
    const [shop] = await status(regions);
    assert.deepEqual([shop?.service_name, shop?.service_type, shop?.state], ["shop", engine, "POWEROFF"]);
    const [location] = shop?.locations ?? [];
    assert.deepEqual([location?.cloud, location?.complete_backups, location?.paused], [south, 1, true]);
    assert.ok(new Date(location?.recovery_window?.latest_at ?? 0) > at);

    assert.equal(await countAt(await forkShop(regions, "latest", { cloud: south })), 202);
    const atTime = await forkShop(regions, "at-time", { cloud: south, at: at.toISOString() });
    assert.deepEqual(await rowsAt(atTime, "SELECT count(*), max(id) FROM t").then(texts), [["101", "101"]]);

    await rebuild(regions, south);
    assert.equal((await status(regions)).length, 3, "again finds nothing new");
  });
}

function texts(rows: readonly (readonly unknown[])[]): string[][] {
  return rows.map((row) => row.map(String));
}

test("R3: what cannot be read is told, keeps nothing else from being found, and nothing of it is removed", async (context) => {
  const stores = await keptStores(context);
  await lostInstallation("pg", stores);
  const [serviceId = ""] = await stores(south).listFolders("");
  // A second base backup, damaged; and a service of another master key.
  await stores(south).put(objectNames.manifest(serviceId, "2026-03-01T03-30-04Z-1f3a"), randomBytes(500));
  const foreign = "01890000-0000-4000-8000-000000000001";
  const [keyName = ""] = (await listed(stores(south), objectNames.keys(serviceId))).slice(0, 1);
  const keyId = "0123456789abcdef";
  const key = JSON.parse(String(await stores(south).get(keyName))) as object;
  await stores(south).put(objectNames.key(foreign, keyId), Buffer.from(JSON.stringify({ ...key, keyId })));
  const before = await listed(stores(south), "");

  await using regions = await TestRegions.create({ masterKey, storeOf: stores });
  const [, ofSouth] = await rebuild(regions);
  assert.equal(ofSouth?.["found"], 2);
  const unreadable = ofSouth?.["unreadable"];
  assert.ok(Array.isArray(unreadable) && unreadable.length === 2, JSON.stringify(unreadable));
  assert.match(unreadable.map(String).toSorted().join("\n"), /^01890000.*\n.*1f3a\/manifest.* damaged/);
  assert.deepEqual(
    (await status(regions)).map(({ service_name, locations }) => [service_name, locations.map(({ cloud }) => cloud)]),
    [["shop", [north, south]]],
  );

  const shop = `${project}/service/shop`;
  assert.match(await refusal(regions.api.request("PUT", shop, { powered: true })), /no server of it.*btar fork shop/);
  assert.match(await refusal(regions.api.request("POST", `${shop}/backups`)), /powered off/);
  assert.match(await refusal(rebuild(regions, "local-nowhere")), /local-nowhere/);
  const left = new Set(await listed(stores(south), "")); // log may be merged meanwhile, as anywhere
  assert.deepEqual(
    before.filter((key) => !left.has(key)),
    [],
    "nothing of the store is gone",
  );
  await regions.api.request("DELETE", shop);
  await until("its removal has ended", async () => {
    return (await regions.jobs()).some(({ kind, state }) => kind === "remove" && state === "complete");
  });
});

async function listed(store: FileObjectStore, prefix: string): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}
