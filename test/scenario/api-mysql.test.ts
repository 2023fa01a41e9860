import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Static } from "typebox";
import type { restoreAnswer } from "../../src/contract/backups.ts";
import type { databasesAnswer, userAnswer } from "../../src/contract/service-accounts.ts";
import type { serviceTypeAnswer, versionsAnswer } from "../../src/contract/service-types.ts";
import type { serviceAnswer } from "../../src/contract/services.ts";
import { type Answer, type Refusal, RunningApi } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";

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
  const rows = await api.catalog.db.selectFrom("service").select("name").where("deleted_at", "is", null).execute();
  for (const { name } of rows) await api.avn("DELETE", `/project/demo/service/${name}`);
  await agent.removesAll();
  await api.catalog.db.deleteFrom("agent").execute();
});

const path = "/project/demo/service/db1";

function create(changes: object = {}): Promise<Answer<Service & Refusal>> {
  return api.avn<Service & Refusal>("POST", "/project/demo/service", {
    cloud: "local-north",
    plan: "startup-4",
    service_name: "db1",
    service_type: "mysql",
    user_config: {},
    ...changes,
  });
}

async function running(changes: object = {}): Promise<void> {
  assert.equal((await create(changes)).status, 200);
  await agent.runs("db1");
}

async function get(): Promise<Service["service"]> {
  return (await api.terraform<Service>("GET", `${path}?include_secrets=true`)).body.service;
}

function refused(answer: Answer<Refusal>, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.body.message, message);
}

test("E2: a MySQL service is created with a copy in another cloud, and tells clients what they look for", async () => {
  const { body } = await create({
    plan: "mysql:startup-4",
    user_config: {
      admin_username: "boss",
      admin_password: "very-secret-1",
      additional_backup_regions: ["local-south"],
    },
  });
  assert.equal(body.service.service_type_description, "MySQL - Relational Database Management System");
  assert.deepEqual(body.service.connection_info, {
    mysql: [],
    mysql_params: [],
    mysql_standby: [],
    mysql_replica_uri: "",
  });
  const [job] = await agent.jobs("db1", "provision");
  assert.deepEqual([job?.cloud, job?.input], ["local-north", {}]);
  await agent.runs("db1");
  const service = await get();
  const { service_uri: uri, service_uri_params: params } = service;
  assert.equal(uri, `mysql://boss:very-secret-1@127.0.0.1:${params["port"]}/defaultdb?ssl-mode=REQUIRED`);
  assert.deepEqual([params["ssl-mode"], params["dbname"], params["user"]], ["REQUIRED", "defaultdb", "boss"]);
  for (const value of Object.values(params)) assert.equal(typeof value, "string");
  assert.deepEqual(service.connection_info, {
    mysql: [uri],
    mysql_params: [params],
    mysql_standby: [],
    mysql_replica_uri: uri,
  });
  assert.deepEqual(service.components, [
    { component: "mysql", host: "127.0.0.1", port: Number(params["port"]), route: "dynamic", usage: "primary" },
  ]);
  assert.deepEqual(service.metadata, { mysql_version: "9.7", max_connections: 100 });
  assert.equal(service.user_config["mysql_version"], "9.7");
  assert.equal("pg_version" in service.user_config, false);
  assert.equal(service.users[0]?.authentication, "caching_sha2_password");
});

test("X1: whatever is wrong with the creation of a MySQL service is refused, with what would do", async () => {
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ service_type: "mysqll" }, /service_type 'mysqll' is unknown.*did you mean mysql\?.*pg, mysql/],
    [{ service_type: undefined }, /'service_type' is a required property/],
    [{ plan: "pg:startup-4" }, /plan 'pg:startup-4' is unknown/],
    [{ user_config: { pg_version: "18" } }, /'pg_version' is not a known key.*mysql_version/],
    [{ user_config: { mysql_version: "5.7" } }, /mysql_version value '5\.7'.*8\.0, 8\.4, 9\.7/],
    [{ user_config: { mysql: { max_connections: 1 } } }, /mysql\.max_connections value '1': must be >= 30/],
    [{ user_config: { admin_username: "root" } }, /'root' is reserved/],
    [{ user_config: { admin_username: "x".repeat(33) } }, /admin_username value '.*more than 32 characters/],
    [{ user_config: { additional_backup_regions: ["aws-eu-west-1"] } }, /of provider aws.*local-south, local-east/],
  ];
  for (const [changes, message] of refusals) refused(await create(changes), 400, message);
  refused(await api.avn("GET", path), 404, /Service not found/);
});

