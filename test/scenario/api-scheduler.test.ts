import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { createAccessToken } from "../../src/catalog/access-tokens.ts";
import { requestBaseBackup } from "../../src/catalog/backups.ts";
import { ChangeNotices } from "../../src/catalog/change-notices.ts";
import { thinSamples } from "../../src/control-plane/scheduler/lag-samples.ts";
import { Scheduler } from "../../src/control-plane/scheduler/scheduler.ts";
import { adminEmail } from "../../src/control-plane/bootstrap.ts";
import { createService } from "../../src/control-plane/services/create-service.ts";
import { createAuthority, issueCertificate } from "../../src/platform/certificates.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { eventually } from "../support/btar-process.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { openTestCatalog, type TestCatalog } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const [day, hour, minute] = [86_400_000, 3_600_000, 60_000];

let opened: TestCatalog;
let agent: SimulatedAgent;
/** The scheduler's clock: it begins now, since jobs have the time of the catalog's clients. */
let clock: FakeClock;
let scheduler: Scheduler;
before(async () => {
  opened = await openTestCatalog();
  agent = new SimulatedAgent(opened.context);
});
after(async () => {
  await opened.close();
});
beforeEach(async () => {
  const { db } = opened.context.catalog;
  for (const table of ["job", "event", "setting", "told_trouble", "agent", "cloud_state", "service"] as const)
    await db.deleteFrom(table).execute();
  clock = new FakeClock(new Date());
  scheduler = new Scheduler({ ...opened.context, clock });
  await hear(...opened.context.configuration.clouds.map(({ name }) => name));
});

/** A running service with one complete base backup, copied to local-south if asked for. */
async function service(
  name: string,
  options: { readonly isCopied: boolean; readonly config?: object },
): Promise<string> {
  await createService(
    { ...opened.context, clock: systemClock },
    {
      project: "demo",
      actor: "test",
      roleIn: () => "admin",
      body: {
        service_name: name,
        service_type: "pg",
        plan: "startup-4",
        cloud: "local-north",
        user_config: { additional_backup_regions: ["local-south"], ...options.config },
      },
    },
  );
  await agent.runs(name);
  await opened.context.catalog.db.deleteFrom("base_backup").execute();
  await agent.ends(name, ["backup"]);
  const now = clock.now();
  const clouds = options.isCopied ? ["local-north", "local-south"] : ["local-north"];
  await agent.backup(name, { id: `${name}-1`, from: now, until: now, clouds });
  return await agent.serviceId(name);
}

async function pass(ms: number): Promise<void> {
  await clock.advance(ms);
  await scheduler.runOnce();
}

/** What was told, oldest first. */
async function events(kinds: readonly string[]): Promise<readonly string[]> {
  const rows = await opened.context.catalog.db
    .selectFrom("event")
    .select(["kind", "message"])
    .where("kind", "in", kinds)
    .orderBy("id")
    .execute();
  return rows.map(({ kind, message }) => `${kind}: ${message}`);
}

/** Agents that answer at the scheduler's time. */
async function hear(...clouds: readonly string[]): Promise<void> {
  for (const cloud of clouds) await agent.register(cloud, { seenAt: clock.now() });
}

test("P1: a base backup is asked for when it is due, once, and not while one is under way", async () => {
  await service("daily", { isCopied: true });
  const open = async () => (await agent.jobs("daily", "backup")).filter(({ state }) => state === "queued");
  await pass(0);
  assert.deepEqual(await open(), []);
  await pass(day);
  const [job, ...more] = await open();
  assert.deepEqual([job?.cloud, job?.input["reason"], more.length], ["local-north", "schedule", 0]);
  await pass(2 * day);
  assert.equal((await open()).length, 1);
});

test("P1: a service that is off, or deleted, gets no base backup", async () => {
  const id = await service("off", { isCopied: true });
  const { db } = opened.context.catalog;
  await db.updateTable("service").set({ is_powered: false, state: "POWEROFF" }).where("id", "=", id).execute();
  await pass(3 * day);
  await db
    .updateTable("service")
    .set({ is_powered: true, state: "RUNNING", deleted_at: new Date() })
    .where("id", "=", id)
    .execute();
  await pass(3 * day);
  assert.deepEqual(
    (await agent.jobs("off", "backup")).filter(({ state }) => state === "queued"),
    [],
  );
});

