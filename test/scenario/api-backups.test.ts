import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Static } from "typebox";
import { requestBaseBackup } from "../../src/catalog/backups.ts";
import type {
  backupAnswer,
  backupsAnswer,
  newBackupAnswer,
  reportAnswer,
  restoreAnswer,
} from "../../src/contract/backups.ts";
import type { serviceAnswer, servicesAnswer } from "../../src/contract/services.ts";
import type { protectionAnswer, statusAnswer } from "../../src/contract/status.ts";
import { type Answer, type Refusal, RunningApi, testConfiguration } from "../support/running-api.ts";
import { SimulatedAgent, until } from "../support/simulated-agent.ts";

type Service = Static<typeof serviceAnswer>;
type Backups = Static<typeof backupsAnswer>;
type Protection = Static<typeof protectionAnswer>;

const [day, hour, minute] = [86_400_000, 3_600_000, 60_000];
const start = Date.now();
/** Times of the tests: this long ago, in whole seconds. */
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
/** A running service whose backup is copied to local-south. */
async function protectedService(name: string, config: object = {}): Promise<void> {
  const created = await api.avn("POST", "/project/demo/service", {
    service_name: name,
    service_type: "pg",
    plan: "business-4",
    cloud: "local-north",
    user_config: { additional_backup_regions: ["local-south"], ...config },
  });
  assert.equal(created.status, 200, created.text);
  await agent.runs(name);
  // Its first one would be in the way: the simulated agent makes backups of its own.
  await api.catalog.db
    .deleteFrom("base_backup")
    .where("service_id", "=", await agent.serviceId(name))
    .execute();
}

function fork(name: string, config: object, changes: object = {}): Promise<Answer<Service & Refusal>> {
  return api.avn<Service & Refusal>("POST", "/project/demo/service", {
    service_name: name,
    service_type: "pg",
    plan: "startup-4",
    cloud: "local-south",
    user_config: config,
    ...changes,
  });
}

async function backups(name: string, query = ""): Promise<Backups> {
  return (await api.avn<Backups>("GET", `/project/demo/service/${name}/backups${query}`)).body;
}

function refused(answer: Answer<Refusal>, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.body.message, message);
}

test("P1: a base backup that is asked for is a job, with a place in every location", async () => {
  await protectedService("request");
  const { body } = await api.avn<Static<typeof newBackupAnswer>>("POST", "/project/demo/service/request/backups");
  const { backup, job } = body;
  assert.match(backup.backup_name, /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-[0-9a-f]{4}$/);
  assert.deepEqual(
    backup.locations.map(({ cloud, role, state }) => [cloud, role, state]),
    [
      ["local-north", "primary", "copying"],
      ["local-south", "secondary", "waiting"],
    ],
  );
  assert.deepEqual([job.kind, job.cloud_name, job.state], ["backup", "local-north", "queued"]);
  assert.deepEqual(job.input, { backupId: backup.backup_name, reason: "request" });
  assert.deepEqual((await backups("request")).backups, []);
  assert.equal((await backups("request", "?all=true")).backups[0]?.state, "running");
  const path = `/project/demo/service/request/backups/${backup.backup_name}`;
  assert.deepEqual((await api.avn<Static<typeof backupAnswer>>("GET", path)).body.backup, backup);
  refused(await api.avn("GET", "/project/demo/service/request/backups/nope"), 404, /no base backup nope/);
});

test("L3: a base backup whose job was cancelled is shown as failed, and the next one is taken when it is due", async () => {
  await protectedService("cancelled");
  const { body } = await api.avn<Static<typeof newBackupAnswer>>("POST", "/project/demo/service/cancelled/backups");
  await api.avn("DELETE", `/project/demo/jobs/${body.job.id}`);
  const failed = await until("the backup is shown as failed", async () => {
    const [backup] = (await backups("cancelled", "?all=true")).backups;
    return backup?.state === "failed" ? backup : undefined;
  });
  assert.match(failed.trouble ?? "", /cancelled/);
  assert.deepEqual(
    failed.locations.map(({ state }) => state),
    ["failed", "failed"],
  );
});

