import assert from "node:assert/strict";
import { sql } from "kysely";
import { test } from "node:test";
import { objectNames } from "../../src/repository/object-names.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { countAt, forkShop } from "../support/fork-shop.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";
import { startShop, testEachEngine } from "../support/shops.ts";

const path = "/project/demo/service/shop";

interface VerifiedView {
  readonly recovery_window: object | null;
  readonly verification: {
    readonly last_verified_at: string | null;
    readonly data_verified_at: string | null;
    readonly verified_until: string | null;
    readonly damaged: readonly {
      readonly object: string;
      readonly kind: string;
      readonly affected_backups: readonly string[];
      readonly affected_log: { readonly start: string; readonly end: string } | null;
    }[];
  };
}

interface BackupView {
  readonly additional_regions: readonly object[];
  readonly locations: readonly { readonly cloud: string; readonly trouble: string | null }[];
}

/** Verifies a location, all data included. @returns the job's result */
async function verify(regions: TestRegions, cloud: string): Promise<Readonly<Record<string, unknown>>> {
  const body = { location: cloud, read_data_percent: 100 };
  const { jobs } = await regions.api.request<{ jobs: readonly { id: string }[] }>("POST", `${path}/btar/verify`, body);
  const find = async () => (await regions.jobs()).find(({ id }) => id === jobs[0]?.id);
  await until(`the verification in ${cloud} has ended`, async () => {
    const job = await find();
    assert.ok(job?.state !== "failed", job?.trouble ?? "");
    return job?.state === "complete";
  });
  return (await find())?.result ?? {};
}

async function view(regions: TestRegions, cloud: string): Promise<VerifiedView> {
  const answer = await regions.api.request<{ locations: readonly (VerifiedView & { readonly cloud: string })[] }>(
    "GET",
    `${path}/btar`,
  );
  const found = answer.locations.find((location) => location.cloud === cloud);
  assert.ok(found);
  return found;
}

/** As if all that was verified had been at that age. @returns when */
async function isLongAgo(regions: TestRegions, ageMs: number): Promise<Date> {
  const { db } = regions.catalog;
  const longAgo = new Date(Date.now() - ageMs);
  await db.updateTable("verification").set({ structure_at: longAgo }).execute();
  await db.updateTable("location").set({ created_at: longAgo }).execute();
  await db.updateTable("job").set({ finished_at: longAgo }).where("kind", "=", "verify").execute();
  return longAgo;
}

async function eventsOf(regions: TestRegions, kind: string): Promise<number> {
  return (await regions.events()).filter(({ event_type }) => event_type === kind).length;
}

