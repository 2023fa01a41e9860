import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Static } from "typebox";
import { moveRetentionClock } from "../../src/catalog/catalog-clock.ts";
import { markExpired } from "../../src/catalog/expiry.ts";
import { holdDuty } from "../../src/catalog/leases.ts";
import { recordLog, retainedSpans, retainLog } from "../../src/catalog/log-ranges.ts";
import { lockCompleteBackup } from "../../src/catalog/pins.ts";
import { retentionByLocation } from "../../src/catalog/retention.ts";
import { releaseStoreUse, renewStoreUse, type StoreUse, takeStoreUse } from "../../src/catalog/store-use.ts";
import type { backupsAnswer, deleteBackupAnswer } from "../../src/contract/backups.ts";
import type { protectionAnswer } from "../../src/contract/status.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { type Answer, type Refusal, RunningApi } from "../support/running-api.ts";
import { SimulatedAgent, until } from "../support/simulated-agent.ts";

const north = "local-north";
const south = "local-south";
const dayMs = 86_400_000;
const daysAgo = (days: number) => new Date(Date.now() - days * dayMs);

let api: RunningApi;
let agent: SimulatedAgent;
before(async () => {
  api = await RunningApi.start();
  agent = new SimulatedAgent(api);
});
after(async () => {
  await api.close();
});

/** A running service with base backups of these ages in days, in both clouds unless `clouds` says otherwise. */
async function service(name: string, ages: readonly number[], clouds: readonly string[] = [north, south]) {
  const created = await api.avn("POST", "/project/demo/service", {
    ...{ service_name: name, service_type: "pg", plan: "startup-4", cloud: north },
    user_config: { additional_backup_regions: [south] },
  });
  assert.equal(created.status, 200, created.text);
  await agent.runs(name);
  const id = await agent.serviceId(name);
  await api.catalog.db.deleteFrom("base_backup").where("service_id", "=", id).execute();
  const now = Date.now();
  const oldest = now - Math.max(...ages, 0) * dayMs;
  for (const age of ages) {
    await agent.backup(name, { id: `${name}-${age}`, from: new Date(now - age * dayMs), until: new Date(), clouds });
  }
  // One range without a gap, from the oldest on.
  await api.catalog.db
    .deleteFrom("log_range")
    .where("service_id", "=", id)
    .where("start_position", ">", String(oldest).padStart(16, "0"))
    .execute();
  return id;
}

async function backups(name: string): Promise<Static<typeof backupsAnswer>["backups"]> {
  return (await api.avn<Static<typeof backupsAnswer>>("GET", `/project/demo/service/${name}/backups?all=true`)).body
    .backups;
}

function remove(
  name: string,
  backup: string,
  query = "",
): Promise<Answer<Static<typeof deleteBackupAnswer> & Refusal>> {
  return api.avn("DELETE", `/project/demo/service/${name}/backups/${backup}${query}`);
}

function keep(name: string, backup: string, body: object): Promise<Answer<Refusal>> {
  return api.avn("PUT", `/project/demo/service/${name}/backups/${backup}`, body);
}

function refused(answer: Answer<Refusal>, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.body.message, message);
}

async function decisions(name: string, cloud: string, now = new Date()): Promise<readonly string[]> {
  const row = await api.catalog.db.selectFrom("service").selectAll().where("name", "=", name).executeTakeFirstOrThrow();
  const retention = await retentionByLocation(api.catalog.db, row, { now, defaultDays: 2 });
  const location = retention.find((each) => each.cloud === cloud);
  return (location?.decisions ?? []).map(({ id, reason }) => `${id} ${reason}`);
}

test("a base backup is deleted everywhere: a job for each cloud removes it, and it is not copied again", async () => {
  await service("gone", [3, 2, 1]);
  const answer = await remove("gone", "gone-2");
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(
    answer.body.jobs.map(({ kind, cloud_name }) => [kind, cloud_name]),
    [
      ["collect", north],
      ["collect", south],
    ],
  );
  const [, shown] = await backups("gone");
  assert.equal(shown?.state, "deleting");
  await rejectsWith("NO_BACKUP", () =>
    api.catalog.db.transaction().execute((trx) => lockCompleteBackup(trx, { backupId: "gone-2", cloud: south })),
  );
  refused(await keep("gone", "gone-2", {}), 409, /being removed/);
  refused(await remove("gone", "none"), 404, /has no base backup none/);
});