test("P1: backups are listed with what clients read, once they are complete", async () => {
  await protectedService("listed", { backup_hour: 3, backup_minute: 30 });
  await agent.backup("listed", {
    id: "b1",
    from: ago(2 * day),
    until: ago(minute),
    clouds: ["local-north", "local-south"],
  });
  await agent.backup("listed", { id: "b2", from: ago(day), until: ago(minute), clouds: ["local-north"] });
  const answer = await backups("listed");
  assert.deepEqual(answer.scheduled_backup_time, { backup_hour: 3, backup_minute: 30, backup_interval_hours: 24 });
  assert.equal(answer.backup_progress, null);
  const [b2, b1] = answer.backups;
  assert.deepEqual([b1?.backup_name, b2?.backup_name], ["b1", "b2"]);
  assert.deepEqual(
    [b1?.backup_time, b1?.data_size, b1?.storage_location],
    [ago(2 * day).toISOString(), 31_415_926, "local-north"],
  );
  assert.deepEqual(b1?.additional_regions, [
    { cloud: "local-south", region: "south", paused: false, pause_reason: null },
  ]);
  assert.deepEqual(b2?.additional_regions, []);
  const window = { pitr_range_start: ago(2 * day).toISOString(), pitr_range_end: ago(minute).toISOString() };
  assert.deepEqual(answer.pitr, {
    primary_region: window,
    additional_regions: [{ cloud: "local-south", region: "south", ...window }],
  });
  const service = (await api.terraform<Service>("GET", "/project/demo/service/listed")).body.service;
  assert.deepEqual(
    service.backups.map(({ backup_name }) => backup_name),
    ["b2", "b1"],
  );
});

test("lists of services tell the same of backups as the services themselves", async () => {
  await protectedService("in-list");
  const where = { service_id: await agent.serviceId("in-list"), cloud: "local-south" };
  const clouds = ["local-north", "local-south"];
  for (const id of ["in-list-1", "in-list-2"])
    await agent.backup("in-list", { id, from: ago(day), until: ago(minute), clouds });
  const change = async (values: { readonly is_paused: boolean; readonly pause_reason: string | null }) => {
    const { db } = api.catalog;
    const { service_id, cloud } = where;
    await db
      .updateTable("location")
      .set(values)
      .where("service_id", "=", service_id)
      .where("cloud", "=", cloud)
      .execute();
  };
  const isSame = async (regions: readonly (readonly boolean[])[]) => {
    const told = (await api.avn<Service>("GET", "/project/demo/service/in-list")).body.service.backups;
    const { services } = (await api.avn<Static<typeof servicesAnswer>>("GET", "/project/demo/service")).body;
    const listed = services.find(({ service_name }) => service_name === "in-list")?.backups;
    const keys = ["backup_name", "backup_time", "data_size", "storage_location", "additional_regions"] as const;
    assert.deepEqual(
      listed,
      told.map((backup) => Object.fromEntries(keys.map((key) => [key, backup[key]]))),
    );
    assert.deepEqual(
      told.map(({ additional_regions }) => additional_regions.map(({ paused }) => paused)),
      regions,
    );
  };
  await isSame([[false], [false]]);
  const damaged = {
    kind: "missing" as const,
    what: "it is gone",
    backups: JSON.stringify(["in-list-1"]),
    found_at: new Date(),
  };
  await api.catalog.db
    .insertInto("damaged_object")
    .values({ ...where, key: "pack", ...damaged, log_stream: null, log_start: null, log_end: null, log_after: null })
    .execute();
  await isSame([[false], []]);
  await change({ is_paused: true, pause_reason: "the link is needed" });
  await isSame([[true], [true]]);
});