test("where no agent has MySQL's programs, its creation is refused with what to install; PostgreSQL works", async () => {
  await agent.register("local-north", { mysqlVersions: [] });
  const missing =
    /no version of MySQL can run in local-north.*scripts\/servers\/mysql\.sh.*Debian's or Oracle's packages.*engines\.mysql\.basedir/;
  refused(await create(), 400, missing);
  refused(await create({ user_config: { mysql_version: "9.7" } }), 400, missing);
  const type = await api.avn<Static<typeof serviceTypeAnswer>>("GET", "/project/demo/service-types/mysql");
  assert.equal(type.body.default_version, null);
  assert.equal((await create({ service_type: "pg" })).status, 200);
});

test("versions of MySQL are listed with their dates, and whether one can run now", async () => {
  await agent.register("local-north");
  await agent.register("local-south", { mysqlVersions: ["8.4"] });
  const { body } = await api.avn<Static<typeof versionsAnswer>>("GET", "/service_versions");
  const versions = body.service_versions.filter(({ service_type }) => service_type === "mysql");
  assert.deepEqual(
    versions.map(({ major_version, state, aiven_end_of_life_time: end }) => [major_version, state, end]),
    [
      ["8.0", "unavailable", "2026-04-30T00:00:00Z"],
      ["8.4", "available", "2032-04-30T00:00:00Z"],
      ["9.7", "available", "2034-04-30T00:00:00Z"],
    ],
  );
  refused(await create({ user_config: { mysql_version: "8.4" } }), 400, /mysql_version value '8\.4'.*9\.7/);
  const there = await create({ cloud: "local-south" });
  assert.equal(there.body.service.user_config["mysql_version"], "8.4");
  await agent.register("local-east", { mysqlVersions: ["10.0", "9.3", "9.7"] });
  const newest = await create({ cloud: "local-east", service_name: "db2" });
  assert.equal(newest.body.service.user_config["mysql_version"], "10.0", "newest by number, not by text");
});

test("settings of MySQL are changed one by one, and those that are decided at creation stay", async () => {
  await running({ user_config: { mysql: { max_connections: 200, lower_case_table_names: 1 } } });
  const put = (user_config: object) => api.avn<Service & Refusal>("PUT", path, { user_config });
  const { body } = await put({ mysql: { wait_timeout: 600 }, binlog_retention_period: 3600 });
  assert.deepEqual(body.service.user_config["mysql"], {
    max_connections: 200,
    lower_case_table_names: 1,
    wait_timeout: 600,
  });
  assert.deepEqual([body.service.metadata.max_connections, body.service.state], [200, "REBALANCING"]);
  assert.equal((await agent.jobs("db1", "apply")).length, 1);
  refused(
    await put({ mysql: { lower_case_table_names: 0 } }),
    400,
    /mysql\.lower_case_table_names: it can only be given/,
  );
  refused(
    await put({ mysql_version: "8.4" }),
    400,
    /mysql_version '8\.4': db1 has version 9\.7, which cannot be changed/,
  );
  refused(await put({ pg: { jit: true } }), 400, /'pg' is not a known key/);
});

