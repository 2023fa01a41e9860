import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Static } from "typebox";
import type { backupsAnswer } from "../../src/contract/backups.ts";
import type { eventsAnswer } from "../../src/contract/projects.ts";
import type { protectionAnswer } from "../../src/contract/status.ts";
import { type Answer, type Refusal, RunningApi, testConfiguration } from "../support/running-api.ts";
import { SimulatedAgent, until } from "../support/simulated-agent.ts";

type Protection = Static<typeof protectionAnswer>;
type Backups = Static<typeof backupsAnswer>;

const [day, minute] = [86_400_000, 60_000];
const start = Date.now();
const ago = (ms: number) => new Date(Math.floor((start - ms) / 1000) * 1000);

let api: RunningApi;
let agent: SimulatedAgent;
before(async () => {
  const { services, ...rest } = testConfiguration();
  api = await RunningApi.start({ ...rest, services: { ...services, ports: { first: 20_000, last: 20_099 } } });
  agent = new SimulatedAgent(api);
});
after(async () => {
  await api.close();
});

const pathOf = (name: string) => `/project/demo/service/${name}`;

/** A running service with base backups in these clouds, the first of which is its own. */
async function service(
  name: string,
  backups: Readonly<Record<string, readonly string[]>>,
  config: object = { additional_backup_regions: ["local-south"] },
): Promise<void> {
  const created = await api.avn("POST", "/project/demo/service", {
    service_name: name,
    service_type: "pg",
    plan: "business-4",
    cloud: "local-north",
    user_config: config,
  });
  assert.equal(created.status, 200, created.text);
  await agent.runs(name);
  await until("the first backup is asked for", async () => (await agent.jobs(name, "backup")).length > 0);
  await agent.ends(name, ["backup"]);
  // What is asked for by schedule would be in the way: the simulated agent makes backups of its own.
  await api.catalog.db
    .deleteFrom("base_backup")
    .where("service_id", "=", await agent.serviceId(name))
    .execute();
  for (const [id, clouds] of Object.entries(backups)) {
    await agent.backup(name, { id, from: ago(day), until: ago(minute), clouds });
  }
}

async function change(name: string, cloud: string, body: object): Promise<Answer<Protection & Refusal>> {
  return await api.avn<Protection & Refusal>("PUT", `${pathOf(name)}/btar/locations/${cloud}`, body);
}

async function location(name: string, cloud: string) {
  const { body } = await api.avn<Protection>("GET", `${pathOf(name)}/btar`);
  return body.locations.find((each) => each.cloud === cloud);
}

async function events(name: string, ...kinds: readonly string[]): Promise<readonly string[]> {
  const { body } = await api.avn<Static<typeof eventsAnswer>>("GET", "/project/demo/events?limit=500");
  return body.events
    .filter(({ service_name, event_type }) => service_name === name && kinds.includes(event_type))
    .map(({ event_type, event_desc, actor }) => `${event_type}: ${event_desc} (${actor})`)
    .toReversed();
}

async function openCopies(name: string): Promise<readonly string[]> {
  const jobs = await agent.jobs(name, "copy");
  return jobs.flatMap(({ state, cloud }) => (["queued", "running", "waiting"].includes(state) ? [cloud] : []));
}

function refused(answer: Answer<Refusal>, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.body.message, message);
}

