import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceAnswer } from "../support/api-client.ts";
import { countAt, forkShop, rowsAt } from "../support/fork-shop.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";
import { startShop, testEachEngine } from "../support/shops.ts";

const project = "/project/demo";
const shopPath = `${project}/service/shop`;

/** Waits until the service runs. @returns the URI of its server, of the database that tables are in */
async function runs(regions: TestRegions): Promise<string> {
  let uri = "";
  await until("shop runs", async () => {
    const { service } = await regions.api.request<{ service: ServiceAnswer }>("GET", shopPath);
    uri = service.service_uri ?? "";
    return service.state === "RUNNING";
  });
  return uri;
}

async function undelete(regions: TestRegions): Promise<void> {
  await until("its server is gone", async () =>
    (await regions.jobs()).every(({ kind, state }) => kind !== "remove" || state === "complete"),
  );
  await regions.api.request("POST", `${shopPath}/btar/undelete`);
}

testEachEngine(
  "D3: a deleted service is restored under its old name with its data, users, backups and copies, and goes on from there",
  async (engine) => {
    await using regions = await TestRegions.create();
    await regions.api.request("POST", `${project}/service`, {
      service_name: "shop",
      service_type: engine,
      plan: "startup-4",
      cloud: north,
      user_config: { additional_backup_regions: [south] },
    });
    const uri = await runs(regions);
    await rowsAt(uri, "CREATE TABLE t (id int PRIMARY KEY)");
    await rowsAt(uri, "INSERT INTO t VALUES (1), (2), (3)");
    await regions.hasBackups(south, 1);
    const { user } = await regions.api.request<{ user: { password: string } }>("POST", `${shopPath}/user`, {
      username: "app",
    });
    await regions.reaches(south, new Date());
    const id = await regions.serviceId("shop");
    await regions.api.request("DELETE", shopPath);
    const list = await regions.api.request<{ services: readonly { service_id: string; backups_until: string }[] }>(
      "GET",
      `${project}/btar/deleted_services`,
    );
    assert.deepEqual(
      list.services.map(({ service_id }) => service_id),
      [id],
    );
    assert.ok(new Date(list.services[0]?.backups_until ?? 0) > new Date());

    await undelete(regions);
    const again = await runs(regions);
    assert.equal(again, uri, "clients go on as before");
    assert.deepEqual(await rowsAt(again, "SELECT id FROM t ORDER BY id"), [[1], [2], [3]]);
    const asUser = new URL(again);
    asUser.username = "app";
    asUser.password = user.password;
    if (engine === "mysql") asUser.pathname = "/information_schema"; // it has no rights to others
    assert.equal((await rowsAt(asUser.toString(), "SELECT 1")).length, 1);
    await rowsAt(again, "INSERT INTO t VALUES (4)");
    await regions.hasBackups(south, 2);
    await regions.reaches(south, new Date());
    assert.equal(await regions.serviceId("shop"), id);
    const kinds = (await regions.events()).map(({ event_type }) => event_type);
    assert.ok(kinds.includes("undelete_complete"));
    assert.deepEqual(
      kinds.filter((kind) => ["log_gap", "database_replaced", "history_changed", "location_removed"].includes(kind)),
      [],
    );
    const copies = (await regions.jobs()).filter(({ kind }) => kind === "copy");
    assert.equal(copies.length, 2, "what was copied before is not copied again");
    const fork = new URL(await forkShop(regions, "fork", { cloud: south }));
    fork.pathname = "/defaultdb";
    assert.equal(await countAt(fork.toString()), 4);
  },
);

test("D3: a detached service is attached again, with its backups, and its log goes on or begins anew", async () => {
  await using shop = await startShop("pg");
  await using regions = await TestRegions.create();
  await shop.addRows(1, 10);
  await regions.attachShop(shop);
  await regions.hasBackups(south, 1);
  const before = (await regions.location(south))?.recovery_window?.earliest_at;
  await regions.api.request("DELETE", shopPath);
  await undelete(regions);
  await runs(regions);
  await shop.addRows(100, 5);
  await regions.hasBackups(south, 2);
  await regions.reaches(south, await shop.clock());
  assert.equal(await countAt(await forkShop(regions, "after", { cloud: south })), 15);
  assert.ok(before);
  assert.equal(await countAt(await forkShop(regions, "then", { cloud: south, at: before })), 10);
});