test("users of MySQL log in by caching_sha2_password, under names that MySQL takes", async () => {
  await running();
  const made = await api.avn<Static<typeof userAnswer>>("POST", `${path}/user`, { username: "bob" });
  assert.deepEqual([made.body.user.username, made.body.user.authentication], ["bob", "caching_sha2_password"]);
  const reset = (authentication: string | null) =>
    api.avn("PUT", `${path}/user/bob`, { operation: "reset-credentials", new_password: "12345678", authentication });
  assert.equal((await reset("caching_sha2_password")).status, 200);
  assert.equal((await reset(null)).status, 200);
  refused(await reset("mysql_native_password"), 400, /'mysql_native_password'.*log in by caching_sha2_password/);
  const { user } = (await api.avn<Static<typeof userAnswer>>("GET", `${path}/user/bob`)).body;
  assert.equal(user.password, "12345678");
  for (const username of ["root", "mysql.sys", "btar_internal"]) {
    refused(await api.avn("POST", `${path}/user`, { username }), 400, /is reserved/);
  }
  refused(await api.avn("POST", `${path}/user`, { username: "x".repeat(33) }), 400, /has 33 characters.*at most 32/);
  await api.avn("PUT", `${path}/credentials/reset`);
  const service = await get();
  assert.equal(service.users[0]?.password, service.service_uri_params["password"]);
});

test("databases of MySQL are created, listed and deleted, but for its own", async () => {
  await running();
  assert.equal((await api.avn("POST", `${path}/db`, { database: "postgres" })).status, 200);
  for (const database of ["mysql", "sys", "performance_schema", "INFORMATION_SCHEMA"]) {
    refused(await api.avn("POST", `${path}/db`, { database }), 400, /is reserved/);
  }
  const { body } = await api.avn<Static<typeof databasesAnswer>>("GET", `${path}/db`);
  assert.deepEqual(body.databases, [
    { database_name: "defaultdb", lc_collate: "utf8mb4_0900_ai_ci", lc_ctype: "utf8mb4" },
    { database_name: "postgres", lc_collate: "utf8mb4_0900_ai_ci", lc_ctype: "utf8mb4" },
  ]);
  await api.avn("DELETE", `${path}/db/defaultdb`);
  await api.avn("DELETE", `${path}/db/postgres`);
  assert.match((await get()).service_uri ?? "", /\/mysql\?/);
});

