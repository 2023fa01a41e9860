import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Static } from "typebox";
import { insertMetricSamples } from "../../src/catalog/metric-samples.ts";
import { appendServerLog, logReadingPlace } from "../../src/catalog/server-log.ts";
import type { logsAnswer, metricsAnswer } from "../../src/contract/server-reports.ts";
import { thinServerMetrics } from "../../src/control-plane/servers/server-metrics.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type Answer, type Refusal, RunningApi } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";

const path = "/project/demo/service/db1";
const second = 1000;
const hour = 3600 * second;
const day = 24 * hour;

let api: RunningApi;
let serviceId: string;
before(async () => {
  api = await RunningApi.start();
  const body = { service_name: "db1", service_type: "pg", plan: "startup-4", cloud: "local-north" };
  await api.avn("POST", "/project/demo/service", body);
  serviceId = await new SimulatedAgent(api).serviceId("db1");
});
after(async () => {
  await api.close();
});

type Logs = Static<typeof logsAnswer>;

function logs(body?: object): Promise<Answer<Logs & Refusal>> {
  return api.avn<Logs & Refusal>("POST", `${path}/logs`, body);
}

/** As an agent does: `count` lines, each named by a number. */
async function said(from: number, count: number): Promise<void> {
  const at = new Date("2026-03-01T10:00:00.250Z");
  const lines = Array.from({ length: count }, (_, index) => ({ at, message: `line ${from + index}` }));
  const place = await logReadingPlace(api.catalog.db, serviceId);
  await appendServerLog(api.catalog.db, api.masterKey, { serviceId, from: place, lines, fileOffset: from });
}

const messages = (answer: Answer<Logs>) => answer.body.logs.map(({ msg }) => msg);

test("a log that has no line yet has no offset", async () => {
  assert.deepEqual((await logs()).body, { logs: [], offset: null, first_log_offset: null });
});

test("the newest lines are told first, then what comes after an offset, or before it", async () => {
  await said(1, 3);
  await said(4, 7);
  const newest = await logs({ limit: 3, sort_order: "asc" });
  assert.deepEqual(messages(newest), ["line 8", "line 9", "line 10"]);
  assert.deepEqual(newest.body.logs[0], {
    time: "2026-03-01T10:00:00.250Z",
    hostname: "db1-1",
    unit: "postgresql",
    msg: "line 8",
  });
  const { offset } = newest.body;
  const none = await logs({ offset, sort_order: "asc" });
  assert.deepEqual([none.body.logs, none.body.offset], [[], offset], "the same offset: there is nothing new");
  await said(11, 2);
  assert.deepEqual(messages(await logs({ offset })), ["line 11", "line 12"]);
  assert.deepEqual(messages(await logs({ offset, limit: 1 })), ["line 11"]);

  const older = await logs({ limit: 5, sort_order: "desc" });
  assert.deepEqual(messages(older), ["line 12", "line 11", "line 10", "line 9", "line 8"]);
  const oldest = await logs({ limit: 500, sort_order: "desc", offset: older.body.offset });
  assert.deepEqual(messages(oldest).slice(-2), ["line 2", "line 1"]);
  assert.equal(oldest.body.first_log_offset, oldest.body.offset);
  assert.deepEqual(messages(await logs({ sort_order: "desc", offset: oldest.body.offset })), []);
});

test("a line that goes on from the one before has its time", async () => {
  const place = await logReadingPlace(api.catalog.db, serviceId);
  const at = new Date("2026-03-01T11:00:00Z");
  const lines = [
    { at: undefined, message: "of a message before" },
    { at, message: "ERROR:  no" },
    { at: undefined, message: "STATEMENT:  select" },
  ];
  await appendServerLog(api.catalog.db, api.masterKey, { serviceId, from: place, lines, fileOffset: 1 });
  const { body } = await logs({ limit: 3 });
  assert.deepEqual(
    body.logs.map(({ time }) => time),
    [at, at, at].map((each) => each.toISOString()),
  );
});

test("a thousand of the newest lines are kept, and in the catalog only sealed", async () => {
  for (let part = 0; part < 12; part += 1) await said(part * 100, 100);
  const rows = await api.catalog.db.selectFrom("server_log").selectAll().where("service_id", "=", serviceId).execute();
  assert.equal(
    rows.reduce((sum, { line_count }) => sum + line_count, 0),
    1000,
  );
  assert.doesNotMatch(JSON.stringify(rows), /line \d/);
  assert.equal(messages(await logs({ limit: 500, offset: "1" })).at(0), "line 200");
  await said(0, 3000);
  assert.equal(messages(await logs({ limit: 1, offset: "0" }))[0], "line 2000", "also when so many come at once");
});

