import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Static } from "typebox";
import { openServiceSecrets, openUserPassword } from "../../src/catalog/service-secrets.ts";
import type { jobAnswer, jobsAnswer } from "../../src/contract/jobs.ts";
import type { eventsAnswer } from "../../src/contract/projects.ts";
import type { databasesAnswer, userAnswer } from "../../src/contract/service-accounts.ts";
import type { serviceAnswer, servicesAnswer, tagsAnswer } from "../../src/contract/services.ts";
import { type Answer, type Refusal, RunningApi } from "../support/running-api.ts";
import { SimulatedAgent, until } from "../support/simulated-agent.ts";

type Service = Static<typeof serviceAnswer>;

let api: RunningApi;
let agent: SimulatedAgent;
before(async () => {
  api = await RunningApi.start();
  agent = new SimulatedAgent(api);
});
after(async () => {
  await api.close();
});
beforeEach(async () => {
  for (const { name } of await liveServices()) {
    await api.avn("PUT", `/project/demo/service/${name}`, { termination_protection: false });
    await api.avn("DELETE", `/project/demo/service/${name}`);
  }
  await agent.removesAll();
});

function liveServices() {
  return api.catalog.db.selectFrom("service").select("name").where("deleted_at", "is", null).execute();
}

const path = "/project/demo/service/db1";

/** As avn creates a service: always with these keys. */
function create(changes: object = {}): Promise<Answer<Service & Refusal>> {
  return api.avn<Service & Refusal>("POST", "/project/demo/service", {
    cloud: "local-north",
    plan: "startup-4",
    service_integrations: [],
    service_name: "db1",
    service_type: "pg",
    user_config: {},
    termination_protection: false,
    static_ips: [],
    ...changes,
  });
}

async function running(changes: object = {}): Promise<void> {
  assert.equal((await create(changes)).status, 200);
  await agent.runs("db1");
}

/** The newest events of services: that no agent answers is told meanwhile, too. */
async function newestEvents(count: number): Promise<Static<typeof eventsAnswer>["events"]> {
  const { body } = await api.avn<Static<typeof eventsAnswer>>("GET", "/project/demo/events?limit=50");
  return body.events.filter(({ event_type }) => event_type !== "cloud_down").slice(0, count);
}

async function get(): Promise<Service["service"]> {
  return (await api.terraform<Service>("GET", `${path}?include_secrets=true`)).body.service;
}

function put(body: object): Promise<Answer<Service & Refusal>> {
  return api.avn<Service & Refusal>("PUT", path, body);
}

function refused(answer: Answer<Refusal>, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.body.message, message);
}

test("a new service is being built, and its creation is a job of its cloud's agent", async () => {
  const { body } = await create({ user_config: { additional_backup_regions: ["local-south"] } });
  const { service } = body;
  assert.equal(service.state, "REBUILDING");
  assert.equal(service.service_uri, null);
  assert.deepEqual(service.user_config["additional_backup_regions"], ["local-south"]);
  assert.equal(service.user_config["pg_version"], "18");
  assert.deepEqual(service.node_states[0]?.progress_updates, []);
  const [job] = await agent.jobs("db1", "provision");
  assert.deepEqual([job?.cloud, job?.state, job?.input], ["local-north", "queued", {}]);
  const locations = await api.catalog.db
    .selectFrom("location")
    .select(["cloud", "role"])
    .where("service_id", "=", service.service_id)
    .orderBy("role")
    .execute();
  assert.deepEqual(locations, [
    { cloud: "local-north", role: "primary" },
    { cloud: "local-south", role: "secondary" },
  ]);
});

test("a running service tells how to connect to it, all of it texts, administrator first", async () => {
  await running({ user_config: { admin_username: "boss", admin_password: "very-secret-1" } });
  const service = await get();
  const { service_uri_params: params } = service;
  assert.equal(
    service.service_uri,
    `postgres://boss:very-secret-1@127.0.0.1:${params["port"]}/defaultdb?sslmode=require`,
  );
  for (const value of Object.values(params)) assert.equal(typeof value, "string");
  assert.deepEqual(service.connection_info.pg, [service.service_uri]);
  assert.deepEqual(service.connection_info.pg_params, [params]);
  assert.deepEqual(service.components, [
    { component: "pg", host: "127.0.0.1", port: Number(params["port"]), route: "dynamic", usage: "primary" },
  ]);
  assert.deepEqual([service.users[0]?.username, service.users[0]?.type], ["boss", "primary"]);
  assert.deepEqual(service.databases, ["defaultdb"]);
  assert.deepEqual([service.node_states[0]?.state, service.node_states[0]?.name], ["running", "db1-1"]);
  assert.equal(service.user_config["admin_password"], "very-secret-1");
  assert.deepEqual(service.user_config["ip_filter"], ["0.0.0.0/0", "::/0"]);
});

