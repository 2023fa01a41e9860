import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Static } from "typebox";
import type { reportAnswer } from "../../src/contract/backups.ts";
import type { estimateAnswer } from "../../src/contract/estimate.ts";
import { sampleStores, thinStoreSamples } from "../../src/control-plane/scheduler/store-samples.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type Refusal, RunningApi, testConfiguration } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";

const hour = 3_600_000;
const day = 24 * hour;
const mebibyte = 2 ** 20;
const shop = "/project/demo/service/shop";

let api: RunningApi;
let agent: SimulatedAgent;
before(async () => {
  const { limits } = testConfiguration();
  const bandwidth = [{ from: "local-north", to: "local-east", bytesPerSecond: 1000 }];
  api = await RunningApi.start(
    testConfiguration({
      limits: { ...limits, bandwidth },
      prices: {
        ...{ currency: "EUR", storedGbMonth: 20, transferredGb: undefined },
        stored: [{ cloud: "local-south", gbMonth: 30 }],
        transferred: [{ from: "local-north", to: "local-south", gb: 10 }],
      },
    }),
  );
  agent = new SimulatedAgent(api);
  await api.avn("POST", "/project/demo/service", {
    ...{ service_name: "shop", service_type: "pg", plan: "startup-4", cloud: "local-north" },
  });
  await agent.runs("shop");
});
after(async () => {
  await api.close();
});

type Estimate = Static<typeof estimateAnswer>;

