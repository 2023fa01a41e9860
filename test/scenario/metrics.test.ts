import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { MeasuredObjectStore } from "../../src/object-store/measured-object-store.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { AgentMeter } from "../../src/region-agent/agent-meter.ts";
import { alertsFile, dashboardFile, promtool, startPrometheus } from "../support/prometheus.ts";
import { RunningApi } from "../support/running-api.ts";
import { SimulatedAgent, until } from "../support/simulated-agent.ts";

const minute = 60_000;

let api: RunningApi;
let agent: SimulatedAgent;
/** From and to when log was stored. */
let [from, to] = [new Date(), new Date()];
before(async () => {
  api = await RunningApi.start();
  agent = new SimulatedAgent(api);
  const created = await api.avn("POST", "/project/demo/service", {
    ...{ service_name: "shop", service_type: "pg", plan: "startup-4", cloud: "local-north" },
    user_config: { additional_backup_regions: ["local-south"] },
  });
  assert.equal(created.status, 200, created.text);
  await agent.runs("shop");
  [from, to] = [new Date(Date.now() - 60 * minute), new Date(Date.now() - minute)];
  await agent.backup("shop", { id: "m1", from, until: to, clouds: ["local-north", "local-south"] });
});
after(async () => {
  await api.close();
});

async function metrics(token = api.token) {
  return await fetch(`${new URL(api.url).origin}/metrics`, { headers: { authorization: `Bearer ${token}` } });
}