testEachEngine(
  "damage in one region is healed from the other; what cannot be healed is not offered, until it can",
  async (engine) => {
    await using shop = await startShop(engine);
    await using regions = await TestRegions.create();
    await shop.addRows(1, 20_000);
    await regions.attachShop(shop);
    await regions.hasBackups(south, 1);
    const copied = (await view(regions, south)).verification;
    assert.ok(copied.verified_until, "each copy is verified as it arrives");
    const store = regions.store(south);
    const serviceId = (await regions.serviceId("shop")) ?? "";
    const keysBelow = async (prefix: string) => (await store.keys()).filter((key) => key.startsWith(prefix));

    // One object of each kind, each harmed in another way; the data key as well.
    const [pack = ""] = await keysBelow(objectNames.packs(serviceId));
    const piece =
      (await keysBelow(objectNames.log(serviceId))).filter((name) => !name.endsWith("/history")).at(-1) ?? "";
    const [manifest = ""] = await keysBelow(objectNames.manifests(serviceId));
    const [description = ""] = await keysBelow(objectNames.descriptions(serviceId));
    const [key = ""] = await keysBelow(objectNames.keys(serviceId));
    const before = new Map<string, Buffer | undefined>();
    for (const name of [pack, piece, manifest, description, key]) before.set(name, await store.get(name));
    await store.flipByte(pack);
    await store.flipByte(piece);
    await store.cutShort(manifest);
    await store.remove(description);
    await store.remove(key);
    const healed = await verify(regions, south);
    assert.deepEqual([healed["healed"], healed["damaged"]], [5, 0]);
    for (const [name, bytes] of before) assert.deepEqual(await store.get(name), bytes, name);
    assert.equal(await eventsOf(regions, "object_healed"), 5);
    assert.ok((await view(regions, south)).verification.data_verified_at);

    // The other region cannot help: it is said what is affected, once, and nothing of it is offered.
    regions.store(north).failWith("STORE_UNREACHABLE");
    await store.flipByte(pack);
    for (let run = 0; run < 2; run += 1) {
      const result = await verify(regions, south);
      assert.deepEqual([result["healed"], result["damaged"]], [0, 1]);
    }
    assert.equal(await eventsOf(regions, "damage_found"), 1);
    const damaged = await view(regions, south);
    assert.equal(damaged.recovery_window, null);
    assert.deepEqual(
      damaged.verification.damaged.map(({ object, kind, affected_backups }) => [object, kind, affected_backups.length]),
      [[pack, "damaged", 1]],
    );
    await assert.rejects(forkShop(regions, "fork-south", { cloud: south }), /1 stored objects are damaged, such as/);
    const { backups } = await regions.api.request<{ backups: readonly BackupView[] }>("GET", `${path}/backups`);
    assert.deepEqual(backups[0]?.additional_regions, []);
    const trouble = backups[0]?.locations.find(({ cloud }) => cloud === south)?.trouble;
    assert.equal(trouble, `it cannot be restored: ${pack} is damaged`);

    // Another try is made within the hour.
    regions.store(north).heal();
    await isLongAgo(regions, 2 * 3_600_000);
    await until("it is healed", async () => (await view(regions, south)).verification.damaged.length === 0);
    assert.ok((await view(regions, south)).recovery_window);
    assert.equal(await countAt(await forkShop(regions, "fork", { cloud: south })), 20_000);

    // What retention removes while it is verified is neither damage nor brought back.
    store.interrupt(
      async (_operation, name) => {
        if (name !== manifest) return;
        store.heal();
        await regions.catalog.db
          .updateTable("backup_location")
          .set({ state: "deleting" })
          .where("cloud", "=", south)
          .execute();
        await store.remove(manifest);
      },
      { operations: ["get"] },
    );
    const expired = await verify(regions, south);
    assert.deepEqual([expired["healed"], expired["damaged"]], [0, 0]);
    assert.equal(await store.get(manifest), undefined);
  },
);

/** The piece of log with the last commit but one; an idle server may have written some log behind it. */
async function commitBeforeLast(repository: Repository): Promise<string> {
  const keys: string[] = [];
  for (const stream of await repository.logStreams()) {
    for await (const piece of repository.logPieces(stream)) {
      if (piece.newestCommitMicros !== undefined) keys.push(objectNames.logPiece(repository.serviceId, piece));
    }
  }
  return keys.at(-2) ?? "";
}

testEachEngine(
  "log that is gone ends the recovery window there, and comes back; the primary is healed from the copy",
  async (engine) => {
    await using shop = await startShop(engine);
    await using regions = await TestRegions.create();
    await regions.attachShop(shop);
    await regions.hasBackups(south, 1);
    for (let id = 1; id <= 3; id += 1) {
      await shop.addRows(id, 1);
      await regions.reaches(south, await shop.clock());
    }
    const store = regions.store(north);
    const lost = await commitBeforeLast(await regions.repository(north));
    const bytes = await store.get(lost);
    const whole = (await view(regions, north)).recovery_window as { readonly latest_at: string };
    await store.flipByte(lost);
    await regions.stopAgent(south);
    regions.store(south).failWith("STORE_UNREACHABLE");
    assert.equal((await verify(regions, north))["damaged"], 1);
    const uri = await forkShop(regions, "before-the-damage", { cloud: north });
    const count = await countAt(uri);
    assert.ok(count < 3, `the fork ends where the log can be read, with ${count} rows`);
    await store.remove(lost);
    assert.equal((await verify(regions, north))["damaged"], 1);
    const damaged = await view(regions, north);
    assert.ok(damaged.verification.damaged[0]?.affected_log);
    const cut = damaged.recovery_window as { readonly latest_at: string } | null;
    assert.ok(cut && cut.latest_at < whole.latest_at, `${cut?.latest_at} is before ${whole.latest_at}`);

    regions.store(south).heal();
    assert.equal((await verify(regions, north))["healed"], 1);
    assert.deepEqual(await store.get(lost), bytes);
    const again = (await view(regions, north)).recovery_window as { readonly latest_at: string };
    assert.ok(again.latest_at >= whole.latest_at);
  },
);