test("P1: a base backup that failed for good is asked for anew after a quarter of an hour", async () => {
  await service("failed", { isCopied: true });
  await pass(day);
  await agent.ends("failed", ["backup"], "failed");
  // The job has ended by the time of the catalog's clients: the scheduler's clock is a day ahead of it.
  const ended = new Date(clock.now().getTime());
  await opened.context.catalog.db.updateTable("job").set({ finished_at: ended }).where("kind", "=", "backup").execute();
  await opened.context.catalog.db.updateTable("base_backup").set({ started_at: ended }).execute();
  const count = async () => (await agent.jobs("failed", "backup")).length;
  const before = await count();
  await pass(14 * minute);
  assert.equal(await count(), before);
  await pass(minute);
  assert.equal(await count(), before + 1);
});

test("E5, C2: a copy is asked for once its base backup is complete, once, and again an hour after it failed", async () => {
  const id = await service("copied", { isCopied: false });
  const copies = async () =>
    (await agent.jobs("copied", "copy")).map(({ state, input }) => `${state} ${String(input["backupId"])}`);
  await pass(0);
  await pass(1000);
  assert.deepEqual(await copies(), ["queued copied-1"]);
  await opened.context.catalog.db
    .updateTable("backup_location")
    .set({ state: "failed", trouble: "pack x is damaged" })
    .where("service_id", "=", id)
    .where("cloud", "=", "local-south")
    .execute();
  await agent.ends("copied", ["copy"], "failed");
  await pass(50 * minute);
  assert.equal((await copies()).length, 1);
  await pass(15 * minute);
  assert.deepEqual((await copies()).toSorted(), ["failed copied-1", "queued copied-1"]);
  const row = await opened.context.catalog.db
    .selectFrom("service")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  await requestBaseBackup(opened.context.catalog.db, opened.context.jobs, row, "request");
  await pass(1000);
  assert.equal((await copies()).length, 2);
});

test("D3: copies go on after their service was deleted", async () => {
  const id = await service("gone", { isCopied: false });
  await opened.context.catalog.db.updateTable("service").set({ deleted_at: new Date() }).where("id", "=", id).execute();
  await pass(0);
  assert.equal((await agent.jobs("gone", "copy")).length, 1);
});

test("D3: a deleted service without backups is forgotten once its server is gone", async () => {
  const id = await service("late", { isCopied: false });
  const { db } = opened.context.catalog;
  const { project, cloud, name } = await db
    .selectFrom("service")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  await db.updateTable("service").set({ deleted_at: new Date() }).where("id", "=", id).execute();
  await opened.context.jobs.enqueue({ kind: "remove", cloud, project, service: { id, name }, input: {} });
  await db.deleteFrom("location").where("service_id", "=", id).execute();
  const isKnown = async () => (await db.selectFrom("service").select("id").where("id", "=", id).execute()).length === 1;
  await pass(0);
  assert.equal(await isKnown(), true);
  await agent.ends("late", ["remove"]);
  await pass(1000);
  assert.equal(await isKnown(), false);
});

test("C7: nothing is copied to a location that is paused", async () => {
  const id = await service("paused", { isCopied: false });
  await opened.context.catalog.db
    .updateTable("location")
    .set({ is_paused: true })
    .where("service_id", "=", id)
    .execute();
  await pass(0);
  assert.deepEqual(await agent.jobs("paused", "copy"), []);
});