test("secrets are in the catalog only sealed", async () => {
  await running({ user_config: { admin_password: "very-secret-1" } });
  const [dump] = await api.postgres.sql(
    `select string_agg(t::text, ' ') as text from (select row_to_json(s)::text as t from service s
       union all select row_to_json(u)::text from service_user u
       union all select row_to_json(j)::text from job j union all select row_to_json(e)::text from event e) all_rows`,
  );
  assert.doesNotMatch(String(dump?.["text"]), /very-secret-1|BTAR_|PRIVATE KEY/);
  const row = await api.catalog.db.selectFrom("service").selectAll().where("name", "=", "db1").execute();
  const { id = "", sealed_secrets = "" } = row.at(-1) ?? {};
  assert.equal(openServiceSecrets(api.masterKey, id, sealed_secrets).adminPassword, "very-secret-1");
});

test("a taken name is refused in words that clients look for, and is free again after deletion", async () => {
  await running();
  refused(await create(), 409, /already exists/);
  assert.equal((await api.avn("DELETE", path)).status, 200);
  refused(await api.avn("GET", path), 404, /Service not found: db1/);
  refused(await api.avn("DELETE", path), 404, /Service not found: db1/);
  assert.equal((await agent.jobs("db1", "remove")).length, 1);
  assert.equal((await create()).status, 200);
});

test("names and ports are given once, however many ask at the same time", async () => {
  const same = await Promise.all([create(), create(), create()]);
  assert.deepEqual(same.map(({ status }) => String(status)).toSorted(), ["200", "409", "409"]);
  const names = ["c1", "c2", "c3", "c4", "c5"];
  const others = await Promise.all(names.map((service_name) => create({ service_name, cloud: "local-south" })));
  assert.deepEqual(
    others.map(({ status }) => status),
    names.map(() => 200),
  );
  const rows = await api.catalog.db.selectFrom("service").select("port").where("deleted_at", "is", null).execute();
  assert.equal(new Set(rows.map(({ port }) => port)).size, 6);
  const full = await Promise.all(["d1", "d2", "d3", "d4", "d5"].map((service_name) => create({ service_name })));
  assert.equal(full.filter(({ status }) => status === 200).length, 4);
  refused(
    full.find(({ status }) => status === 409) ?? full[0] ?? (await create()),
    409,
    /all ports from 20000 to 20009/,
  );
});

test("a port stays taken until its deleted server is gone", async () => {
  await running();
  const { port } = (await get()).service_uri_params;
  await api.avn("DELETE", path);
  await create();
  await agent.runs("db1");
  assert.notEqual((await get()).service_uri_params["port"], port);
});

test("X1: whatever is wrong with a creation is refused, with what would do, and changes nothing", async () => {
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ service_type: "pgg" }, /service_type 'pgg' is unknown.*pg/],
    [{ service_type: "kafka" }, /service_type 'kafka' is unknown/],
    [{ plan: "startup-5" }, /plan 'startup-5' is unknown.*did you mean startup-\d/],
    [{ plan: undefined }, /'plan' is a required property/],
    [{ cloud: "nope-1" }, /cloud 'nope-1' is unknown.*local-north, local-south/],
    [{ service_name: "Bad_Name" }, /'service_name' value 'Bad_Name' does not fit: Name: a lower-case letter, then/],
    [{ service_name: "x".repeat(65) }, /service_name/],
    [{ user_config: { nope: 1 } }, /'nope' is not a known key/],
    [{ user_config: { pg_version: "99" } }, /pg_version value '99'.*14, 15, 16, 17, 18/],
    [{ user_config: { additional_backup_regions: ["local-north"] } }, /'local-north': it holds the primary/],
    [{ user_config: { additional_backup_regions: ["aws-eu-west-1"] } }, /of provider aws.*local-south, local-east/],
    [{ user_config: { additional_backup_regions: ["local-nowhere"] } }, /there is no such cloud.*local-south/],
    [{ user_config: { additional_backup_regions: ["local-south", "local-south"] } }, /named twice/],
    [{ user_config: { additional_backup_regions: ["local-south", "local-east", "local-x"] } }, /more than 2/],
    [{ user_config: { recovery_target_time: "2026-03-01T10:00:00Z" } }, /needs service_to_fork_from/],
    [{ user_config: { admin_username: "pg_admin" } }, /'pg_admin' is reserved/],
    [{ maintenance: { dow: "someday" } }, /maintenance\.dow/],
    [{ disk_space_mb: 1.5 }, /disk_space_mb/],
  ];
  for (const [changes, message] of refusals) refused(await create(changes), 400, message);
  assert.deepEqual(await liveServices(), []);
});

