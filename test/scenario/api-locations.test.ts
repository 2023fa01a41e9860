import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import type { Static } from "typebox";
import type { backupsAnswer } from "../../src/contract/backups.ts";
import type { deletedServicesAnswer } from "../../src/contract/deleted-services.ts";
import type { eventsAnswer } from "../../src/contract/projects.ts";
import type { serviceAnswer } from "../../src/contract/services.ts";
import type { protectionAnswer } from "../../src/contract/status.ts";
import { btar } from "../support/btar-process.ts";
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
  const { services, limits, ...rest } = testConfiguration();
  api = await RunningApi.start({
    ...rest,
    services: { ...services, ports: { first: 20_000, last: 20_099 } },
    limits: { ...limits, regionChangeHours: 12 },
  });
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
  type = "pg",
): Promise<void> {
  const created = await api.avn("POST", "/project/demo/service", {
    service_name: name,
    service_type: type,
    plan: "business-4",
    cloud: "local-north",
    user_config: config,
  });
  assert.equal(created.status, 200, created.text);
  await agent.runs(name);
  // Its first one would be in the way: the simulated agent makes backups of its own.
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

for (const type of ["pg", "mysql"] as const) {
  test(`E1-E4: ${type}: a region that will not do is refused at creation, later and when attaching, with those that would`, async () => {
    await service(`regions-${type}`, {}, {}, type);
    const create = { service_name: "x", service_type: type, plan: "startup-4", cloud: "local-north" };
    const attach = {
      service_name: "x",
      cloud: "local-north",
      uri: `${type === "pg" ? "postgres" : "mysql"}://a:b@127.0.0.1:1/`,
    };
    const asks = (clouds: readonly string[]) => {
      const user_config = { additional_backup_regions: clouds };
      return [
        api.avn("POST", "/project/demo/service", { ...create, user_config }),
        api.avn("PUT", pathOf(`regions-${type}`), { user_config }),
        api.avn("POST", "/project/demo/service/attach", { ...attach, user_config }),
      ];
    };
    const refusals: readonly (readonly [clouds: readonly string[], told: RegExp])[] = [
      [["local-west"], /'local-west': there is no such cloud.*clouds that would do: local-south, local-east/],
      [["local-north"], /'local-north': it holds the primary backup already.*local-south, local-east/],
      [["aws-eu-west-1"], /'aws-eu-west-1': it is of provider aws, the primary backup is in local-north.*local-south/],
      [["local-south", "local-south"], /additional_backup_regions/],
      [["local-south", "local-east", "aws-eu-west-1"], /additional_backup_regions.*more than 2/],
    ];
    for (const [clouds, told] of refusals) {
      for (const answer of await Promise.all(asks(clouds))) refused(answer, 400, told);
    }
    assert.deepEqual(await states(`regions-${type}`), {});
    const { status, text } = await api.avn("PUT", pathOf(`regions-${type}`), {
      user_config: { additional_backup_regions: ["local-south", "local-east"] },
    });
    assert.equal(status, 200, text);
    assert.deepEqual(await states(`regions-${type}`), { "local-east": "active", "local-south": "active" });
    assert.deepEqual(await agent.jobs(`regions-${type}`, "apply"), [], "E6: the server has nothing to do with it");
  });
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
  const [newest] = (await api.avn<Backups>("GET", `${pathOf("paused")}/backups`)).body.backups;
  assert.deepEqual(
    newest?.locations.map(({ cloud, state, trouble }) => [cloud, state, trouble]),
    [
      ["local-north", "complete", null],
      ["local-south", "waiting", "copying is paused: until Monday"],
    ],
    "L3: also what was not asked for waits",
  );
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

/** When an additional cloud was added to a service last; null: nothing hinders another. */
async function lastAddedAt(name: string, regions_changed_at: Date | null): Promise<void> {
  await api.catalog.db.updateTable("service").set({ regions_changed_at }).where("name", "=", name).execute();
}

async function setRegions(name: string, clouds: readonly string[]): Promise<Answer<Refusal>> {
  await lastAddedAt(name, null);
  return await askForRegions(name, clouds);
}

async function askForRegions(name: string, clouds: readonly string[]): Promise<Answer<Refusal>> {
  return await api.avn("PUT", pathOf(name), { user_config: { additional_backup_regions: clouds } });
}

/** The states of a service's additional clouds. */
async function states(name: string): Promise<Readonly<Record<string, string>>> {
  const { body } = await api.avn<Protection>("GET", `${pathOf(name)}/btar`);
  const additional = body.locations.filter(({ role }) => role === "secondary");
  return Object.fromEntries(additional.map(({ cloud, state }) => [cloud, state]));
}

async function becomes(name: string, expected: Readonly<Record<string, string>>): Promise<void> {
  await until(`${name} is ${JSON.stringify(expected)}`, async () => {
    return JSON.stringify(await states(name)) === JSON.stringify(expected);
  });
}

/**
 * What an agent records of a copy that is complete, with its log up to `logUntil`. Its job has been asked for by then, and
 * stays open: a scheduler that looks at this moment would ask for another one, and for the copy anew.
 */
async function copied(name: string, id: string, cloud: string, logUntil: Date): Promise<void> {
  const { db } = api.catalog;
  const service_id = await agent.serviceId(name);
  await until("the copy is asked for", async () => (await openCopies(name)).includes(cloud));
  const copy = { state: "complete" as const, role: "secondary" as const, completed_at: new Date() };
  await db
    .insertInto("backup_location")
    .values({ backup_id: id, service_id, cloud, ...copy })
    .onConflict((conflict) => conflict.columns(["backup_id", "cloud"]).doUpdateSet(copy))
    .execute();
  const from = await db
    .selectFrom("log_range")
    .selectAll()
    .where("service_id", "=", service_id)
    .executeTakeFirstOrThrow();
  const end = { end_position: String(logUntil.getTime()).padStart(16, "0"), covered_until: logUntil };
  await db
    .insertInto("log_range")
    .values({ ...from, newest_commit_micros: null, cloud, ...end })
    .onConflict((conflict) => conflict.columns(["service_id", "cloud", "stream", "start_position"]).doUpdateSet(end))
    .execute();
}

test("M1: the old cloud stays, is copied to and is forked from until the new one has a complete copy; then it goes after the grace time", async () => {
  await service("moved", { "moved-1": ["local-north", "local-south"] });
  assert.equal((await setRegions("moved", ["local-east"])).status, 200);
  await becomes("moved", { "local-east": "active", "local-south": "retiring" });
  const told = async () => (await location("moved", "local-south"))?.awaits;
  assert.deepEqual(await told(), [
    "local-east has nothing that can be restored yet",
    "local-east is still to get 1 base backup",
  ]);
  const listed = async () => {
    const { backups } = (await api.avn<Backups>("GET", `${pathOf("moved")}/backups`)).body;
    return backups.map(({ additional_regions }) => additional_regions.map(({ cloud }) => cloud).join());
  };
  assert.deepEqual(await listed(), ["local-south"]);
  const forked = await api.avn("POST", "/project/demo/service", {
    service_name: "moved-fork",
    cloud: "local-south",
    user_config: { service_to_fork_from: "moved" },
  });
  assert.equal(forked.status, 200, forked.text);

  // What is taken meanwhile goes to both, and is not waited for.
  await api.avn("POST", `${pathOf("moved")}/backups`);
  const [newer] = (await api.avn<Backups>("GET", `${pathOf("moved")}/backups?all=true`)).body.backups;
  assert.deepEqual(newer?.locations.map(({ cloud }) => cloud).toSorted(), ["local-east", "local-north", "local-south"]);

  // Its log is still too far behind.
  await copied("moved", "moved-1", "local-east", ago(20 * minute));
  await until("it is said how far", async () => /^local-east is 11\d\d s behind$/.test((await told())?.join() ?? ""));
  await copied("moved", "moved-1", "local-east", ago(minute));
  await becomes("moved", { "local-east": "active", "local-south": "deleting" });
  assert.ok((await location("moved", "local-south"))?.delete_after);
  assert.deepEqual(await listed(), ["local-east"]);
  assert.deepEqual(
    (await events("moved", "location_enabled", "location_retiring", "location_disabled")).map((text) =>
      text.replace(/\d{4}-\S+Z/, "TIME"),
    ),
    [
      "location_enabled: backups of moved are copied to local-east (admin@btar.local)",
      "location_retiring: backups of moved stay in local-south, and are copied there, until local-east has them (admin@btar.local)",
      "location_disabled: backups of moved in local-south are kept until TIME: the clouds in its place have them (btar)",
    ],
  );
});

test("M1: changing back takes the old cloud back without copying, and the new one goes at once", async () => {
  await service("back", { "back-1": ["local-north", "local-south"] });
  await setRegions("back", ["local-east"]);
  await until("it is copied to the new cloud", async () => (await openCopies("back")).includes("local-east"));
  await setRegions("back", ["local-south"]);
  assert.deepEqual(await states("back"), { "local-east": "deleting", "local-south": "active" });
  await until("no copy is under way", async () => (await openCopies("back")).length === 0);
  assert.ok((await events("back", "location_enabled")).at(-1)?.includes("stay, and are copied there as before"));
});

test("M1, E4: of several clouds one is exchanged while the other stays; without any, all go at once", async () => {
  await service(
    "several",
    { "several-1": ["local-north", "local-south", "local-east"] },
    {
      additional_backup_regions: ["local-south", "local-east"],
    },
  );
  refused(await setRegions("several", ["local-south", "local-east", "local-west"]), 400, /more than 2 items/);
  // Nothing else is to have what it has: it goes at once.
  await setRegions("several", ["local-south"]);
  assert.deepEqual(await states("several"), { "local-east": "deleting", "local-south": "active" });
  await setRegions("several", ["local-south", "local-east"]);
  assert.deepEqual(await states("several"), { "local-east": "active", "local-south": "active" });
  // A copy that would be the only one stays until another one is there.
  await api.catalog.db
    .deleteFrom("backup_location")
    .where("cloud", "=", "local-east")
    .where("backup_id", "=", "several-1")
    .execute();
  await setRegions("several", ["local-east"]);
  assert.deepEqual(await states("several"), { "local-east": "active", "local-south": "retiring" });
  await setRegions("several", []);
  assert.deepEqual(await states("several"), { "local-east": "deleting", "local-south": "deleting" });
});

test("M2: a cloud cannot be added before the minimum time since the last one; taking away and back always can", async () => {
  await service("often", { "often-1": ["local-north", "local-south"] });
  refused(await askForRegions("often", ["local-east"]), 409, /additional_backup_regions of often were changed at/);
  const hours = (count: number) => ago(count * 3_600_000);
  await lastAddedAt("often", hours(11));
  const allowedAt = new Date(hours(11).getTime() + 12 * 3_600_000).toISOString();
  const message = `were changed at ${hours(11).toISOString()}: local-east can be added from ${allowedAt} on`;
  refused(await askForRegions("often", ["local-south", "local-east"]), 409, new RegExp(message));
  const command = ["service", "update", "often", "--additional-backup-region", "local-east"];
  const told = await btar([...command, "--url", api.url, "--token", api.token, "--project", "demo"], {
    directory: tmpdir(),
  });
  assert.equal(told.code, 4);
  assert.match(told.stderr, new RegExp(message));
  assert.deepEqual(await states("often"), { "local-south": "active" });
  assert.equal((await askForRegions("often", [])).status, 200);
  refused(await askForRegions("often", ["local-east"]), 409, /can be added from/);
  assert.equal((await askForRegions("often", ["local-south"])).status, 200);
  await lastAddedAt("often", hours(12));
  assert.equal((await askForRegions("often", ["local-east"])).status, 200);
  assert.equal((await states("often"))["local-east"], "active");
});

type Deleted = Static<typeof deletedServicesAnswer>;

async function deletedServices(name: string): Promise<Deleted["services"]> {
  const { body } = await api.avn<Deleted>("GET", "/project/demo/btar/deleted_services");
  return body.services.filter(({ service_name }) => service_name === name);
}

async function undelete(name: string, body?: object): Promise<Answer<Static<typeof serviceAnswer> & Refusal>> {
  return await api.avn<Static<typeof serviceAnswer> & Refusal>("POST", `${pathOf(name)}/btar/undelete`, body);
}

async function portOf(id: string): Promise<number | null> {
  const { db } = api.catalog;
  return (await db.selectFrom("service").select("port").where("id", "=", id).executeTakeFirstOrThrow()).port;
}

/** Deletes a service, and ends the removal of its server. */
async function remove(name: string): Promise<void> {
  assert.equal((await api.avn("DELETE", pathOf(name))).status, 200);
  await agent.ends(name, ["remove"]);
}

test("D3: a deleted service is listed with the end of its grace time, and restored as what it was from its newest backup", async () => {
  await service("gone", { "gone-1": ["local-north", "local-south"] });
  const id = await agent.serviceId("gone");
  const port = await portOf(id);
  await api.avn("DELETE", pathOf("gone"));
  refused(await undelete("gone"), 409, /still being removed in local-north.*try again when job \S+ has ended/);
  await agent.ends("gone", ["remove"]);
  const [listed] = await deletedServices("gone");
  assert.deepEqual([listed?.service_id, listed?.service_type, listed?.service_kind], [id, "pg", "managed"]);
  const graceMs = new Date(listed?.backups_until ?? 0).getTime() - new Date(listed?.delete_time ?? 0).getTime();
  assert.equal(graceMs, 3 * day);
  assert.deepEqual(
    listed?.locations.map(({ cloud, role, recovery_window }) => [cloud, role, recovery_window?.latest_at]),
    [
      ["local-north", "primary", ago(minute).toISOString()],
      ["local-south", "secondary", ago(minute).toISOString()],
    ],
  );

  const { body, status } = await undelete("gone");
  assert.equal(status, 200, body.message);
  const { service_id, state } = body.service;
  assert.deepEqual([service_id, state, await portOf(id)], [id, "REBUILDING", port]);
  const [job] = await agent.jobs("gone", "fork");
  const target = { kind: "latest" };
  assert.deepEqual(job?.input, { source: { serviceId: id }, fromCloud: "local-north", backupId: "gone-1", target });
  assert.deepEqual(await deletedServices("gone"), []);
  assert.deepEqual(await states("gone"), { "local-south": "active" });
  refused(await undelete("gone"), 409, /Service name 'gone' already exists in this project/);

  // F7: when that is cancelled, it is deleted as before.
  await api.avn("DELETE", `/project/demo/jobs/${job.id}`);
  await until("it is deleted again", async () => (await deletedServices("gone")).length === 1);
});

test("D3: of several of one name the last is restored, or the one that is named; another port is taken when its own is", async () => {
  await service("twice", { "twice-1": ["local-north"] }, {});
  const first = await agent.serviceId("twice");
  await remove("twice");
  await service("twice", { "twice-2": ["local-north"] }, {});
  const second = await agent.serviceId("twice");
  await remove("twice");
  assert.deepEqual(
    (await deletedServices("twice")).map(({ service_id }) => service_id),
    [second, first],
  );
  refused(
    await undelete("twice", { service_id: await agent.serviceId("gone") }),
    404,
    /no deleted service twice with id/,
  );
  await service("other", { "other-1": ["local-north"] }, {}); // it got the port
  const { body } = await undelete("twice", { service_id: first });
  assert.equal(body.service.service_id, first);
  assert.notEqual(await portOf(first), await portOf(await agent.serviceId("other")));
  refused(await undelete("twice"), 409, /already exists/);
});

test("D3, X1: what cannot be restored is refused", async () => {
  refused(await undelete("never"), 404, /no deleted service never that still has backups.*there are: /);
  await service("late", { "late-1": ["local-north", "local-south"] });
  const id = await agent.serviceId("late");
  await remove("late");
  const { db } = api.catalog;
  await db
    .updateTable("location")
    .set({ state: "deleting", delete_after: new Date() })
    .where("service_id", "=", id)
    .where("role", "=", "primary")
    .execute();
  refused(await undelete("late"), 409, /grace time of late is over.*fork it/);
  assert.equal((await deletedServices("late")).length, 1);
  const forked = await api.avn("POST", "/project/demo/service", {
    service_name: "late-fork",
    cloud: "local-south",
    user_config: { service_to_fork_from: "late" },
  });
  assert.equal(forked.status, 200, forked.text);
});