test("R2: when a lost cloud has been back for a minute, it is looked once what forks lack that were made meanwhile", async () => {
  await service("lost", { isCopied: true });
  const { db } = opened.context.catalog;
  const store = { is_store_up: true, trouble: null, checked_at: clock.now(), is_initialized: true };
  for (const cloud of ["local-north", "local-south"]) {
    const since = clock.now();
    await db
      .insertInto("cloud_state")
      .values({ cloud, since, ...store })
      .onConflict((conflict) => conflict.column("cloud").doUpdateSet({ since, ...store }))
      .execute();
  }
  const fork = async (name: string) => {
    const body = { service_name: name, cloud: "local-south", user_config: { service_to_fork_from: "lost" } };
    await createService({ ...opened.context, clock }, { project: "demo", actor: "test", roleIn: () => "admin", body });
    await agent.runs(name);
    const [row] = await db.selectFrom("service").select("forked_from").where("name", "=", name).execute();
    const origin = { ...row?.forked_from, stoppedIn: { stream: "1-00000001", position: "0000000000000001" } };
    await db
      .updateTable("service")
      .set({ forked_from: JSON.stringify(origin) })
      .where("name", "=", name)
      .execute();
  };
  await fork("beside");
  await db.deleteFrom("agent").where("cloud", "=", "local-north").execute();
  await fork("instead");
  const looked = async () => (await agent.jobs("instead", "lost-range")).map(({ cloud, state }) => [cloud, state]);
  await hear("local-south");
  await pass(hour);
  assert.deepEqual(await looked(), []);
  await hear("local-north");
  await pass(10_000);
  assert.deepEqual(await looked(), [], "its servers have hardly started");
  await clock.advance(minute);
  const startedAt = new Date(clock.now().getTime() - 2 * minute);
  await hear("local-north");
  await db.updateTable("agent").set({ started_at: startedAt }).where("cloud", "=", "local-north").execute();
  await pass(5000);
  assert.deepEqual(await looked(), [["local-north", "queued"]]);
  await agent.ends("instead", ["lost-range"]);
  await pass(minute);
  assert.equal((await looked()).length, 1);
  assert.deepEqual(await agent.jobs("beside", "lost-range"), []);
});

test("R1: a cloud whose agent is silent for 15 s is told to be down, once, and once that it is back", async () => {
  const all = opened.context.configuration.clouds.map(({ name }) => name);
  const north = all.filter((cloud) => cloud !== "local-north");
  const told = () => events(["cloud_down", "cloud_up"]);
  await pass(0);
  await pass(14_000);
  assert.deepEqual(await told(), []);
  await clock.advance(2000);
  await hear(...north);
  await pass(0);
  const down = "cloud_down: cloud local-north is down: no agent answers";
  assert.deepEqual(await told(), [down]);
  // Another server, later: it does not tell again.
  scheduler = new Scheduler({ ...opened.context, clock });
  await clock.advance(minute);
  await hear(...north);
  await pass(0);
  assert.deepEqual(await told(), [down]);
  await hear(...all);
  await pass(1000);
  await pass(1000);
  assert.deepEqual(await told(), [down, "cloud_up: cloud local-north can be used again"]);
});

test("R1: that a cloud is down is told with the services that have backups there, and what each can be forked to", async () => {
  await service("alone", { isCopied: false, config: { additional_backup_regions: [] } });
  const id = await service("copied", { isCopied: true });
  const { db } = opened.context.catalog;
  const { covered_until: until } = await db
    .selectFrom("log_range")
    .select("covered_until")
    .where("service_id", "=", id)
    .where("cloud", "=", "local-south")
    .executeTakeFirstOrThrow();
  await pass(0);
  await clock.advance(minute);
  const all = opened.context.configuration.clouds.map(({ name }) => name);
  await hear(...all.filter((cloud) => cloud !== "local-north"));
  await pass(0);
  const down = `cloud_down: cloud local-north is down: no agent answers; alone (primary backup) cannot be restored from anywhere else; copied (primary backup) can be forked in local-south up to ${until?.toISOString()}`;
  assert.deepEqual(await events(["cloud_down"]), [down]);
  await clock.advance(minute);
  await hear(...all.filter((cloud) => cloud !== "local-north" && cloud !== "local-south"));
  await pass(0);
  const both =
    "cloud_down: cloud local-south is down: no agent answers; copied (copy) cannot be restored from anywhere else";
  assert.deepEqual(await events(["cloud_down"]), [down, both]);
});

test("R1: while btar starts, agents have the time to come up; a store that does not answer is told with its reason", async () => {
  await opened.context.catalog.db.deleteFrom("agent").execute();
  await pass(5000);
  assert.deepEqual(await events(["cloud_down"]), []);
  await clock.advance(minute);
  await hear(...opened.context.configuration.clouds.map(({ name }) => name));
  await opened.context.catalog.db
    .insertInto("cloud_state")
    .values({
      cloud: "local-south",
      is_store_up: false,
      trouble: "bucket x: access denied",
      since: new Date(),
      checked_at: new Date(),
    })
    .execute();
  await pass(0);
  assert.deepEqual(await events(["cloud_down"]), ["cloud_down: cloud local-south is down: bucket x: access denied"]);
  await opened.context.catalog.db.deleteFrom("cloud_state").execute();
});

