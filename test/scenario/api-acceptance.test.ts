/** Checks of the API's contract that need no database server, with the requests of the real `avn`. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { changePerson, requirePerson } from "../../src/catalog/people.ts";
import { adminEmail } from "../../src/control-plane/bootstrap.ts";
import { hashPassword } from "../../src/platform/password-hash.ts";
import { AvnAccount, exits1, type Item, part } from "../support/avn.ts";
import { AvnServices } from "../support/avn-services.ts";
import { avnUserConfig } from "../support/avn-user-config.ts";
import { RunningApi, testConfiguration } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";
import { WireClient } from "../support/wire-client.ts";

const west = "aws-eu-west-1";
const clouds = [west, "aws-eu-central-1", "aws-eu-west-3", "aws-us-east-1", "google-europe-west3"];
const password = "correct horse battery";

let api: RunningApi;
let account: AvnAccount;
let services: AvnServices;
let agent: SimulatedAgent;

before(async () => {
  const cloud = { storeUrl: "file:/nowhere", storeCredentials: undefined, description: undefined, geo: undefined };
  const { limits } = testConfiguration();
  api = await RunningApi.start(
    testConfiguration({
      clouds: clouds.map((name) => ({ ...cloud, name })),
      limits: { ...limits, regionChangeHours: 24 },
    }),
  );
  const admin = await requirePerson(api.catalog.db, adminEmail);
  await changePerson(api.catalog.db, admin, { passwordHash: await hashPassword(password) });
  account = new AvnAccount(api, "demo");
  services = new AvnServices(api, "demo");
  agent = new SimulatedAgent(api);
});
after(async () => {
  await api.close();
});

const withToken = (token: string, project = "") => new AvnAccount(new WireClient(api.url, token), project);

test("1: user info", async () => {
  const user = await account.userInfo();
  assert.deepEqual([user["user"], user["state"], user["auth"]], [adminEmail, "active", ["password"]]);
  await exits1(withToken("wrong").userInfo(), 401, /^Error: Invalid token \(status 401\)$/);
});

test("2: user login and logout", async () => {
  const { client, token, project } = await AvnAccount.userLogin(api.url, adminEmail, password);
  assert.equal(project, "demo");
  assert.match(token, /^[\w+/]{43}=$/, "of characters that must be escaped in a path");
  await client.userInfo();
  await client.userLogout();
  await exits1(withToken(token).userInfo(), 401, /Invalid token/);
  await exits1(AvnAccount.userLogin(api.url, adminEmail, "wrong"), 403, /Authentication failed/);
});

test("3: user access-token create, list, update and revoke", async () => {
  const token = await account.accessTokenCreate("t");
  const full = withToken(part<string>(token, "full_token"));
  await full.userInfo();
  const prefix = part<string>(token, "token_prefix");
  assert.ok((await account.accessTokenList()).some((each) => each["token_prefix"] === prefix));
  assert.equal((await account.accessTokenUpdate(prefix, "u"))["description"], "u");
  await account.accessTokenRevoke(prefix);
  await exits1(full.userInfo(), 401, /Invalid token/);
});

test("4: cloud list without token and project tells exactly the configured clouds, described without configuring", async () => {
  const list = await withToken("").cloudList();
  assert.deepEqual(
    list.map(({ cloud_name }) => cloud_name),
    clouds,
  );
  const { cloud_description, geo_latitude, geo_longitude, geo_region } = list[4] ?? {};
  assert.deepEqual(
    [cloud_description, geo_latitude, geo_longitude, geo_region],
    ["Europe, Germany - Google Cloud: Frankfurt", 50.11, 8.68, "europe"],
  );
  assert.deepEqual((await api.send<unknown>("GET", "/v1/clouds")).body, { clouds: list });
  assert.deepEqual(await account.cloudList(), list);
});

test("5: project create, list, details, switch and delete", async () => {
  const made = await account.projectCreate("p2", { parentId: "btar", cloud: west });
  assert.deepEqual([made["project_name"], made["default_cloud"], made["account_id"]], ["p2", west, "btar"]);
  // With --no-fail-if-exists, status 409 is what the client takes for success.
  await exits1(account.projectCreate("p2", { parentId: "orgbtar" }), 409, /already exists/);
  const names = (await account.projectList()).map(({ project_name }) => project_name);
  assert.deepEqual(names, ["demo", "p2"]);
  assert.deepEqual(await withToken(api.token, "p2").projectDetails(), made);
  assert.match(await withToken(api.token, "p2").projectCaGet(), /^-----BEGIN CERTIFICATE-----/);
  await account.projectSwitch("p2");
  await exits1(account.projectSwitch("nope"), undefined, /Project 'nope' does not exist/);
  await account.projectDelete("p2");
  await exits1(withToken(api.token, "p2").projectDetails(), 404, /Project not found: p2/);
});

test("6: service types lists both engines, and both can be copied to additional clouds", async () => {
  const types = await account.serviceTypes();
  assert.deepEqual(Object.keys(types).toSorted(), ["mysql", "pg"]);
  for (const type of Object.values(types)) {
    part(type, "description");
    const schema = part<Parameters<typeof avnUserConfig>[0]>(type, "user_config_schema");
    assert.deepEqual(avnUserConfig(schema, { additional_backup_regions: '["aws-eu-central-1"]' }), {
      additional_backup_regions: ["aws-eu-central-1"],
    });
  }
});

test("7: service plans", async () => {
  const types = await account.serviceTypes();
  const plans = part<readonly Item[]>(types["pg"], "service_plans");
  for (const plan of plans) {
    const size = part(part(plan, "regions"), west);
    for (const key of ["node_memory_mb", "node_cpu_count", "disk_space_mb"])
      assert.ok(Number.isInteger(size[key]), key);
    assert.match(part<string>(size, "price_usd"), /^\d+\.\d+$/);
    assert.ok(Number.isInteger(plan["node_count"]));
  }
  const names = plans.map((plan) => `${String(plan["service_type"])}:${String(plan["service_plan"])}`);
  assert.ok(names.includes("pg:startup-4"), names.join(", "));
});

test("9: a name that is taken ends with status 409, which --no-fail-if-exists takes for success", async () => {
  const create = () => services.create("db1", { type: "pg", plan: "startup-4", cloud: west });
  await create();
  await exits1(create(), 409, /already exists/);
});

test("10: what does not exist is refused, with what does", async () => {
  const create = (name: string, changes: object) =>
    services.create(name, { type: "pg", plan: "startup-4", cloud: west, ...changes });
  await exits1(create("x", { type: "pgg" }), undefined, /Unknown service type 'pgg' .*pg, mysql/);
  await exits1(create("x", { plan: "nope" }), 400, /plan 'nope' is unknown \(there are: .*startup-4/);
  await exits1(create("x", { cloud: "nope-1" }), 400, /cloud 'nope-1' is unknown \(there are: aws-eu-west-1/);
  await exits1(create("Bad_Name", {}), 400, /service_name/);
});

test("11: an unknown version is refused by the client; without one, the newest is taken, and told", async () => {
  const create = (name: string, config: Readonly<Record<string, string>>) =>
    services.create(name, { type: "pg", plan: "pg:startup-4", config });
  await exits1(create("x", { pg_version: "99" }), undefined, /pg v99 is not available/);
  await create("newest", {});
  const service = await services.get("newest");
  assert.equal(part(service, "user_config")["pg_version"], "18");
  assert.equal(service["cloud_name"], west, "the project's default cloud");
  await create("older", { pg_version: "16" });
  assert.equal(part(await services.get("older"), "user_config")["pg_version"], "16");
});

test("12: an additional cloud must be another one of the same provider, named once, and within the limit", async () => {
  const create = (regions: readonly string[]) => {
    const config = { additional_backup_regions: JSON.stringify(regions) };
    return services.create("x", { type: "pg", plan: "startup-4", cloud: west, config });
  };
  await exits1(
    create(["google-europe-west3"]),
    400,
    /provider google.*would do: aws-eu-west-3, aws-eu-central-1, aws-us-east-1/,
  );
  await exits1(create(["aws-eu-central-1", "aws-eu-west-3", "aws-us-east-1"]), 400, /more than 2/);
  await exits1(create(["aws-eu-west-3", "aws-eu-west-3"]), 400, /twice/);
  await exits1(create([west]), 400, /holds the primary backup/);
  await exits1(services.get("x"), 404, /Service not found: x/);
});

test("14: service list and get, also while it is being built", async () => {
  await services.create("my1", { type: "mysql", plan: "startup-4", cloud: west, config: { mysql_version: "9.7" } });
  const building = await services.get("my1");
  assert.deepEqual([building["state"], building["service_uri"]], ["REBUILDING", null]);
  await agent.runs("my1");
  const running = await services.get("my1");
  assert.match(part<string>(running, "service_uri"), /^mysql:\/\/avnadmin:/);
  assert.ok((await services.list()).length >= 2);
  await exits1(services.get("nope"), 404, /Service not found: nope/);
});

test("17, M2: with a minimum time between changes, one before it is refused with the time from which on it will do", async () => {
  const regions = (name: string) => ({ config: { additional_backup_regions: `["${name}"]` } });
  await services.create("often", { type: "pg", plan: "startup-4", cloud: west, ...regions("aws-eu-central-1") });
  const { config } = regions("aws-eu-west-3");
  await exits1(
    services.update("often", { config }),
    409,
    /^Error: additional_backup_regions of often were changed at \S+Z: aws-eu-west-3 can be added from \S+Z on/,
  );
  await services.update("often", { config: { additional_backup_regions: "[]" } });
  assert.deepEqual(part(await services.get("often"), "user_config")["additional_backup_regions"], []);
  await services.update("often", regions("aws-eu-central-1"));
});

test("what services of others have is refused, instead of being taken and forgotten", async () => {
  const create = (changes: object) =>
    api.avn("POST", "/project/demo/service", {
      ...{ cloud: west, plan: "startup-4", service_name: "x", service_type: "mysql", user_config: {}, ...changes },
    });
  const integration = { integration_type: "read_replica", source_service: "my1" };
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ service_integrations: [integration] }, /service_integrations .*does not offer that.*fork the service/],
    [{ project_vpc_id: "9d2f" }, /project_vpc_id "9d2f": btar does not offer that/],
    [{ static_ips: ["ip1"] }, /static_ips/],
    [{ cmk_id: "k1" }, /cmk_id/],
  ];
  for (const [changes, message] of refusals) {
    const answer = await create(changes);
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.body.message, message);
  }
  assert.equal((await api.avn("POST", "/project/demo/integration", integration)).status, 404);
});