test("C7: copying to a cloud is paused with a reason and resumed: copies under way end, the lag and the reason are shown", async () => {
  await service("paused", { "paused-1": ["local-north", "local-south"], "paused-2": ["local-north"] });
  await until("the copy is asked for", async () => (await openCopies("paused")).length > 0);
  const paused = await change("paused", "local-south", { paused: true, pause_reason: "the link is needed" });
  assert.equal(paused.status, 200, paused.text);
  const south = paused.body.locations.find(({ cloud }) => cloud === "local-south");
  assert.deepEqual([south?.paused, south?.pause_reason, south?.state], [true, "the link is needed", "active"]);
  assert.deepEqual(await openCopies("paused"), []);

  const { backups } = (await api.avn<Backups>("GET", `${pathOf("paused")}/backups`)).body;
  const region = { cloud: "local-south", region: "south", paused: true, pause_reason: "the link is needed" };
  assert.deepEqual(
    backups.map(({ additional_regions }) => additional_regions),
    [[region], [region]],
  );
  assert.deepEqual(
    backups
      .map((backup) => backup.locations.map(({ state, trouble }) => `${state} ${trouble}`).at(-1) ?? "")
      .toSorted(),
    ["complete null", "waiting copying is paused: the link is needed"],
  );
  await until(
    "the lag grows",
    async () => ((await location("paused", "local-south"))?.replication_lag_seconds ?? 0) > 1,
  );

  // The scheduler, which looks every second, asks for nothing there.
  await agent.backup("paused", { id: "paused-3", from: ago(minute), until: ago(0), clouds: ["local-north"] });
  assert.equal((await change("paused", "local-south", { paused: true, pause_reason: "until Monday" })).status, 200);
  assert.deepEqual(await openCopies("paused"), []);
  assert.equal((await change("paused", "local-south", { paused: false })).status, 200);
  await until("both are copied again", async () => (await openCopies("paused")).length === 2);
  assert.deepEqual(await events("paused", "location_paused", "location_resumed"), [
    "location_paused: nothing of paused is copied to local-south for now: the link is needed (admin@btar.local)",
    "location_paused: nothing of paused is copied to local-south for now: until Monday (admin@btar.local)",
    "location_resumed: backups of paused are copied to local-south again (admin@btar.local)",
  ]);
});

test("C7: what is absent of a location stays, who pauses without a reason is named, and enabling it again ends the pause", async () => {
  await service("partial", { "partial-1": ["local-north", "local-south"] });
  await change("partial", "local-south", { retention_days: 30 });
  await change("partial", "local-south", { paused: true });
  const paused = await location("partial", "local-south");
  assert.deepEqual([paused?.retention_days, paused?.pause_reason], [30, "paused by admin@btar.local"]);
  const regions = (clouds: readonly string[]) =>
    api.avn("PUT", pathOf("partial"), { user_config: { additional_backup_regions: clouds } });
  await regions([]);
  refused(await change("partial", "local-south", { paused: true }), 409, /not copied to local-south any more/);
  await regions(["local-south"]);
  assert.deepEqual((await location("partial", "local-south"))?.paused, false);
});

test("X1: what cannot be paused is refused, and changes nothing", async () => {
  await service("refused", { "refused-1": ["local-north", "local-south"] });
  const before = await location("refused", "local-south");
  refused(await change("refused", "local-north", { paused: true }), 400, /holds the primary backup of refused/);
  refused(
    await change("refused", "local-east", { paused: true }),
    404,
    /no backups in local-east.*local-north, local-south/,
  );
  refused(await change("refused", "local-south", {}), 400, /Invalid input/);
  refused(await change("refused", "local-south", { paused: "yes" }), 400, /paused/);
  refused(await change("refused", "local-south", { pause_reason: "why" }), 400, /together with `paused: true`/);
  refused(await change("refused", "local-south", { paused: true, retention_days: 0 }), 400, /retention_days/);
  assert.deepEqual({ ...(await location("refused", "local-south")), rpo_seconds: 0 }, { ...before, rpo_seconds: 0 });
});

test("C7, D1: a copy whose agent died while it was cancelled is not waited for", async () => {
  await service("abandoned", { "abandoned-1": ["local-north"] });
  const [copy] = await until("the copy is asked for", async () => {
    const jobs = await agent.jobs("abandoned", "copy");
    return jobs.length > 0 && jobs;
  });
  const { db } = api.catalog;
  await db
    .updateTable("job")
    .set({ state: "running" })
    .where("id", "=", copy?.id ?? "")
    .execute();
  await change("abandoned", "local-south", { paused: true });
  await change("abandoned", "local-south", { paused: false });
  assert.deepEqual(await openCopies("abandoned"), ["local-south"]);
  await api.postgres.sql("update pgboss.job set completed_on = completed_on - interval '1 minute' where id = $1", [
    copy?.id,
  ]);
  await until("another one is asked for", async () => {
    const jobs = await agent.jobs("abandoned", "copy");
    return jobs.map(({ state }) => state).join() === "cancelled,queued";
  });
});