test("what stays in trouble is told once, with its reason, and so is its end; what a lost cloud holds up is not", async () => {
  const { db } = opened.context.catalog;
  const all = opened.context.configuration.clouds.map(({ name }) => name);
  const id = await service("shop", { isCopied: true });
  const told = () => events(["service_trouble", "location_trouble", "job_trouble", "trouble_over"]);
  const after = async (ms: number, ...clouds: readonly string[]) => {
    await clock.advance(ms);
    await hear(...clouds);
    await scheduler.runOnce();
  };
  await db.updateTable("service").set({ trouble: "its server does not answer" }).where("id", "=", id).execute();
  await db.updateTable("location").set({ trouble: "lost" }).where("cloud", "=", "local-south").execute();
  const north = all.filter((cloud) => cloud !== "local-south");
  await after(20_000, ...north);
  await after(4 * minute, ...north);
  assert.deepEqual(await told(), []);
  await after(2 * minute, ...north);
  await after(2 * minute, ...north);
  const first = "service_trouble: shop is in trouble: its server does not answer";
  assert.deepEqual(await told(), [first]);
  await db.updateTable("service").set({ trouble: null }).where("id", "=", id).execute();
  await after(20_000, ...all);
  await after(6 * minute, ...all);
  const over = "trouble_over: shop is in no trouble any more";
  assert.deepEqual(await told(), [
    first,
    over,
    "location_trouble: the backup of shop in local-south is in trouble: lost",
  ]);
});

test("that the API's certificate ends is told two weeks before, and once more in the last days", async (context) => {
  const certificate = join(await temporaryDirectory(context), "chain.pem");
  const made = issueCertificate(createAuthority("x"), { commonName: "x", hosts: ["x"], days: 20 });
  writeFileSync(certificate, made.certificate);
  const configuration = { ...opened.context.configuration, tls: { certificate, key: certificate } };
  scheduler = new Scheduler({ ...opened.context, configuration, clock });
  const told = async () => (await events(["certificate_ends"])).length;
  for (const [days, count] of [
    [0, 0],
    [7, 1],
    [1, 1],
    [10, 2],
    [1, 2],
  ] as const) {
    await pass(days * day);
    assert.equal(await told(), count, `after ${days} days more`);
  }
});

test("L1, L4: lag is recorded every 30 s; falling behind the objective is told once, and so is catching up", async () => {
  const id = await service("lagging", { isCopied: true });
  const { db } = opened.context.catalog;
  const missing = (oldest_missing_at: Date | null) =>
    db
      .updateTable("location")
      .set({ oldest_missing_at })
      .where("service_id", "=", id)
      .where("role", "=", "secondary")
      .execute();
  await pass(0);
  await missing(clock.now());
  for (let round = 0; round < 40; round += 1) await pass(30_000);
  await missing(null);
  await pass(30_000);
  await pass(1000);
  const samples = await db.selectFrom("lag_sample").selectAll().where("service_id", "=", id).orderBy("at").execute();
  assert.deepEqual(
    samples.map(({ lag_seconds }) => lag_seconds),
    [0, ...Array.from({ length: 40 }, (_, round) => (round + 1) * 30), 0],
  );
  assert.ok((samples[40]?.rpo_seconds ?? 0) > 1190);
  assert.deepEqual(await events(["location_behind", "location_caught_up"]), [
    "location_behind: the copy of lagging in local-south is 930 s behind (objective 900 s)",
    "location_caught_up: the copy of lagging in local-south has caught up",
  ]);
});