/** The value of a series; undefined when it is not told. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

async function lacksSince(at: Date | null): Promise<void> {
  await api.catalog.db
    .updateTable("location")
    .set({ oldest_missing_at: at })
    .where("service_id", "=", await agent.serviceId("shop"))
    .where("cloud", "=", "local-south")
    .execute();
}

test("metrics want a token, and are told in a form that promtool finds no fault with", async () => {
  assert.equal((await metrics("wrong")).status, 401);
  const answer = await metrics();
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  assert.match(answer.headers.get("content-type") ?? "", /^text\/plain/);
  const checked = promtool(["check", "metrics"], text);
  assert.equal(checked.status, 0, checked.text);
});

test("L1, L2: lag, data at risk and the recovery window are told for each place that a backup is in", async () => {
  await lacksSince(new Date(Date.now() - 10 * minute));
  const text = await (await metrics()).text();
  const place = (cloud: string, role: string) => `{project="demo",service="shop",cloud="${cloud}",role="${role}"}`;
  const south = place("local-south", "secondary");
  const near = (name: string, expected: number) => {
    const value = valueOf(text, `btar_location_${name}${south}`);
    assert.ok(value !== undefined && Math.abs(value - expected) < 30, `${name}: ${value}, expected ${expected}`);
  };
  near("replication_lag_seconds", 600);
  near("data_at_risk_seconds", (Date.now() - to.getTime()) / 1000);
  near("recovery_window_start_timestamp_seconds", from.getTime() / 1000);
  near("newest_backup_timestamp_seconds", from.getTime() / 1000);
  near("complete_backups", 1);
  assert.equal(valueOf(text, `btar_location_replication_lag_seconds${place("local-north", "primary")}`), undefined);
  assert.equal(valueOf(text, `btar_location_last_restored_timestamp_seconds${south}`), undefined, "never restored");
  assert.equal(valueOf(text, 'btar_service_running{project="demo",service="shop"}'), 1);
  assert.equal(valueOf(text, 'btar_cloud_up{cloud="local-south"}'), 0);
  assert.ok((valueOf(text, "process_resident_memory_bytes") ?? 0) > 1e6);
  await lacksSince(null);
});

test("copied bytes, failures and queues are told, and what agents measure of stores and of themselves", async () => {
  await api.catalog.db.updateTable("location").set({ log_bytes_total: 4000, backup_bytes_total: 5000 }).execute();
  await api.catalog.db.updateTable("job").set({ state: "failed" }).where("kind", "=", "backup").execute();
  await agent.register("local-south");
  const store = new MeasuredObjectStore(new MemoryObjectStore());
  await store.open({ create: true });
  await store.put("a/b", Buffer.from("x"));
  await assert.rejects(store.put("not a key", Buffer.from("x")));
  for await (const { key } of store.list("a/")) assert.equal(key, "a/b");
  const meter = new AgentMeter(new Map([["local-south", store]]));
  for await (const _ of meter.stores.get("local-south")?.list("") ?? []) assert.ok(true);
  await assert.rejects(meter.stores.get("local-south")?.get("no key") ?? Promise.resolve());
  const figures = JSON.stringify(meter.figures());
  await api.catalog.db.updateTable("agent").set({ figures }).where("cloud", "=", "local-south").execute();

  const text = await (await metrics()).text();
  const checked = promtool(["check", "metrics"], text);
  assert.equal(checked.status, 0, checked.text);
  const south = 'project="demo",service="shop",cloud="local-south",role="secondary"';
  assert.equal(valueOf(text, `btar_location_received_bytes_total{${south},of="log"}`), 4000);
  assert.equal(valueOf(text, `btar_location_received_bytes_total{${south},of="backups"}`), 5000);
  const failed = 'project="demo",service="shop",cloud="local-north",kind="backup"';
  assert.equal(valueOf(text, `btar_service_failed_jobs_total{${failed}}`), 1);
  const never = 'project="demo",service="shop",cloud="local-south",kind="copy"';
  assert.equal(valueOf(text, `btar_service_failed_jobs_total{${never}}`), 0);
  assert.equal(valueOf(text, 'btar_jobs_ended_total{kind="backup",cloud="local-north",state="failed"}'), 1);
  assert.equal(typeof valueOf(text, 'btar_queue_depth{cloud="local-south"}'), "number");
  const told = 'agent="local-south@test",cloud="local-south",store="local-south"';
  assert.equal(valueOf(text, `btar_store_operation_seconds_count{${told},operation="list"}`), 1);
  assert.equal(valueOf(text, `btar_store_operation_failures_total{${told},operation="list"}`), 0);
  assert.equal(valueOf(text, `btar_store_operation_failures_total{${told},operation="get"}`), 1);
  assert.match(text, /^btar_store_operation_seconds_bucket\{.*le="\+Inf".*\} 1$/m);
  assert.ok((valueOf(text, 'btar_agent_cpu_seconds_total{agent="local-south@test",cloud="local-south"}') ?? 0) > 0);
  assert.ok(
    (valueOf(text, 'btar_agent_resident_memory_bytes{agent="local-south@test",cloud="local-south"}') ?? 0) > 1e6,
  );
});

test("the rules and the dashboard that ship with btar look at what btar tells", async () => {
  const checked = promtool(["check", "rules", alertsFile]);
  assert.equal(checked.status, 0, checked.text);
  const types = [...(await (await metrics()).text()).matchAll(/^# TYPE (\w+) (\w+)$/gm)];
  const families = new Set(
    types.flatMap(([, name = "", type]) => (type === "histogram" ? [`${name}_bucket`, `${name}_count`] : [name])),
  );
  for (const file of [alertsFile, dashboardFile]) {
    const used = new Set((await readFile(file, "utf8")).match(/btar_\w+(?=[{\s[),])/g));
    assert.ok(used.size >= 9, [...used].join(", "));
    for (const name of used) assert.ok(families.has(name), `${file}: ${name}`);
  }
});

test("L4: an alert fires when a copy falls behind, says of which service, and clears when it has caught up", async () => {
  await using prometheus = await startPrometheus(api);
  await until("btar is scraped", async () => (await prometheus.query('up{job="btar"} == 1')).size === 1);
  await until(
    "a cloud without an agent is reported",
    async () => (await prometheus.firing("BtarCloudDown")).length > 0,
  );
  assert.deepEqual(await prometheus.firing("BtarCopyBehind"), []);
  await lacksSince(new Date(Date.now() - 20 * minute));
  const [alert] = await until("the alert fires", async () => {
    const firing = await prometheus.firing("BtarCopyBehind");
    return firing.length > 0 ? firing : undefined;
  });
  assert.deepEqual([alert?.labels["service"], alert?.labels["cloud"]], ["shop", "local-south"]);
  assert.match(alert?.annotations["summary"] ?? "", /^The copy of shop in local-south is 2[01]m \d+(\.\d+)?s behind$/);
  await lacksSince(null);
  await until("the alert clears", async () => (await prometheus.firing("BtarCopyBehind")).length === 0);
});
