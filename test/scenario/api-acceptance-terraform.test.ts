/** The sequences of Terraform's provider and of the Kubernetes operator, on running services of both engines. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Static } from "typebox";
import type { authorityAnswer, projectAnswer, projectsAnswer } from "../../src/contract/projects.ts";
import type { userAnswer } from "../../src/contract/service-accounts.ts";
import type { serviceAnswer, servicesAnswer } from "../../src/contract/services.ts";
import { AvnServices } from "../support/avn-services.ts";
import { part } from "../support/avn.ts";
import { rowsAt } from "../support/fork-shop.ts";
import { mysqlBasedir } from "../support/mysql-server.ts";
import { TestRegions, until } from "../support/regions.ts";
import { Terraform, type TerraformService } from "../support/terraform.ts";

const west = "aws-eu-west-1";
const central = "aws-eu-central-1";

const books: TerraformService = {
  type: "mysql",
  name: "books",
  plan: "startup-4",
  cloud: west,
  userConfig: { admin_username: "boss", admin_password: "very-secret-1", mysql: { max_connections: 150 } },
};
const shop: TerraformService = {
  type: "pg",
  name: "shop",
  plan: "startup-4",
  cloud: west,
  userConfig: {
    pg_version: "17",
    additional_backup_regions: [central],
    ip_filter: [{ network: "0.0.0.0/0", description: "all" }],
    pg: { jit: false, log_min_duration_statement: 500 },
  },
};

let regions: TestRegions;
let terraform: Terraform;
before(async () => {
  await mysqlBasedir(); // agents look for MySQL when they start
  regions = await TestRegions.create({ clouds: [west, central] });
  terraform = new Terraform(regions.wire);
});
after(async () => {
  await regions[Symbol.asyncDispose]();
});

test("aiven_pg: create, read, update with an upgrade check, and delete", async () => {
  const created = await terraform.create(shop);
  const { service_uri: uri, service_uri_params: params } = created;
  assert.deepEqual(Object.keys(params).toSorted(), ["dbname", "host", "password", "port", "sslmode", "user"]);
  assert.deepEqual(await rowsAt(uri ?? "", "show jit"), [["off"]]);

  const changed = {
    ...shop,
    plan: "business-4",
    terminationProtection: true,
    userConfig: { ...shop.userConfig, pg: { jit: true, log_min_duration_statement: 500 } },
  };
  const updated = await terraform.update(changed);
  assert.deepEqual([updated.plan, updated.termination_protection], ["business-4", true]);
  await until("the setting is in force", async () => (await rowsAt(uri ?? "", "show jit"))[0]?.[0] === "on");

  const { task } = await terraform.call<{ task: { task_id: string } }>("POST", "/service/shop/task", {
    task_type: "upgrade_check",
    target_version: "18",
  });
  const read = await terraform.call<{ task: { result: string; success: boolean } }>(
    "GET",
    `/service/shop/task/${task.task_id}`,
  );
  assert.ok(read.task.result.length > 0);
  assert.equal(read.task.success, false);

  assert.equal((await terraform.ask("DELETE", "/service/shop")).status, 403);
  await terraform.update({ ...changed, terminationProtection: false });
});

test("aiven_pg_user and aiven_pg_database", async () => {
  const user = "/service/shop/user";
  await terraform.call("POST", user, { username: "bob", access_control: {} });
  const got = async () =>
    (await terraform.call<Static<typeof userAnswer>>("GET", `${user}/bob?include_secrets=true`)).user;
  assert.ok(((await got()).password ?? "").length > 0);
  await terraform.call("PUT", `${user}/bob`, { operation: "reset-credentials", new_password: "bobs-secret" });
  const access = (pg_allow_replication: boolean) =>
    terraform.ask("PUT", `${user}/bob`, { operation: "set-access-control", access_control: { pg_allow_replication } });
  assert.equal((await access(false)).status, 200);
  const refused = await access(true);
  assert.equal(refused.status, 400);
  assert.match(refused.body.message, /pg_allow_replication 'true': users of shop cannot replicate/);
  const { password, access_control } = await got();
  assert.deepEqual([password, access_control], ["bobs-secret", { pg_allow_replication: false }]);
  await terraform.call("DELETE", `${user}/bob`);
  assert.equal((await terraform.ask("GET", `${user}/bob`)).status, 404);

  for (const database of ["d1", "d2", "d3"]) await terraform.call("POST", "/service/shop/db", { database });
  const all = ["d1", "d2", "d3", "defaultdb"];
  assert.deepEqual(await terraform.databases("shop"), all);
  assert.deepEqual(await terraform.databases("shop", 2), all);
  assert.deepEqual(await terraform.databases("shop", 3), all);
  await terraform.call("DELETE", "/service/shop/db/d1");
  assert.deepEqual(await terraform.databases("shop"), all.slice(1));
});

test("aiven_mysql: create, read, update; aiven_mysql_user with a way to log in", async () => {
  const created = await terraform.create(books);
  const { service_uri: uri, service_uri_params: params, connection_info: info } = created;
  assert.match(uri ?? "", /^mysql:\/\/boss:very-secret-1@.*\?ssl-mode=REQUIRED$/);
  assert.deepEqual([params["ssl-mode"], params["user"], info.mysql_replica_uri], ["REQUIRED", "boss", uri]);
  assert.deepEqual(await rowsAt(uri ?? "", "select @@max_connections"), [[150]]);
  await terraform.update({ ...books, userConfig: { ...books.userConfig, mysql: { max_connections: 160 } } });
  await until(
    "the setting is in force",
    async () => (await rowsAt(uri ?? "", "select @@max_connections"))[0]?.[0] === 160,
  );

  const { user } = await terraform.call<Static<typeof userAnswer>>("POST", "/service/books/user", { username: "ann" });
  assert.equal(user.authentication, "caching_sha2_password");
  const reset = (authentication: string) =>
    terraform.ask("PUT", "/service/books/user/ann", {
      ...{ operation: "reset-credentials", new_password: "anns-secret", authentication },
    });
  assert.equal((await reset("caching_sha2_password")).status, 200);
  assert.equal((await reset("mysql_native_password")).status, 400);
  await terraform.call("DELETE", "/service/books/user/ann");
});

test("the same service for avn: connection, users, databases, logs and metrics of MySQL", async () => {
  const avn = new AvnServices(regions.wire, "demo");
  const service = await avn.get("books");
  const names = part<readonly { component: string }[]>(service, "components").map(({ component }) => component);
  assert.deepEqual(names, ["mysql"]);
  await avn.userCreate("books", "bob");
  assert.deepEqual(
    (await avn.userList("books")).map(({ username }) => username),
    ["boss", "bob"],
  );
  await avn.userDelete("books", "bob");
  await avn.databaseCreate("books", "d1");
  assert.deepEqual(await avn.databaseList("books"), ["d1", "defaultdb"]);
  await avn.databaseDelete("books", "d1");
  await until("its log is told", async () =>
    (await avn.logs("books", 500)).lines.some(({ msg }) => /ready for connections/.test(String(msg))),
  );
  assert.ok((await avn.logs("books", 500)).lines.every(({ unit }) => unit === "mysql"));
  await until("its metrics are told", async () => "mem_usage" in (await avn.metrics("books", "hour")));
  await until("it has a backup", async () => (await avn.backupList("books")).length > 0);
});

test("data.aiven_project and data.aiven_service_list", async () => {
  const { body: all } = await regions.wire.terraform<Static<typeof projectsAnswer>>("GET", "/project");
  assert.deepEqual(all.project_membership, { demo: "admin" });
  const { project } = await terraform.call<Static<typeof projectAnswer>>("GET", "");
  assert.equal(project.project_name, "demo");
  assert.match(
    (await terraform.call<Static<typeof authorityAnswer>>("GET", "/kms/ca")).certificate,
    /BEGIN CERTIFICATE/,
  );
  const { services } = await terraform.call<Static<typeof servicesAnswer>>("GET", "/service");
  assert.deepEqual(
    services.map(({ service_name }) => service_name),
    ["books", "shop"],
  );
});

test("the operator: create, observe, power off, and delete by a change that only lifts protection", async () => {
  assert.equal((await terraform.ask("GET", "/service/op1")).status, 404);
  const body = { cloud: west, plan: "startup-4", service_name: "op1", service_type: "pg" };
  await terraform.call("POST", "/service", { ...body, termination_protection: true, user_config: {} });
  await terraform.call("PUT", "/service/op1/tags", { tags: {} });
  const observed = async () =>
    (await terraform.call<Static<typeof serviceAnswer>>("GET", "/service/op1?include_secrets=true")).service;
  await until("it is RUNNING", async () => (await observed()).state === "RUNNING");
  const { service_uri_params: params } = await observed();
  for (const key of ["host", "port", "dbname", "user", "password", "sslmode"]) assert.ok(params[key], key);
  await terraform.call("GET", "/kms/ca");

  assert.equal((await terraform.ask("DELETE", "/service/op1")).status, 403);
  await terraform.call("PUT", "/service/op1", { termination_protection: false, project_vpc_id: null });
  await terraform.call("PUT", "/service/op1", { plan: "startup-4", powered: false, user_config: {} });
  await until("it is POWEROFF", async () => (await observed()).state === "POWEROFF");
  assert.equal((await terraform.ask("POST", "/service/op1/db", { database: "d1" })).status, 409);
  await terraform.destroy("op1");
  await terraform.destroy("shop");
});