test("a verification whose agent is killed goes on where it was; one that is due is begun by itself", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create();
  await server.sql("create table t as select md5(g::text) from generate_series(1, 60000) g");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  const service = { id: (await regions.serviceId("shop")) ?? "", name: "shop" };
  const enqueue = async (input: Record<string, unknown>) =>
    await regions.queue.enqueue({ kind: "verify", cloud: south, project: "demo", service, input });
  const row = async () =>
    await regions.catalog.db.selectFrom("verification").selectAll().where("cloud", "=", south).executeTakeFirst();
  const resultOf = async (id: string) => {
    const find = async () => (await regions.jobs()).find((job) => job.id === id);
    await until("it has ended", async () => (await find())?.state === "complete");
    return (await find())?.result ?? {};
  };

  // So slow that it cannot end before it is cut off.
  const id = await enqueue({ readDataPercent: 100, bytesPerSecond: 1000 });
  await until("some of it is read", async () => ((await row())?.job_bytes ?? 0) > 0);
  await regions.stopAgent(south);
  const cut = await row();
  await sql`update pgboss.job set data = data #- '{input,bytesPerSecond}' where id = ${id}`.execute(regions.catalog.db);
  await regions.startAgent(south);
  const result = await resultOf(id);
  const after = await row();
  assert.ok(cut && after?.data_verified_at);
  assert.equal(Number(result["readBytes"]) + cut.job_bytes, after.job_bytes);

  // Cut off when all was read, and before it was said to be complete.
  await regions.stopAgent(south);
  const last = await enqueue({ readDataPercent: 100 });
  await regions.catalog.db.updateTable("verification").set({ job_id: last }).where("cloud", "=", south).execute();
  await regions.startAgent(south);
  assert.equal((await resultOf(last))["readBytes"], 0);
  assert.equal((await row())?.job_bytes, after.job_bytes);

  const longAgo = await isLongAgo(regions, 2 * 86_400_000);
  await until("both stores are verified by the schedule", async () => {
    const rows = await regions.catalog.db.selectFrom("verification").select("structure_at").execute();
    return rows.length === 2 && rows.every(({ structure_at }) => structure_at !== null && structure_at > longAgo);
  });
});

test("a verification that somebody asks for does not wait behind a slow one of the schedule", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create();
  await server.sql("create table t as select md5(g::text) from generate_series(1, 60000) g");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  const service = { id: (await regions.serviceId("shop")) ?? "", name: "shop" };
  const input = { readDataPercent: 100, bytesPerSecond: 1000 };
  const slow = await regions.queue.enqueue({ kind: "verify", cloud: south, project: "demo", service, input });
  const stateOf = async () => (await regions.jobs()).find(({ id }) => id === slow);
  await until("the slow one runs", async () => (await stateOf())?.state === "running");
  assert.equal((await verify(regions, south))["damaged"], 0);
  const postponed = await stateOf();
  assert.ok(postponed && postponed.state !== "complete" && postponed.state !== "failed", postponed?.state);
  await until("the slow one goes on", async () => (await stateOf())?.state === "running");
});