test("E5: what an additional cloud lacks is copied, the newest first, and asked for once", async () => {
  await protectedService("copies", { additional_backup_regions: [] });
  for (const [id, age] of [
    ["c1", 3 * day],
    ["c2", 2 * day],
    ["c3", day],
  ] as const) {
    await agent.backup("copies", { id, from: ago(age), until: ago(minute), clouds: ["local-north"] });
  }
  const put = { user_config: { additional_backup_regions: ["local-south"] } };
  const { body } = await api.avn<Service>("PUT", "/project/demo/service/copies", put);
  assert.equal(body.service.state, "RUNNING");
  assert.deepEqual(await agent.jobs("copies", "apply"), []);
  const jobs = await until("three copies", async () => {
    const found = await agent.jobs("copies", "copy");
    return found.length >= 3 ? found : undefined;
  });
  assert.deepEqual(
    jobs.map(({ cloud, input }) => [cloud, input["backupId"]]),
    [
      ["local-south", "c3"],
      ["local-south", "c2"],
      ["local-south", "c1"],
    ],
  );
  const queued = await api.postgres.sql(
    "select data->'input'->>'backupId' as id from pgboss.job where name = 'copy.local-south' order by priority desc",
  );
  assert.deepEqual(
    queued.map(({ id }) => id).filter((id) => String(id).startsWith("c")),
    ["c3", "c2", "c1"],
  );
  const protection = await api.avn<Protection>("GET", "/project/demo/service/copies/btar");
  const south = protection.body.locations.find(({ cloud }) => cloud === "local-south");
  // L1: as old as the oldest object that it lacks.
  assert.ok(Math.abs((south?.replication_lag_seconds ?? 0) - 3 * 86_400) < 3600);
});

test("D1: turning a copy off keeps it for the grace time, in which it is taken back without copying", async () => {
  await protectedService("grace");
  await agent.backup("grace", { id: "g1", from: ago(day), until: ago(minute), clouds: ["local-north", "local-south"] });
  const put = (regions: readonly string[]) =>
    api.avn<Service & Refusal>("PUT", "/project/demo/service/grace", {
      user_config: { additional_backup_regions: regions },
    });
  await put([]);
  const off = await backups("grace");
  assert.deepEqual([off.backups[0]?.additional_regions, off.pitr.additional_regions], [[], []]);
  assert.equal(off.backups.length, 1);
  assert.deepEqual(
    off.backups[0]?.locations.map(({ state }) => state),
    ["complete", "deleting"],
  );
  const location = async () =>
    (await api.avn<Protection>("GET", "/project/demo/service/grace/btar")).body.locations.find(
      ({ role }) => role === "secondary",
    );
  const deleting = await location();
  assert.equal(deleting?.state, "deleting");
  const hours = (Date.parse(deleting?.delete_after ?? "") - Date.now()) / hour;
  assert.ok(hours > 23.9 && hours <= 24, `${hours} h`);
  await put(["local-south"]);
  assert.deepEqual([(await location())?.state, (await location())?.delete_after], ["active", null]);
  assert.equal((await backups("grace")).backups[0]?.additional_regions.length, 1);
  assert.deepEqual(await agent.jobs("grace", "copy"), []);
});

test("D1: copies under way to a cloud that is turned off are cancelled", async () => {
  await protectedService("stopped");
  await agent.backup("stopped", { id: "s1", from: ago(day), until: ago(minute), clouds: ["local-north"] });
  await until("the copy is asked for", async () => (await agent.jobs("stopped", "copy"))[0]);
  await api.avn("PUT", "/project/demo/service/stopped", { user_config: { additional_backup_regions: [] } });
  assert.deepEqual(
    (await agent.jobs("stopped", "copy")).map(({ state }) => state),
    ["cancelled"],
  );
});