test("a base backup that is kept, is needed, or is the last one is not deleted", async () => {
  const id = await service("needed", [3, 2]);
  assert.equal((await keep("needed", "needed-3", {})).status, 200);
  refused(await remove("needed", "needed-3"), 409, /is kept/);
  assert.equal((await keep("needed", "needed-3", { kept: false })).status, 200);

  const restore = await api.jobs.enqueue({
    ...{ kind: "restore" as const, cloud: south, project: "demo", service: { id, name: "needed" } },
    input: { fromCloud: south, backupId: "needed-3" },
  });
  refused(await remove("needed", "needed-3"), 409, new RegExp(`needed by job ${restore} \\(restore\\)`));
  assert.equal((await remove("needed", "needed-3", `?location=${north}`)).status, 200);
  refused(await remove("needed", "needed-2", `?location=${north}`), 409, /last complete one of needed in local-north/);
  assert.equal((await remove("needed", "needed-2", `?location=${north}&force_last=true`)).status, 200);
  await api.jobs.cancel(restore);
  assert.equal((await remove("needed", "needed-3", `?location=${south}`)).status, 200);
});

test("deleting a base backup ends its copies", async () => {
  await service("copied", [3, 2], [north]);
  await until("the copies are asked for", async () => (await agent.jobs("copied", "copy")).length === 2);
  assert.equal((await remove("copied", "copied-3")).status, 200);
  const copies = await agent.jobs("copied", "copy");
  assert.deepEqual(copies.map(({ state, input }) => `${String(input["backupId"])} ${state}`).sort(), [
    "copied-2 queued",
    "copied-3 cancelled",
  ]);
  assert.deepEqual(
    (await backups("copied"))
      .filter(({ state }) => state !== "running")
      .map(({ backup_name, locations }) => [backup_name, locations.length]),
    [
      ["copied-2", 2],
      ["copied-3", 1],
    ],
  );
});

test("the list of base backups tells when they expire, and what is kept", async () => {
  await service("listed", [5, 1, 0]);
  const shown = async () => (await backups("listed")).map(({ locations }) => locations[0]?.expire_time);
  assert.equal((await shown())[0], null);
  const followedAt = Date.parse((await backups("listed"))[1]?.consistent_time ?? "");
  assert.equal((await shown())[2], new Date(followedAt + 2 * dayMs).toISOString());
  assert.equal((await keep("listed", "listed-5", { keep_until: daysAgo(-30).toISOString() })).status, 200);
  const kept = (await backups("listed"))[2];
  assert.deepEqual([kept?.kept, kept?.locations[0]?.expire_time], [true, kept?.keep_until]);
  assert.equal((await keep("listed", "listed-5", {})).status, 200);
  assert.deepEqual([(await backups("listed"))[2]?.keep_until, (await shown())[2]], [null, null]);
  refused(await keep("listed", "listed-5", { keep_until: daysAgo(1).toISOString() }), 400, /which is over/);
});

test("M3: a location may keep backups for longer than the service, and what it is still to get stays in the primary", async () => {
  const id = await service("longer", [6, 5, 4, 3], [north]);
  assert.deepEqual(await decisions("longer", north), [
    "longer-6 expired",
    "longer-5 expired",
    "longer-4 expired",
    "longer-3 last",
  ]);
  const path = `/project/demo/service/longer/btar/locations/${south}`;
  const set = await api.avn<Static<typeof protectionAnswer>>("PUT", path, { retention_days: 5 });
  assert.deepEqual(
    set.body.locations.map(({ cloud, retention_days }) => [cloud, retention_days]),
    [
      [north, 2],
      [south, 5],
    ],
  );
  assert.deepEqual(await decisions("longer", north), [
    "longer-6 expired",
    "longer-5 pinned",
    "longer-4 pinned",
    "longer-3 last",
  ]);
  const { db } = api.catalog;
  const row = await db.selectFrom("service").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  const expired = await markExpired(db, row, { now: new Date(), defaultDays: 2, cloud: north });
  assert.deepEqual(expired, ["longer-6"]);
  refused(
    await api.avn("PUT", "/project/demo/service/longer/btar/locations/none", { retention_days: 9 }),
    404,
    /no backups in none/,
  );
});

test("what open work needs does not expire: a copy that has begun, a restore, a backup that builds on the newest", async () => {
  const id = await service("pinned", [9, 8, 7, 6], [north]);
  await until("the copies are asked for", async () => (await agent.jobs("pinned", "copy")).length === 4);
  const { db } = api.catalog;
  await db
    .updateTable("job")
    .set({ state: "running" })
    .where("service_id", "=", id)
    .where("kind", "=", "copy")
    .where((eb) => eb(eb.ref("input", "->>").key("backupId"), "=", "pinned-8"))
    .execute();
  await api.jobs.enqueue({
    ...{ kind: "restore" as const, cloud: north, project: "demo", service: { id, name: "pinned" } },
    input: { fromCloud: north, backupId: "pinned-9" },
  });
  assert.deepEqual(await decisions("pinned", north), [
    "pinned-9 pinned",
    "pinned-8 pinned",
    "pinned-7 expired",
    "pinned-6 last",
  ]);
});