test("L1: samples are kept for a year, the older the coarser, and of those that fall together the worst", async () => {
  const service_id = await service("thinned", { isCopied: true });
  const { db } = opened.context.catalog;
  const at = (ageMs: number) => new Date(Math.floor((clock.now().getTime() - ageMs) / day) * day + hour);
  for (const [ageMs, count] of [
    [day, 20],
    [3 * day, 20],
    [100 * day, 20],
    [400 * day, 20],
  ] as const) {
    for (let index = 0; index < count; index += 1) {
      const values = { service_id, cloud: "local-south", rpo_seconds: null, lag_seconds: index % 7 };
      await db
        .insertInto("lag_sample")
        .values({ ...values, at: new Date(at(ageMs).getTime() + index * 30_000) })
        .execute();
    }
  }
  await thinSamples({ ...opened.context, clock });
  const kept = await db.selectFrom("lag_sample").select(["at", "lag_seconds"]).orderBy("at", "desc").execute();
  const within = (ageMs: number) =>
    kept.filter(({ at: time }) => Math.abs(time.getTime() - at(ageMs).getTime()) < hour);
  // Ten minutes of samples: two steps of 5 min, one of 30 min, one of a day, none.
  assert.deepEqual(
    [day, 3 * day, 100 * day, 400 * day].map((ageMs) => within(ageMs).length),
    [2, 1, 1, 0],
  );
  assert.ok(kept.every(({ lag_seconds }) => lag_seconds === 6));
});

test("of several servers one schedules at a time", async () => {
  await service("once", { isCopied: false });
  const schedulers = Array.from({ length: 4 }, () => new Scheduler({ ...opened.context, clock }));
  await clock.advance(day);
  // Each holds a connection for the lock and needs another one: two at once fit the pool of the test.
  for (let index = 0; index < schedulers.length; index += 2) {
    await Promise.all(schedulers.slice(index, index + 2).map((each) => each.runOnce()));
  }
  assert.equal((await agent.jobs("once", "copy")).length, 1);
  assert.equal((await agent.jobs("once", "backup")).filter(({ state }) => state === "queued").length, 1);
});

test("changes in the catalog are told, signs of life and progress are not, and told again after a lost connection", async () => {
  await service("told", { isCopied: true });
  const { catalog } = opened.context;
  const failures: string[] = [];
  const notices = new ChangeNotices(catalog, (reason) => failures.push(reason));
  const told: string[] = [];
  notices.listen((table) => told.push(table ?? "any"));
  notices.start();
  try {
    await eventually("changes are heard", () => notices.areHeard);
    assert.deepEqual(told, ["any"]);
    await catalog.db.updateTable("agent").set({ seen_at: new Date() }).execute();
    await catalog.db.updateTable("location").set({ oldest_missing_at: new Date() }).execute();
    await catalog.db.updateTable("service").set({ state: "RUNNING" }).execute();
    await catalog.db.updateTable("location").set({ is_paused: true }).execute();
    await eventually("the pause is heard", () => told.length > 1);
    assert.deepEqual(told, ["any", "location"]);
    const listening = "query like 'select pg_notify%' and pid != pg_backend_pid()";
    await catalog.pool.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${listening}`);
    await eventually("changes are heard again", () => told.length > 2);
    assert.deepEqual(told, ["any", "location", "any"]);
    assert.match(failures.join("; "), /^terminating connection[^;]*$/);
  } finally {
    await notices.stop();
  }
});

test("a scheduler that changes are told to does what they call for", async () => {
  const notices = new ChangeNotices(opened.context.catalog, assert.fail);
  const listening = new Scheduler({ ...opened.context, clock }, notices);
  notices.start();
  try {
    await eventually("changes are heard", () => notices.areHeard);
    await listening.runOnce();
    await clock.advance(1000);
    await listening.runOnce(); // for what the first look has changed
    await service("new", { isCopied: false });
    await eventually("a copy is asked for", async () => {
      await clock.advance(1000);
      await listening.runOnce();
      return (await agent.jobs("new", "copy")).length === 1;
    });
  } finally {
    await notices.stop();
  }
});

test("tokens are removed a week after they have expired", async () => {
  const { db } = opened.context.catalog;
  const make = (maxAgeSeconds: number | null) =>
    createAccessToken(db, {
      userEmail: adminEmail,
      description: "x",
      maxAgeSeconds,
      extendWhenUsed: false,
      now: clock.now(),
    });
  const [short, forever] = [await make(600), await make(null)];
  const left = async () => (await db.selectFrom("access_token").select("prefix").execute()).map(({ prefix }) => prefix);
  await pass(6 * day);
  assert.ok((await left()).includes(short.row.prefix));
  await pass(day + hour);
  assert.ok(!(await left()).includes(short.row.prefix));
  assert.ok((await left()).includes(forever.row.prefix));
});