test("a cloud whose agents have only old server programs offers those", async () => {
  await agent.register("local-east", { versions: ["15", "16"] });
  refused(await create({ cloud: "local-east", user_config: { pg_version: "18" } }), 400, /'18'.*15, 16/);
  assert.equal((await create({ cloud: "local-east" })).body.service.user_config["pg_version"], "16");
  await api.catalog.db.deleteFrom("agent").execute();
});

test("a creation without a cloud goes to the project's default, and a plan may name its type", async () => {
  const { body } = await create({ cloud: null, plan: "pg:business-4", disk_space_mb: null, project_vpc_id: null });
  assert.deepEqual(
    [body.service.cloud_name, body.service.plan, body.service.node_count],
    ["local-north", "business-4", 2],
  );
});

test("lists have all services, and events all that was done, newest first", async () => {
  await running();
  await create({ service_name: "db2" });
  const { body } = await api.avn<Static<typeof servicesAnswer>>("GET", "/project/demo/service");
  assert.deepEqual(
    body.services.map(({ service_name }) => service_name),
    ["db1", "db2"],
  );
  const events = await newestEvents(2);
  assert.deepEqual(
    events.map(({ event_type, service_name, actor }) => [event_type, service_name, actor]),
    [
      ["service_create", "db2", "admin@btar.local"],
      ["service_create", "db1", "admin@btar.local"],
    ],
  );
  assert.equal(events[1]?.event_desc, "Created 'pg' service 'db1' with plan 'startup-4' in cloud 'local-north'");
});

test("an update changes what it names, removes what is null, and is applied by the agent", async () => {
  await running({ user_config: { backup_hour: 5, pg: { jit: true, max_connections: 200 } } });
  const { body } = await put({ plan: "startup-4", user_config: { pg: { jit: null }, work_mem: 8 } });
  assert.deepEqual(body.service.user_config["pg"], { max_connections: 200 });
  assert.equal(body.service.user_config["backup_hour"], 5);
  assert.equal(body.service.metadata.max_connections, 200);
  assert.equal(body.service.state, "REBALANCING");
  assert.equal((await agent.jobs("db1", "apply")).length, 1);
  await agent.runs("db1");
  await put({ plan: "startup-4", user_config: { backup_hour: null } });
  assert.equal("backup_hour" in (await get()).user_config, false);
  assert.equal((await get()).state, "RUNNING");
});

test("an update that changes nothing does nothing", async () => {
  await running();
  const before = await get();
  const { body } = await put({ plan: "startup-4", user_config: {} });
  assert.deepEqual(body.service, before);
  assert.deepEqual(await agent.jobs("db1", "apply"), []);
});

test("X1: whatever is wrong with an update is refused and changes nothing", async () => {
  await running({ user_config: { admin_username: "boss" } });
  const before = await get();
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ user_config: { backup_hour: 24 } }, /backup_hour value '24'/],
    [{ user_config: { nope: null } }, /'nope' is not a known key/],
    [{ user_config: { admin_username: "other" } }, /admin_username: it can only be given when/],
    [{ user_config: { service_to_fork_from: "db1" } }, /service_to_fork_from: it can only be given when/],
    [{ user_config: { pg_version: "17" } }, /has version 18, which cannot be changed/],
    [{ cloud: "local-south" }, /cannot be moved from local-north.*btar fork db1 NEW-NAME --cloud local-south --wait/],
    [{ plan: "nope" }, /plan 'nope' is unknown/],
  ];
  for (const [body, message] of refusals) refused(await put(body), 400, message);
  assert.deepEqual(await get(), before);
});