test("a store is written by many at once, collected by one alone, and removed when nobody uses it", async () => {
  const id = await service("used", [1]);
  const { db } = api.catalog;
  const use = (holder: string, purpose: StoreUse["purpose"]): StoreUse => {
    return { serviceId: id, cloud: south, holder, purpose };
  };
  const take = (holder: string, purpose: StoreUse["purpose"]) => takeStoreUse(db, use(holder, purpose));
  assert.deepEqual(
    [await take("a", "write"), await take("b", "write"), await take("c", "collect")],
    [true, true, false],
  );
  await releaseStoreUse(db, use("a", "write"));
  await releaseStoreUse(db, use("b", "write"));
  assert.deepEqual(
    [await take("c", "collect"), await take("a", "write"), await take("d", "collect")],
    [true, false, false],
  );
  assert.equal(await renewStoreUse(db, use("c", "collect")), true);
  // Its holder was paused for too long: another one gets it, and it is told so.
  await db
    .updateTable("store_use")
    .set({ expires_at: daysAgo(1) })
    .execute();
  assert.equal(await take("a", "write"), true);
  assert.equal(await renewStoreUse(db, use("c", "collect")), false);
  await releaseStoreUse(db, use("a", "write"));

  assert.equal(await take("r", "remove"), false, "the location is active");
  const setState = (state: "active" | "deleting") =>
    db.updateTable("location").set({ state }).where("service_id", "=", id).where("cloud", "=", south).execute();
  await setState("deleting");
  const duty = { duty: "copy-log" as const, serviceId: id, cloud: south };
  assert.equal(await holdDuty(db, duty, "agent"), true);
  assert.equal(await take("r", "remove"), false, "its log is still copied");
  await db.deleteFrom("duty_lease").execute();
  assert.equal(await take("r", "remove"), true);
  assert.equal(await renewStoreUse(db, use("r", "remove")), true);
  await setState("active");
  assert.equal(await renewStoreUse(db, use("r", "remove")), false, "it is wanted again");
});

test("known log is cut to what stays, while it goes on at its end", async () => {
  const id = await service("log", []);
  const { db } = api.catalog;
  const where = { serviceId: id, cloud: north, stream: "7-00000001" };
  const record = (start: string, end: string) =>
    recordLog(db, {
      ...{ ...where, start, end, newestCommitMicros: 5n, sizeBytes: 1, pieceCount: 1, storedAt: new Date() },
    });
  const ranges = async () =>
    (await db.selectFrom("log_range").selectAll().where("service_id", "=", id).orderBy("start_position").execute()).map(
      ({ start_position, end_position }) => [start_position, end_position],
    );
  await record("10", "50");
  const spans = [
    { start: "12", end: "15" },
    { start: "30", end: undefined },
  ];
  await Promise.all([retainLog(db, where, spans), record("50", "60")]);
  await record("60", "70");
  assert.deepEqual(await ranges(), [
    ["12", "15"],
    ["30", "70"],
  ]);
  await retainLog(db, where, spans);
  assert.equal((await ranges()).length, 2);
  assert.deepEqual((await retainedSpans(db, where)).get(where.stream), spans);
  await retainLog(db, where, []);
  assert.deepEqual(await ranges(), []);
});

test("the clock that retention goes by is kept by the catalog, and follows it", async () => {
  const { db } = api.catalog;
  const first = (await moveRetentionClock(db, 60_000)).at;
  assert.ok(Math.abs(first.getTime() - Date.now()) < 60_000);
  // As if the catalog's clock had jumped ahead by ten years since the last time.
  const value = daysAgo(3650).toISOString();
  // At once: the scheduler moves it, too.
  const moved = await db.transaction().execute(async (trx) => {
    await trx.updateTable("setting").set({ value }).where("key", "=", "retention-clock").execute();
    const held = await moveRetentionClock(trx, 1000);
    await trx.deleteFrom("setting").where("key", "=", "retention-clock").execute();
    return held;
  });
  assert.equal(moved.isHeldBack, true);
  assert.equal(moved.at.getTime() - Date.parse(value), 24_000);
});

test("a collection is asked for after a base backup or copy, once", async () => {
  await service("after", [1]);
  const collects = async () => await agent.jobs("after", "collect");
  await until("both clouds are looked at", async () => (await collects()).length === 2);
  await api.catalog.db
    .updateTable("location")
    .set({ collected_at: new Date() })
    .where("service_id", "=", await agent.serviceId("after"))
    .execute();
  await agent.ends("after", ["collect"]);
  await agent.backup("after", { id: "after-0", from: new Date(), until: new Date(), clouds: [north] });
  await until("only the cloud with the new one is looked at again", async () => {
    const open = (await collects()).filter(({ state }) => state === "queued");
    return open.length === 1 && open[0]?.cloud === north;
  });
});
