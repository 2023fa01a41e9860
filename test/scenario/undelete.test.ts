import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceAnswer } from "../support/api-client.ts";
import { countAt, forkShop } from "../support/fork-shop.ts";
import { south, TestRegions, until } from "../support/regions.ts";
import { startShop } from "../support/shops.ts";

const shopPath = "/project/demo/service/shop";

test("D3: a detached service is attached again, with its backups, and its log goes on or begins anew", async () => {
  await using shop = await startShop("pg");
  await using regions = await TestRegions.create();
  await shop.addRows(1, 10);
  await regions.attachShop(shop);
  await regions.hasBackups(south, 1);
  const before = (await regions.location(south))?.recovery_window?.earliest_at;
  await regions.api.request("DELETE", shopPath);
  await until("its slot is dropped", async () =>
    (await regions.jobs()).every(({ kind, state }) => kind !== "remove" || state === "complete"),
  );
  await regions.api.request("POST", `${shopPath}/btar/undelete`);
  await until("it is backed up again", async () => {
    const { service } = await regions.api.request<{ service: ServiceAnswer }>("GET", shopPath);
    return service.state === "RUNNING";
  });
  await shop.addRows(100, 5);
  await regions.hasBackups(south, 2);
  await regions.reaches(south, await shop.clock());
  assert.equal(await countAt(await forkShop(regions, "after", { cloud: south })), 15);
  assert.ok(before);
  assert.equal(await countAt(await forkShop(regions, "then", { cloud: south, at: before })), 10);
});