test("F1: a fork in an additional cloud is restored from the copy there, with the source's settings", async () => {
  await protectedService("source", { backup_hour: 4, pg: { max_connections: 200 }, pg_version: "17" });
  await agent.backup("source", {
    id: "o1",
    from: ago(2 * day),
    until: ago(hour),
    clouds: ["local-north", "local-south"],
  });
  await agent.backup("source", { id: "o2", from: ago(day), until: ago(hour), clouds: ["local-north", "local-south"] });
  const { body, status, text } = await fork("fork1", { service_to_fork_from: "source" }, { plan: undefined });
  assert.equal(status, 200, text);
  const { service } = body;
  assert.deepEqual([service.cloud_name, service.plan, service.state], ["local-south", "business-4", "REBUILDING"]);
  const { additional_backup_regions, ...config } = service.user_config;
  assert.equal(additional_backup_regions, undefined);
  assert.deepEqual(config, {
    ip_filter: ["0.0.0.0/0", "::/0"],
    backup_hour: 4,
    pg: { max_connections: 200 },
    pg_version: "17",
    service_to_fork_from: "source",
  });
  assert.equal(service.forked_from?.cloud, "local-south");
  const [job] = await agent.jobs("fork1", "fork");
  assert.equal(job?.cloud, "local-south");
  assert.deepEqual(job?.input, {
    source: { serviceId: await agent.serviceId("source") },
    fromCloud: "local-south",
    backupId: "o2",
    target: { kind: "latest" },
  });
  const protection = await api.avn<Protection>("GET", "/project/demo/service/source/btar");
  assert.deepEqual(
    protection.body.forks.map(({ service_name, cloud_name }) => [service_name, cloud_name]),
    [["fork1", "local-south"]],
  );
});

test("F3: a time chooses the base backup that reaches it; both forms of times come back as they were given", async () => {
  await protectedService("timed");
  for (const [id, age] of [
    ["t1", 2 * day],
    ["t2", day],
  ] as const) {
    await agent.backup("timed", { id, from: ago(age), until: ago(hour), clouds: ["local-north", "local-south"] });
  }
  const middle = ago(1.5 * day)
    .toISOString()
    .slice(0, 19);
  const forms = {
    "timed-z": `${middle}Z`,
    "timed-offset": `${middle}.000000+00:00`,
    "timed-bare": middle.replace("T", " "),
  };
  for (const [name, recovery_target_time] of Object.entries(forms)) {
    const { body } = await fork(name, { service_to_fork_from: "timed", recovery_target_time });
    assert.equal(body.service.user_config["recovery_target_time"], recovery_target_time);
    const [job] = await agent.jobs(name, "fork");
    assert.deepEqual(job?.input["target"], { kind: "time", at: `${middle}.000000Z` });
    assert.equal(job?.input["backupId"], "t1");
  }
});

test("F3: a time outside the window is refused, with the window in the message", async () => {
  await protectedService("window");
  await agent.backup("window", {
    id: "w1",
    from: ago(2 * hour),
    until: ago(hour),
    clouds: ["local-north", "local-south"],
  });
  const at = (time: string) => fork("late", { service_to_fork_from: "window", recovery_target_time: time });
  const window = new RegExp(`${ago(2 * hour).toISOString()} to ${ago(hour).toISOString()}`);
  refused(await at(ago(3 * hour).toISOString()), 400, window);
  refused(await at(ago(minute).toISOString()), 400, window);
  refused(await at("yesterday"), 400, /"yesterday" is not a time.*2026-03-01T10:00:00Z/);
  assert.equal((await at(ago(hour).toISOString())).status, 200);
});

test("F3: a named base backup is taken as it is, or as the start for a time", async () => {
  await protectedService("named");
  await agent.backup("named", {
    id: "n1",
    from: ago(2 * day),
    until: ago(hour),
    clouds: ["local-north", "local-south"],
  });
  await agent.backup("named", { id: "n2", from: ago(day), until: ago(hour), clouds: ["local-north"] });
  const config = { service_to_fork_from: "named", recovery_basebackup_name: "n1" };
  await fork("named-end", config);
  assert.deepEqual((await agent.jobs("named-end", "fork"))[0]?.input["target"], { kind: "backup-end" });
  const time = ago(2 * hour).toISOString();
  await fork("named-time", { ...config, recovery_target_time: time });
  const [job] = await agent.jobs("named-time", "fork");
  assert.equal(job?.input["backupId"], "n1");
  assert.deepEqual(job?.input["target"], { kind: "time", at: time.replace(".000Z", ".000000Z") });
  refused(
    await fork("named-not", { ...config, recovery_basebackup_name: "n2" }),
    400,
    /no complete base backup n2 in local-south.*n1/,
  );
  assert.equal(
    (await fork("named-north", { ...config, recovery_basebackup_name: "n2" }, { cloud: "local-north" })).status,
    200,
  );
});