async function estimate(to: string): Promise<Estimate> {
  const answer = await api.avn<Estimate>("GET", `${shop}/btar/estimate/${to}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
}

function ago(ms: number): Date {
  return new Date(Date.now() - ms);
}

/** As agents and the scheduler would: log has come for two days, at `perDay` bytes a day. */
async function logCame(perDay: number): Promise<void> {
  const service_id = await agent.serviceId("shop");
  await api.catalog.db
    .updateTable("location")
    .set({ log_bytes_total: 10 * mebibyte + 2 * perDay, backup_bytes_total: 3_000_000, created_at: ago(9 * day) })
    .where("service_id", "=", service_id)
    .execute();
  const sample = { service_id, cloud: "local-north", backup_bytes: 0, held_bytes: 0, lacking_bytes: null };
  await api.catalog.db
    .insertInto("store_sample")
    .values([
      { ...sample, at: ago(8 * day), log_bytes: 0 },
      { ...sample, at: ago(2 * day), log_bytes: 10 * mebibyte },
    ])
    .execute();
}

test("E3: a cloud that cannot hold a copy is refused, with those that would do", async () => {
  for (const [to, why] of [
    ["local-north", /it holds the primary backup already/],
    ["local-nowhere", /there is no such cloud/],
    ["aws-eu-west-1", /it is of provider aws/],
  ] as const) {
    const { status, body } = await api.avn<Refusal>("GET", `${shop}/btar/estimate/${to}`);
    assert.equal(status, 400);
    assert.match(body.message, why);
    assert.match(body.message, /clouds that would do: local-south, local-east/);
  }
});

test("before there is a backup, nothing is made up", async () => {
  const { bytes_to_copy, bytes_per_day, seconds_to_catch_up, rests_on } = await estimate("local-south");
  assert.deepEqual([bytes_to_copy, bytes_per_day, seconds_to_catch_up], [0, null, 0]);
  assert.match(rests_on.join("\n"), /no complete base backup yet/);
  assert.match(rests_on.join("\n"), /nothing was copied between clouds yet/);
});

test("an estimate tells bytes, time, storage and money, and what they rest on", async () => {
  for (const [id, age] of [
    ["2026-01-01", 3 * day],
    ["2026-01-02", 2 * day],
    ["2026-01-03", day],
  ] as const) {
    await agent.backup("shop", { id, from: ago(age), until: ago(0), clouds: ["local-north"] });
  }
  await api.catalog.db
    .updateTable("base_backup")
    .set({ pack_bytes: 50_000_000 })
    .where("id", "=", "2026-01-01")
    .execute();
  await logCame(8 * mebibyte);
  const south = await estimate("local-south");
  assert.equal(south.backups_to_copy, 3);
  assert.equal(south.backup_bytes_to_copy, 52_000_000, "all of the first one, and what the others have added");
  assert.equal(south.log_bytes_to_copy, 26 * mebibyte);
  assert.ok(Math.abs((south.log_bytes_per_day ?? 0) - 8 * mebibyte) < mebibyte / 10, String(south.log_bytes_per_day));
  assert.equal(south.backup_bytes_per_day, 1_000_000);
  assert.deepEqual([south.bytes_per_second, south.seconds_to_catch_up], [null, null]);
  assert.equal(south.stored_bytes, south.bytes_to_copy);
  const money = south.money;
  assert.equal(money?.currency, "EUR");
  assert.equal(money.once.toFixed(6), ((south.bytes_to_copy / 1e9) * 10).toFixed(6));
  assert.equal(money.per_month_stored.toFixed(6), ((south.stored_bytes_later / 1e9) * 30).toFixed(6));

  const east = await estimate("local-east");
  assert.deepEqual([east.bytes_per_second, east.bytes_per_second_from], [1000, "limit"]);
  assert.ok((east.seconds_to_catch_up ?? 0) > east.bytes_to_copy / 1000, "more comes while it is copied");
  assert.equal(east.money?.once, 0, "what has no price costs nothing that is known");
  await logCameAgain(200 * mebibyte);
  assert.deepEqual(
    [(await estimate("local-east")).never_catches_up, (await estimate("local-east")).seconds_to_catch_up],
    [true, null],
  );
});

async function logCameAgain(perDay: number): Promise<void> {
  await api.catalog.db.deleteFrom("store_sample").execute();
  await logCame(perDay);
}

test("the report tells the same as it was: what was copied, is left and is held, and what that costs", async () => {
  await api.avn("PUT", shop, { user_config: { additional_backup_regions: ["local-south"] } });
  const service_id = await agent.serviceId("shop");
  const sample = { service_id, cloud: "local-south", backup_bytes: 0 };
  await api.catalog.db
    .insertInto("store_sample")
    .values([
      { ...sample, at: ago(2 * hour), log_bytes: 0, held_bytes: 0, lacking_bytes: 90_000_000 },
      { ...sample, at: ago(hour), log_bytes: 60_000_000, held_bytes: 60_000_000, lacking_bytes: 30_000_000 },
    ])
    .execute();
  const path = `${shop}/backup_to_another_region/report`;
  const { body } = await api.avn<Static<typeof reportAnswer>>("POST", path, { period: "day" });
  const valuesOf = (measure: keyof typeof body.metrics) =>
    body.metrics[measure]?.data.rows.map((row) => row[1]).slice(0, 2);
  assert.deepEqual(valuesOf("bytes_to_copy"), [90_000_000, 30_000_000]);
  assert.deepEqual(valuesOf("stored_bytes"), [0, 60_000_000]);
  const [none, copied] = valuesOf("bytes_copied") ?? [];
  assert.equal(none, null);
  assert.ok(Math.abs(Number(copied) - 24 * 60_000_000) < 1_000_000, String(copied));
  assert.equal(body.metrics.cost?.hints.title, "Cost (EUR a month)");
  assert.ok(Number(valuesOf("cost")?.[1]) > 0.06 * 30);
  await sampleStores({ catalog: api.catalog, clock: new FakeClock(new Date()) });
  const { body: now } = await api.avn<Static<typeof reportAnswer>>("POST", path, { period: "hour" });
  assert.deepEqual(now.metrics.bytes_to_copy?.data.rows.at(-1)?.[1], (await estimate("local-south")).bytes_to_copy);
});

test("samples are kept the coarser the older they are, each with the newest of its step", async () => {
  const service_id = await agent.serviceId("shop");
  const step = Math.floor((Date.now() - day) / (5 * 60_000)) * 5 * 60_000;
  const sample = { service_id, cloud: "local-east", backup_bytes: 0, held_bytes: 0, lacking_bytes: 0 };
  await api.catalog.db
    .insertInto("store_sample")
    .values([1, 2, 3].map((second) => ({ ...sample, at: new Date(step + second * 1000), log_bytes: second })))
    .execute();
  await thinStoreSamples({ catalog: api.catalog, clock: new FakeClock(new Date()) });
  const rows = await api.catalog.db
    .selectFrom("store_sample")
    .select("log_bytes")
    .where("cloud", "=", "local-east")
    .where("at", "<", ago(hour))
    .execute();
  assert.deepEqual(rows, [{ log_bytes: 3 }]);
});