test("F5: a fork that names no engine has its source's, with version and settings", async () => {
  await running({ user_config: { mysql: { lower_case_table_names: 1 }, mysql_version: "8.4" } });
  const [from, until] = [new Date(Date.now() - 60_000), new Date()];
  await agent.backup("db1", { id: "b1", from, until, clouds: ["local-north"] });
  const fork = (changes: object, user_config: object = {}) =>
    create({
      service_name: "db2",
      service_type: undefined,
      plan: undefined,
      user_config: { service_to_fork_from: "db1", ...user_config },
      ...changes,
    });
  refused(
    await fork({ service_type: "pg" }),
    400,
    /service_to_fork_from 'db1': it is a mysql service, which cannot become pg/,
  );
  refused(await fork({}, { mysql_version: "9.7" }), 400, /mysql_version '9\.7': a fork has its source's version, 8\.4/);
  refused(
    await fork({}, { mysql: { lower_case_table_names: 0 } }),
    400,
    /lower_case_table_names: a fork has its source's/,
  );
  await agent.register("local-north");
  refused(
    await fork({}),
    400,
    /db1 has MySQL 8\.4, which cannot run in local-north.*can run there: 9\.7.*engines\.mysql\.basedir/,
  );
  await agent.register("local-north", { mysqlVersions: ["8.4", "9.7"] });
  const { body, status, text } = await fork({}, { mysql: { wait_timeout: 60 } });
  assert.equal(status, 200, text);
  assert.deepEqual([body.service.service_type, body.service.user_config["mysql_version"]], ["mysql", "8.4"]);
  assert.deepEqual(body.service.user_config["mysql"], { lower_case_table_names: 1, wait_timeout: 60 });
  assert.equal((await agent.jobs("db2", "fork")).length, 1);
  await api.avn("DELETE", path);
  assert.equal((await fork({ service_name: "db3" })).body.service.service_type, "mysql", "of a deleted source, too");
  const single = await api.avn("POST", `${path}/restore`, { location: "local-north", directory: "/x", database: "d" });
  refused(single, 400, /database d cannot be restored alone.*mysqldump --databases d of the fork/);
});

test("F3: a GTID chooses the newest base backup that does not hold it yet; what can be no target is refused", async () => {
  await running();
  const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
  const until = new Date();
  for (const [id, minutes, last] of [
    ["g1", 30, 10],
    ["g2", 20, 50],
  ] as const) {
    const from = new Date(until.getTime() - minutes * 60_000);
    await agent.backup("db1", { id, from, until, clouds: ["local-north"], gtids: `${uuid}:1-${last}` });
  }
  const fork = (name: string, user_config: object, changes: object = {}) =>
    create({ service_name: name, user_config: { service_to_fork_from: "db1", ...user_config }, ...changes });
  const { body, text } = await fork("db2", { recovery_target_gtid: `${uuid.toUpperCase()}:51` });
  assert.equal(body.service?.user_config["recovery_target_gtid"], `${uuid.toUpperCase()}:51`, text);
  assert.equal(body.service.forked_from?.target, `${uuid}:51`);
  const target = { kind: "gtid", gtid: `${uuid}:51` };
  const [job] = await agent.jobs("db2", "fork");
  assert.deepEqual([job?.input["backupId"], job?.input["target"]], ["g2", target]);
  const early = await fork("db3", { recovery_target_gtid: `${uuid}:app:7` });
  assert.equal(early.status, 200, "of a tag that no base backup has");
  await fork("db4", { recovery_target_gtid: `${uuid}:50` });
  assert.equal((await agent.jobs("db4", "fork"))[0]?.input["backupId"], "g1");
  await agent.runs("db4");
  const ofFork = await fork("db5", { service_to_fork_from: "db4" }, { plan: undefined });
  refused(ofFork, 400, /^No valid backups/);
  const changed = { user_config: { recovery_target_gtid: `${uuid}:9` } };
  refused(await api.avn("PUT", `${path.slice(0, -1)}4`, changed), 400, /recovery_target_gtid: it can only be given/);

  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ recovery_target_gtid: `${uuid}:1-5` }, /is a set of GTIDs, not one.*UUID:NUMBER or UUID:TAG:NUMBER/],
    [{ recovery_target_gtid: "latest" }, /"latest" is not a GTID/],
    [{ recovery_target_gtid: 5 }, /recovery_target_gtid value '5': must be string,null/],
    [{ recovery_target_gtid: `${uuid}:51`, recovery_target_time: until.toISOString() }, /together with a time/],
    [{ recovery_target_gtid: `${uuid}:51`, recovery_basebackup_name: "g1" }, /together with a base backup/],
    [
      { recovery_target_gtid: `${uuid}:51`, service_to_fork_from: "" },
      /recovery_target_gtid: it needs service_to_fork/,
    ],
    [
      { recovery_target_gtid: `${uuid}:9` },
      /db1 cannot be recovered to transaction 3e11fa47\S+:9 from local-north: all base backups there hold later ones.*choose a transaction that is not of 3e11fa47\S+:1-10, or a time from 20\S+ to 20/,
    ],
  ];
  for (const [config, message] of refusals) refused(await fork("db6", config), 400, message);

  const restore = (target_gtid: string, changes: object = {}) =>
    api.avn<Static<typeof restoreAnswer> & Refusal>("POST", `${path}/restore`, {
      ...{ location: "local-north", directory: "/x", target_gtid },
      ...changes,
    });
  assert.deepEqual((await restore(`${uuid}:51`)).body.job.input["target"], target);
  refused(await restore(`${uuid}:1:3`), 400, /is a set of GTIDs/);
  refused(await restore(`${uuid}:51`, { backup_name: "g2" }), 400, /together with a base backup/);

  assert.equal((await create({ service_name: "db7", service_type: "pg" })).status, 200);
  const pg = { service_to_fork_from: "db7", recovery_target_gtid: `${uuid}:51` };
  await agent.runs("db7");
  await agent.backup("db7", { id: "p1", from: new Date(until.getTime() - 60_000), until, clouds: ["local-north"] });
  refused(
    await fork("db8", pg, { service_type: undefined }),
    400,
    /db7 cannot be recovered to a GTID: it is a PostgreSQL service.*give a time/,
  );
});