test("wrong questions about logs are refused", async () => {
  for (const body of [{ limit: 0 }, { limit: 501 }, { sort_order: "up" }, { offset: "x" }, { offset: 5 }, []]) {
    assert.equal((await logs(body)).status, 400, JSON.stringify(body));
  }
});

type Metrics = Static<typeof metricsAnswer>["metrics"];

async function metrics(period: string): Promise<Metrics> {
  return (await api.avn<{ metrics: Metrics }>("POST", `${path}/metrics`, { period })).body.metrics;
}

async function sample(agoMs: number, values: object): Promise<void> {
  await insertMetricSamples(api.catalog.db, [{ service_id: serviceId, at: new Date(Date.now() - agoMs), ...values }]);
}

test("a service that was never measured has no metrics, and one that was has those that could be measured", async () => {
  assert.deepEqual(await metrics("hour"), {});
  await sample(90 * second, { cpu_usage: 10, mem_usage: 5 });
  await sample(30 * second, { cpu_usage: 30, mem_usage: null });
  const told = await metrics("hour");
  assert.deepEqual(Object.keys(told), ["cpu_usage", "mem_usage"]);
  const { hints, data } = told["cpu_usage"] ?? { hints: undefined, data: { cols: [], rows: [] } };
  assert.equal(hints?.title, "CPU usage (% of the plan)");
  assert.deepEqual(data.cols, [
    { label: "time", type: "date" },
    { label: "db1-1 (master)", type: "number" },
  ]);
  assert.deepEqual(
    data.rows.map((row) => row[1]),
    [10, 30],
  );
  assert.deepEqual(
    told["mem_usage"]?.data.rows.map((row) => row[1]),
    [5, null],
  );
  const days = (await metrics("year"))["cpu_usage"]?.data.rows.map((row) => row[1]);
  // One mean, unless midnight came between them.
  assert.ok(["20", "10,30"].includes(String(days)), String(days));
});

test("metrics are kept for a year, the older the coarser, and thinning twice changes nothing more", async () => {
  await api.catalog.db.deleteFrom("metric_sample").execute();
  const clock = new FakeClock(new Date());
  const now = clock.now().getTime();
  const samples = (fromMs: number, everyMs: number, count: number) =>
    Array.from({ length: count }, (_, index) => ({
      service_id: serviceId,
      at: new Date(now - fromMs - index * everyMs),
      cpu_usage: index % 2 === 0 ? 10 : 20,
    }));
  await insertMetricSamples(api.catalog.db, [
    ...samples(0, 30 * second, 120), // the last hour
    ...samples(4 * hour, 30 * second, 240), // two hours: 24 steps of 5 min
    ...samples(3 * day, 30 * second, 480), // four hours: 8 steps of 30 min
    ...samples(10 * day, 300 * second, 144), // twelve hours: 4 steps of 3 h
    ...samples(100 * day, 3 * hour, 32), // four days
    ...samples(400 * day, hour, 10),
  ]);
  const thin = () => thinServerMetrics({ catalog: api.catalog, clock });
  const ages = async () => {
    const rows = await api.catalog.db.selectFrom("metric_sample").select(["at", "cpu_usage"]).orderBy("at").execute();
    const between = (from: number, until: number) =>
      rows.filter(({ at }) => now - at.getTime() >= from && now - at.getTime() < until);
    return [
      between(0, 2 * hour),
      between(2 * hour, 2 * day),
      between(2 * day, 8 * day),
      between(8 * day, 40 * day),
      between(40 * day, 366 * day),
      between(366 * day, 500 * day),
    ];
  };
  await thin();
  const thinned = await ages();
  const most = [120, 25, 9, 5, 5, 0];
  for (const [index, group] of thinned.entries()) {
    const expected = most[index] ?? 0;
    assert.ok(group.length <= expected && group.length >= expected - 1, `${index}: ${group.length}`);
  }
  for (const { cpu_usage } of thinned.slice(1).flat())
    assert.ok(cpu_usage !== null && cpu_usage >= 10 && cpu_usage <= 20);
  await thin();
  assert.deepEqual(await ages(), thinned);
});
