import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { ServiceAnswer } from "../support/api-client.ts";
import { countAt, forkShop, rowsAt } from "../support/fork-shop.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";
import { startShop } from "../support/shops.ts";

/** How long the slow store needs for each object: longer than deletions take to be noticed. */
const slowMs = 3000;
const shopPath = "/project/demo/service/shop";

test("D3: a detached service is attached again, with its backups, and its log goes on or begins anew", async () => {
  await using shop = await startShop("pg");
  await using regions = await TestRegions.create();
  await shop.addRows(1, 10);
  await regions.attachShop(shop);
  await regions.hasBackups(south, 1);
  const before = (await regions.location(south))?.recovery_window?.earliest_at;
  await undelete(regions);
  await runs(regions);
  await shop.addRows(100, 5);
  await regions.hasBackups(south, 2);
  await regions.reaches(south, await shop.clock());
  assert.equal(await countAt(await forkShop(regions, "after", { cloud: south })), 15);
  assert.ok(before);
  assert.equal(await countAt(await forkShop(regions, "then", { cloud: south, at: before })), 10);
});

test("D3: what was committed right before a service was deleted, or powered off, is restored with the rest", async () => {
  await using regions = await TestRegions.create({ maxLogAgeSeconds: 60 });
  await regions.api.request("POST", "/project/demo/service", {
    ...{ service_name: "shop", service_type: "pg", plan: "startup-4", cloud: north },
  });
  let uri = await runs(regions);
  await regions.hasBackups(north, 1);
  const store = regions.store(north);
  const slowly = () => store.interrupt(async () => await delay(slowMs), { operations: ["put"] });
  await rowsAt(uri, "CREATE TABLE t (id int)");
  await rowsAt(uri, "INSERT INTO t VALUES (1)");
  slowly();
  await undelete(regions);
  store.heal();
  uri = await runs(regions);
  assert.equal(await countAt(uri), 1);
  await regions.hasBackups(north, 2); // of the server that is a new one: powering off waits for it

  await rowsAt(uri, "INSERT INTO t VALUES (2)");
  slowly();
  await regions.api.request("PUT", shopPath, { powered: false });
  await until("it is off", async () => (await shownShop(regions)).state === "POWEROFF");
  await undelete(regions);
  store.heal();
  assert.equal(await countAt(await runs(regions)), 2);
});

async function undelete(regions: TestRegions): Promise<void> {
  await regions.api.request("DELETE", shopPath);
  await until("its server, or slot, is gone", async () =>
    (await regions.jobs()).every(({ kind, state }) => kind !== "remove" || state === "complete"),
  );
  await regions.api.request("POST", `${shopPath}/btar/undelete`);
}

/** Waits until the service runs. @returns the URI of its server; empty for an attached one */
async function runs(regions: TestRegions): Promise<string> {
  await until("it runs", async () => (await shownShop(regions)).state === "RUNNING");
  return (await shownShop(regions)).service_uri ?? "";
}

async function shownShop(regions: TestRegions): Promise<ServiceAnswer> {
  return (await regions.api.request<{ service: ServiceAnswer }>("GET", shopPath)).service;
}