test("two updates at the same time both count", async () => {
  await running();
  await Promise.all([
    put({ user_config: { backup_hour: 4 } }),
    put({ user_config: { backup_minute: 44 } }),
    put({ termination_protection: true }),
  ]);
  const { user_config, termination_protection } = await get();
  assert.deepEqual([user_config["backup_hour"], user_config["backup_minute"], termination_protection], [4, 44, true]);
});

test("what is changed while a service is being built is applied when it runs", async () => {
  await create();
  const { body } = await put({ user_config: { work_mem: 8 } });
  assert.equal(body.service.state, "REBUILDING");
  assert.deepEqual(await agent.jobs("db1", "apply"), []);
  // The agent had read the service before the change.
  await api.catalog.db
    .updateTable("service")
    .set({ state: "RUNNING", agent_id: "local-north@test", applied_generation: 1 })
    .where("id", "=", body.service.service_id)
    .execute();
  await agent.ends("db1", ["provision"]);
  const job = await until("the change is handed to the agent", async () => (await agent.jobs("db1", "apply"))[0]);
  assert.deepEqual(job.input, { generation: 2 });
});

test("a protected service is neither deleted nor powered off", async () => {
  await running();
  await put({ termination_protection: true });
  refused(await api.avn("DELETE", path), 403, /^Service is protected against termination and shutdown\./);
  refused(await put({ powered: false }), 403, /^Service is protected/);
  // As the Kubernetes operator deletes.
  await api.terraform("PUT", path, { termination_protection: false, project_vpc_id: null });
  assert.equal((await api.terraform("DELETE", path)).status, 200);
});

test("a service is powered off, and on again with what changed meanwhile", async () => {
  await running();
  assert.equal((await put({ powered: false })).body.service.state, "RUNNING");
  await agent.isOff("db1");
  const off = await get();
  assert.deepEqual([off.state, off.node_states], ["POWEROFF", []]);
  refused(await api.avn("POST", `${path}/user`, { username: "bob" }), 409, /powered off/);
  refused(await api.avn("POST", `${path}/backups`), 409, /powered off/);
  assert.equal((await put({ plan: "startup-8" })).body.service.state, "POWEROFF");
  assert.equal((await put({ powered: true })).body.service.state, "REBUILDING");
  assert.equal((await agent.jobs("db1", "apply")).length, 3);
});

test("users are created, told with their passwords, reset and deleted", async () => {
  await running();
  const bob = `${path}/user/bob`;
  const made = await api.avn<Static<typeof userAnswer>>("POST", `${path}/user`, { username: "bob" });
  assert.deepEqual([made.body.user.username, made.body.user.type], ["bob", "normal"]);
  refused(await api.avn("POST", `${path}/user`, { username: "bob" }), 409, /already exists/);
  for (const username of ["postgres", "pg_x", "btar_internal"]) {
    refused(await api.avn("POST", `${path}/user`, { username }), 400, /is reserved/);
  }
  refused(await api.avn("POST", `${path}/user`, { username: "a b" }), 400, /username/);
  refused(await api.avn("PUT", bob, { operation: "reset-credentials", new_password: "1234567" }), 400, /new_password/);
  await api.avn("PUT", bob, { operation: "reset-credentials", new_password: "12345678" });
  const { user } = (await api.avn<Static<typeof userAnswer>>("GET", bob)).body;
  assert.equal(user.password, "12345678");
  const service = await get();
  assert.deepEqual(
    service.users.map(({ username }) => username),
    ["avnadmin", "bob"],
  );
  const row = await api.catalog.db.selectFrom("service_user").selectAll().where("name", "=", "bob").executeTakeFirst();
  const owner = { serviceId: service.service_id, name: "bob" };
  assert.equal(openUserPassword(api.masterKey, owner, row?.sealed_password ?? ""), "12345678");
  assert.equal((await api.avn("DELETE", bob)).status, 200);
  refused(await api.avn("DELETE", bob), 404, /'bob' does not exist/);
  refused(await api.avn("DELETE", `${path}/user/avnadmin`), 409, /administrator/);
  const jobs = await agent.jobs("db1", "apply");
  assert.deepEqual(jobs.at(-1)?.input["dropUsers"], ["bob"]);
  const events = await newestEvents(3);
  assert.deepEqual(
    events.map(({ event_type }) => event_type),
    ["user_delete", "user_reset", "user_create"],
  );
  assert.doesNotMatch(JSON.stringify(events), /12345678/);
});

