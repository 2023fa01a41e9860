import assert from "node:assert/strict";
import { objectNames } from "../../src/repository/object-names.ts";
import type { BackupAnswer } from "../support/api-client.ts";
import type { Static } from "typebox";
import type { estimateAnswer } from "../../src/contract/estimate.ts";
import { countAt, forkShop } from "../support/fork-shop.ts";
import { east, north, south, TestRegions, until } from "../support/regions.ts";
import { startShop, testEachEngine } from "../support/shops.ts";
import { logPiecesOf } from "../support/stored-log-pieces.ts";

const shopPath = "/project/demo/service/shop";

testEachEngine(
  "C7: a copy that is paused stops at once, base backups and log, is restored from meanwhile, and goes on where it was; M1: another takes its place",
  async (engine) => {
    await using shop = await startShop(engine);
    await using regions = await TestRegions.create({ clouds: [north, south, east] });
    const setPaused = (body: object) => regions.api.request("PUT", `${shopPath}/btar/locations/${south}`, body);
    await shop.addRows(1, 2000);
    await regions.attachShop(shop);
    await regions.hasBackups(south, 1);
    await regions.reaches(south, await shop.clock());

    // A second base backup stops in the middle of being copied.
    await shop.addRows(5000, 5000, "x".repeat(200));
    const store = regions.store(south);
    const serviceId = (await regions.serviceId("shop")) ?? "";
    store.stall({ operations: ["copyFrom"] }); // packs come so, log does not
    const { backup } = await regions.api.request<{ backup: { backup_name: string } }>("POST", `${shopPath}/backups`);
    await until("L3: the copy is under way, and says how far", async () => {
      const { backup: shown } = await regions.api.request<{ backup: BackupAnswer }>(
        "GET",
        `${shopPath}/backups/${backup.backup_name}`,
      );
      const copy = shown.locations.find(({ cloud }) => cloud === south);
      return copy?.state === "copying" && copy.total_bytes > 0 && copy.done_bytes < copy.total_bytes;
    });
    await setPaused({ paused: true, pause_reason: "a test" });
    await until("the copy has ended", async () =>
      (await regions.jobs()).some(({ kind, state }) => kind === "copy" && state === "cancelled"),
    );
    await until("nobody copies log", async () => {
      const leases = await regions.catalog.db
        .selectFrom("duty_lease")
        .select("duty")
        .where("cloud", "=", south)
        .execute();
      return !leases.some(({ duty }) => duty === "copy-log");
    });
    store.heal();
    const stored = await store.keys();
    await shop.addRows(20_000, 10, "not copied");
    const written = await shop.clock();
    await regions.reaches(north, written);
    await until("the lag grows", async () => ((await regions.location(south))?.replication_lag_seconds ?? 0) > 1);
    assert.deepEqual(arrived(serviceId, await store.keys(), stored), [], "nothing comes while it is paused");
    assert.equal((await regions.location(south))?.complete_backups, 1);

    const sentBefore = store.calls("put");
    await setPaused({ paused: false });
    await regions.hasBackups(south, 2);
    await regions.reaches(south, written);
    await until("the lag is gone", async () => (await regions.location(south))?.replication_lag_seconds === 0);
    assert.ok(await store.head(objectNames.manifest(serviceId, backup.backup_name)));
    const again = store
      .keysOf("put")
      .slice(sentBefore)
      .filter((key) => stored.includes(key));
    assert.deepEqual(
      again.filter((key) => key.includes("/log/")),
      [],
      "log that was there is not sent again",
    );

    // M1: another cloud takes its place, which serves until that has all of it.
    const other = regions.store(east);
    const goneBefore = await goneOf(regions, north);
    const estimate = await regions.api.request<Estimate>("GET", `${shopPath}/btar/estimate/${east}`);
    other.stall({ operations: ["put"], afterCalls: 1 });
    await regions.api.request("PUT", shopPath, { user_config: { additional_backup_regions: [east] } });
    assert.equal((await regions.location(south))?.state, "retiring");
    await shop.addRows(30_000, 5, "on the way");
    const onTheWay = await shop.clock();
    await regions.reaches(south, onTheWay);
    assert.deepEqual((await regions.location(south))?.state, "retiring");
    other.heal();
    await until("the old cloud has made way", async () => (await regions.location(south))?.state === "deleting");
    assert.equal((await regions.location(east))?.complete_backups, 2);
    await estimateHeld(regions, estimate, goneBefore);
    await regions.reaches(east, onTheWay);
    assert.equal(await countAt(await forkShop(regions, "after", { cloud: east })), 7015);
  },
);

/** What has come to a store since it held `before`; log that it had already, it may have merged meanwhile. */
function arrived(serviceId: string, keys: readonly string[], before: readonly string[]): readonly string[] {
  const ends = logPiecesOf(serviceId, before).map(({ end }) => end);
  const newest = ends.sort().at(-1) ?? "";
  const merged = logPiecesOf(serviceId, keys).filter(({ end }) => end <= newest);
  const known = new Set([...before, ...merged.map(({ key }) => key)]);
  return keys.filter((key) => !known.has(key));
}

type Estimate = Static<typeof estimateAnswer>;

/** Bytes of log that a cloud holds no more, since it has merged it. */
async function goneOf(regions: TestRegions, cloud: string): Promise<number> {
  const { log_bytes_gone } = await regions.catalog.db
    .selectFrom("location")
    .select("log_bytes_gone")
    .where("cloud", "=", cloud)
    .executeTakeFirstOrThrow();
  return log_bytes_gone;
}

/** What was said beforehand of a copy to east is what it then sent, but for what has come, or was merged, since. */
async function estimateHeld(regions: TestRegions, estimate: Estimate, goneBefore: number): Promise<void> {
  assert.deepEqual([estimate.from_cloud, estimate.is_copied, estimate.backups_to_copy], [north, false, 2]);
  const { backup_bytes_total: backups, log_bytes_total: log } = await regions.catalog.db
    .selectFrom("location")
    .select(["backup_bytes_total", "log_bytes_total"])
    .where("cloud", "=", east)
    .executeTakeFirstOrThrow();
  const near = (said: number, sent: number, { share, merged = 0 }: { share: number; merged?: number }) => {
    const slack = sent * share + 128 * 1024;
    assert.ok(sent - said <= slack && said - merged - sent <= slack, `${said} bytes were told, ${sent} were sent`);
  };
  near(estimate.backup_bytes_to_copy, backups, { share: 0.02 });
  near(estimate.log_bytes_to_copy, log, { share: 0.1, merged: (await goneOf(regions, north)) - goneBefore });
  assert.ok((estimate.bytes_per_second ?? 0) > 0, estimate.rests_on.join("\n"));
  assert.equal(estimate.bytes_per_second_from, "measured");
  assert.ok((estimate.seconds_to_catch_up ?? -1) >= 0);
}