test("F1: a fork is refused where no backup is, with the clouds that would do, and in words that no client repeats", async () => {
  await protectedService("refused");
  const source = { service_to_fork_from: "refused" };
  refused(await fork("x", source), 400, /^No valid backups for service/);
  await agent.backup("refused", { id: "r1", from: ago(day), until: ago(hour), clouds: ["local-north"] });
  refused(await fork("x", source), 400, /^No valid backups for service refused in local-south/);
  refused(await fork("x", source, { cloud: "local-east" }), 400, /'local-east'.*local-north, local-south/);
  refused(
    await fork("x", { service_to_fork_from: "nobody" }),
    400,
    /'nobody': there is no such service in project demo/,
  );
  refused(await fork("x", { ...source, project_to_fork_from: "other" }), 400, /project_to_fork_from 'other'/);
  refused(await fork("x", { ...source, pg_version: "17" }, { cloud: "local-north" }), 400, /its source's version, 18/);
  refused(await fork("refused", source, { cloud: "local-north" }), 409, /already exists/);
  for (const answer of [await fork("x", { service_to_fork_from: "nobody" })]) {
    assert.doesNotMatch(answer.body.message, /Service \S+ does not exist/);
  }
  assert.equal((await fork("x", source, { cloud: "local-north" })).status, 200);
});

test("F2: a deleted service can be forked while its backups are kept, under its own name too", async () => {
  await protectedService("gone");
  await agent.backup("gone", { id: "d1", from: ago(day), until: ago(hour), clouds: ["local-north", "local-south"] });
  await api.avn("DELETE", "/project/demo/service/gone");
  const { body, status } = await fork("gone", { service_to_fork_from: "gone" });
  assert.equal(status, 200, body.message);
  // The failed fork of that name must not hide the service that has the backups.
  await api.catalog.db
    .updateTable("service")
    .set({ deleted_at: new Date() })
    .where("id", "=", body.service.service_id)
    .execute();
  const again = await fork("gone-2", { service_to_fork_from: "gone", project_to_fork_from: "demo" });
  assert.equal(again.status, 200, again.text);
  assert.equal((await agent.jobs("gone-2", "fork"))[0]?.input["backupId"], "d1");
});

test("only files are restored by a job at the location's agent", async () => {
  await protectedService("files");
  await agent.backup("files", { id: "l1", from: ago(day), until: ago(hour), clouds: ["local-north", "local-south"] });
  const restore = (body: object) =>
    api.avn<Static<typeof restoreAnswer> & Refusal>("POST", "/project/demo/service/files/restore", body);
  const { body } = await restore({ location: "local-south", directory: "/srv/x", tablespace_mapping: { "/a": "/b" } });
  assert.deepEqual([body.job.kind, body.job.cloud_name], ["restore", "local-south"]);
  assert.deepEqual(body.job.input, {
    fromCloud: "local-south",
    backupId: "l1",
    target: { kind: "latest" },
    directory: "/srv/x",
    delta: false,
    tablespaceMapping: { "/a": "/b" },
  });
  refused(await restore({ location: "local-east", directory: "/srv/x" }), 400, /local-north, local-south/);
  refused(await restore({ location: "local-south", directory: "" }), 400, /directory/);
  refused(
    await restore({ location: "local-south", directory: "/x", target_time: ago(0).toISOString() }),
    400,
    /choose a time/,
  );
  await api.avn("DELETE", "/project/demo/service/files");
  assert.equal((await restore({ location: "local-south", directory: "/srv/y" })).status, 200);
});

test("L1, L2: the status says for each location what could be restored, how old it is and what it lacks", async () => {
  await protectedService("status");
  await agent.backup("status", { id: "p1", from: ago(day), until: ago(hour), clouds: ["local-north", "local-south"] });
  await api.catalog.db
    .updateTable("location")
    .set({ oldest_missing_at: ago(10 * minute), trouble: "store is full" })
    .where("service_id", "=", await agent.serviceId("status"))
    .where("role", "=", "secondary")
    .execute();
  await agent.register("local-north");
  const askedAt = Date.now();
  const { body } = await api.avn<Static<typeof statusAnswer>>("GET", "/project/demo/btar/status");
  const answeredAt = Date.now();
  const north = body.clouds.find(({ cloud_name }) => cloud_name === "local-north");
  assert.deepEqual([north?.is_up, north?.agents[0]?.pid], [true, process.pid]);
  const south = body.clouds.find(({ cloud_name }) => cloud_name === "local-south");
  assert.deepEqual([south?.is_up, south?.trouble], [false, "no agent answers"]);
  // R1: what that means.
  assert.deepEqual(
    south?.affected.find(({ service_name }) => service_name === "status"),
    {
      service_name: "status",
      role: "secondary",
      restorable: [{ cloud: "local-north", latest_at: ago(hour).toISOString() }],
    },
  );
  assert.deepEqual(north?.affected, []);
  const service = body.services.find(({ service_name }) => service_name === "status");
  const [primary, secondary] = service?.locations ?? [];
  assert.deepEqual([primary?.role, primary?.replication_lag_seconds, primary?.complete_backups], ["primary", null, 1]);
  assert.deepEqual([secondary?.role, secondary?.trouble], ["secondary", "store is full"]);
  const isAgeOf = (since: Date, seconds: number) =>
    seconds >= (askedAt - since.getTime()) / 1000 && seconds <= (answeredAt - since.getTime()) / 1000;
  assert.ok(isAgeOf(ago(10 * minute), secondary?.replication_lag_seconds ?? 0));
  assert.ok(isAgeOf(ago(hour), secondary?.rpo_seconds ?? 0));
  assert.deepEqual(secondary?.recovery_window, {
    earliest_at: ago(day).toISOString(),
    latest_at: ago(hour).toISOString(),
  });
});

test("L1: the report has a chart per measure, with a column per cloud, for each period", async () => {
  await protectedService("report");
  const service_id = await agent.serviceId("report");
  for (const [index, age] of [minute, 2 * minute, 3 * minute].entries()) {
    await api.catalog.db
      .insertInto("lag_sample")
      .values({
        service_id,
        cloud: "local-south",
        at: new Date(Date.now() - age),
        lag_seconds: index * 10,
        rpo_seconds: null,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  const path = "/project/demo/service/report/backup_to_another_region/report";
  for (const period of ["hour", "day", "week", "month", "year", undefined]) {
    const { body, status } = await api.avn<Static<typeof reportAnswer>>("POST", path, { period });
    assert.equal(status, 200);
    const chart = body.metrics.replication_lag;
    assert.deepEqual(chart?.data.cols, [
      { label: "time", type: "date" },
      { label: "local-south", type: "number" },
    ]);
    assert.match(String(chart?.data.rows[0]?.[0]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
    assert.equal(Math.max(...(chart?.data.rows ?? []).map((row) => Number(row[1]))), 20);
  }
  assert.equal((await api.avn("POST", path)).status, 200);
  refused(await api.avn("POST", path, { period: "decade" }), 400, /hour, day, week, month, year/);
});

test("a service without a copy has an empty report", async () => {
  await protectedService("plain", { additional_backup_regions: [] });
  const path = "/project/demo/service/plain/backup_to_another_region/report";
  assert.deepEqual((await api.avn<unknown>("POST", path, { period: "day" })).body, { metrics: {} });
});

test("a base backup is only asked for in locations that are active", async () => {
  await protectedService("active");
  for (const clouds of [[], ["local-east"]]) {
    await api.avn("PUT", "/project/demo/service/active", { user_config: { additional_backup_regions: clouds } });
  }
  const row = await api.catalog.db
    .selectFrom("service")
    .selectAll()
    .where("name", "=", "active")
    .executeTakeFirstOrThrow();
  const { backupId } = await requestBaseBackup(api.catalog.db, api.jobs, row, "log_gap");
  const rows = await api.catalog.db
    .selectFrom("backup_location")
    .select("cloud")
    .where("backup_id", "=", backupId)
    .execute();
  assert.deepEqual(rows.map(({ cloud }) => cloud).toSorted(), ["local-east", "local-north"]);
});