test("resetting the administrator's password changes the service's URI", async () => {
  await running();
  const before = (await get()).service_uri_params["password"];
  await api.avn("PUT", `${path}/credentials/reset`);
  const after = await get();
  assert.notEqual(after.service_uri_params["password"], before);
  assert.equal(after.users[0]?.password, after.service_uri_params["password"]);
});

test("databases are created, listed and deleted", async () => {
  await running();
  assert.equal((await api.avn("POST", `${path}/db`, { database: "d1" })).status, 200);
  refused(await api.avn("POST", `${path}/db`, { database: "d1" }), 409, /already exists/);
  refused(await api.avn("POST", `${path}/db`, { database: "template1" }), 400, /is reserved/);
  refused(await api.avn("POST", `${path}/db`, { database: "x".repeat(41) }), 400, /database/);
  const { body } = await api.terraform<Static<typeof databasesAnswer>>("GET", `${path}/db?maxItems=250`);
  assert.deepEqual(
    body.databases.map(({ database_name }) => database_name),
    ["d1", "defaultdb"],
  );
  assert.equal(body.next, null);
  assert.equal((await api.avn("DELETE", `${path}/db/d1`)).status, 200);
  refused(await api.avn("DELETE", `${path}/db/d1`), 404, /'d1' does not exist/);
  await api.avn("DELETE", `${path}/db/defaultdb`);
  assert.match((await get()).service_uri ?? "", /\/postgres\?/);
});

test("accounts of a service that is not built yet are refused until it runs", async () => {
  await create();
  refused(await api.avn("POST", `${path}/user`, { username: "bob" }), 409, /still being built/);
  refused(await api.avn("POST", `${path}/backups`), 409, /not running yet/);
});

test("tags are replaced, changed and removed", async () => {
  await running({ tags: { a: "1" } });
  const tags = async () => (await api.avn<Static<typeof tagsAnswer>>("GET", `${path}/tags`)).body.tags;
  assert.deepEqual(await tags(), { a: "1" });
  assert.ok((await api.avn("PATCH", `${path}/tags`, { tags: { b: "2", a: null } })).body.message);
  assert.deepEqual(await tags(), { b: "2" });
  await api.avn("PUT", `${path}/tags`, { tags: {} });
  assert.deepEqual(await tags(), {});
  refused(await api.avn("PUT", `${path}/tags`, { tags: { a: 1 } }), 400, /tags/);
});

test("F7: a job that is cancelled before an agent had it leaves no service behind", async () => {
  await create();
  const [job] = await agent.jobs("db1", "provision");
  const { body } = await api.avn<Static<typeof jobAnswer>>("DELETE", `/project/demo/jobs/${job?.id}`);
  assert.equal(body.job.state, "cancelled");
  await until("the service is gone", async () => (await api.avn("GET", path)).status === 404);
  const jobs = (await api.avn<Static<typeof jobsAnswer>>("GET", `${path}/jobs`)).body.jobs;
  assert.deepEqual(jobs.map(({ kind, state }) => `${kind} ${state}`).toSorted(), [
    "provision cancelled",
    "remove queued",
  ]);
  const again = await api.avn<{ message: string }>("DELETE", `/project/demo/jobs/${job?.id}`);
  assert.match(again.body.message, /has ended already: cancelled/);
});

test("a deleted service's jobs are cancelled, except the one that removes it", async () => {
  await create();
  await api.avn("DELETE", path);
  const open = await api.avn<Static<typeof jobsAnswer>>("GET", `${path}/jobs?open=true`);
  assert.deepEqual(
    open.body.jobs.map(({ kind }) => kind),
    ["remove"],
  );
  const all = await api.avn<Static<typeof jobsAnswer>>("GET", "/project/demo/jobs");
  assert.ok(all.body.jobs.length >= 2);
});

test("maintenance is kept, and there is never any to start", async () => {
  await running();
  const { body } = await put({ maintenance: { dow: "monday", time: "01:02:03" } });
  assert.deepEqual(body.service.maintenance, { dow: "monday", time: "01:02:03", enabled: true, updates: [] });
  assert.ok((await api.avn("PUT", `${path}/maintenance/start`)).body.message);
});
