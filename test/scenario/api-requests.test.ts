import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Static } from "typebox";
import { createAccessToken } from "../../src/catalog/access-tokens.ts";
import { adminEmail } from "../../src/control-plane/bootstrap.ts";
import type { newTokenAnswer, tokensAnswer } from "../../src/contract/access-tokens.ts";
import type { cloudsAnswer } from "../../src/contract/clouds.ts";
import type { meAnswer } from "../../src/contract/people.ts";
import type { authorityAnswer, projectAnswer, projectsAnswer } from "../../src/contract/projects.ts";
import type {
  planAnswer,
  plansAnswer,
  priceAnswer,
  serviceTypeAnswer,
  serviceTypesAnswer,
  serviceTypesWithPlansAnswer,
  versionsAnswer,
} from "../../src/contract/service-types.ts";
import { routeExamples } from "../../src/control-plane/http/route-examples.ts";
import { type Refusal, RunningApi } from "../support/running-api.ts";

let api: RunningApi;
before(async () => {
  api = await RunningApi.start();
});
after(async () => {
  await api.close();
});

/** Bodies that are right in themselves, by route; what they name need not exist. */
const bodies: Readonly<Record<string, object>> = {
  "POST /v1/userauth": { email: "ann@example.test", password: "correct horse" },
  "POST /v1/btar/session": { email: "ann@example.test", password: "correct horse" },
  "PUT /v1/me/password": { password: "correct horse", new_password: "battery staple" },
  "POST /v1/btar/user": { email: "ann@example.test" },
  "PUT /v1/btar/user/{email}": { state: "disabled" },
  "POST /v1/access_token": { description: "x" },
  "PUT /v1/access_token/{token}": { description: "x" },
  "POST /v1/project": { project: "p2" },
  "PUT /v1/project/{project}": { tags: {} },
  "PUT /v1/project/{project}/tags": { tags: {} },
  "PATCH /v1/project/{project}/tags": { tags: {} },
  "POST /v1/project/{project}/invite": { user_email: "nobody@example.test" },
  "PUT /v1/project/{project}/user/{email}": { member_type: "admin" },
  "POST /v1/project/{project}/btar/notifications": { name: "ops", type: "webhook", url: "https://192.0.2.1/" },
  "PUT /v1/project/{project}/btar/notifications/{destination}": { severities: ["error"] },
  "POST /v1/project/{project}/service": { service_name: "x", service_type: "pg", plan: "startup-4" },
  "PUT /v1/project/{project}/service/{service}": { user_config: {} },
  "POST /v1/project/{project}/service/attach": {
    service_name: "x",
    cloud: "local-north",
    uri: "postgres://u@127.0.0.1/d",
  },
  "POST /v1/project/{project}/service/attach/preflight": { uri: "postgres://u@127.0.0.1/d" },
  "PUT /v1/project/{project}/service/{service}/tags": { tags: {} },
  "PATCH /v1/project/{project}/service/{service}/tags": { tags: {} },
  "POST /v1/project/{project}/service/{service}/user": { username: "bob" },
  "PUT /v1/project/{project}/service/{service}/user/{user}": { operation: "reset-credentials" },
  "POST /v1/project/{project}/service/{service}/db": { database: "d1" },
  "PUT /v1/project/{project}/service/{service}/backups/{backup}": { kept: true },
  "PUT /v1/project/{project}/service/{service}/btar/locations/{cloud}": { paused: true },
  "POST /v1/project/{project}/service/{service}/btar/verify": { location: "local-north" },
  "POST /v1/project/{project}/service/{service}/btar/fork_plan": { location: "local-north" },
  "POST /v1/project/{project}/service/{service}/restore": { location: "local-north", directory: "/srv/x" },
  "POST /v1/project/{project}/service/{service}/logs": { sort_order: "asc" },
  "POST /v1/project/{project}/service/{service}/metrics": { period: "hour" },
  "POST /v1/project/{project}/service/{service}/task": { task_type: "upgrade_check" },
  "POST /v1/project/{project}/service/{service}/backup_to_another_region/report": { period: "hour" },
};

/** Those that may be left out. */
const optionalBodies = /\/(logs|metrics|report)$/;

const logins = new Set(["POST /v1/userauth", "POST /v1/btar/session"]);

/** What the tests look at in the API's description of itself. */
interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly summary?: string;
  readonly security?: readonly unknown[];
  readonly requestBody?: Content;
  readonly responses?: Readonly<Record<string, Content>>;
}

interface Content {
  readonly content?: Readonly<
    Record<string, { readonly schema: Readonly<Record<string, unknown>>; readonly example?: unknown }>
  >;
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly body: object | undefined;
  readonly isPublic: boolean;
}

/** All routes, as the API describes itself. */
async function routes(): Promise<readonly Route[]> {
  const { body } = await api.send<OpenApi>("GET", "/v1/openapi.json");
  return Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security }]) => ({
      method: method.toUpperCase(),
      path,
      body: bodies[`${method.toUpperCase()} ${path}`],
      isPublic: security?.length === 0,
    })),
  );
}

/** A path of a route, in a project. */
function pathIn(route: Route, project: string): string {
  return route.path.replace("{project}", project).replace(/\{\w+\}/g, "none");
}

function send(route: Route, options: { readonly project: string; readonly token?: string; readonly body?: unknown }) {
  const body = options.body === undefined ? route.body : options.body;
  const headers = {
    ...(options.token === undefined ? {} : { authorization: `aivenv1 ${options.token}` }),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  return api.send(route.method, pathIn(route, options.project), {
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

function assertRefusal(
  answer: { readonly status: number; readonly body: Refusal },
  status: number,
  what: string,
): string {
  assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer.body)}`);
  const { message, errors } = answer.body;
  assert.ok(message.length > 0, what);
  assert.deepEqual([errors[0]?.message, errors[0]?.status], [message, status], what);
  return message;
}

test("every route but the public ones wants a token", async () => {
  const all = await routes();
  assert.ok(all.length >= 45, `${all.length} routes`);
  for (const route of all) {
    const what = `${route.method} ${route.path}`;
    const answer = await send(route, { project: "demo" });
    if (logins.has(what)) assert.match(assertRefusal(answer, 403, what), /Authentication failed/);
    else if (route.isPublic) assert.equal(answer.status, 200, what);
    else assert.match(assertRefusal(answer, 401, what), /Missing token/, what);
  }
  const open = all.filter(({ isPublic }) => isPublic).map(({ path }) => path);
  const expected = [
    ...["/livez", "/readyz", "/v1/btar/session", "/v1/clouds", "/v1/service_types", "/v1/service_versions"],
    "/v1/userauth",
  ];
  assert.deepEqual(open.toSorted(), expected);
});

test("every route of a project refuses one that does not exist", async () => {
  for (const route of (await routes()).filter(({ path }) => path.includes("{project}"))) {
    const what = `${route.method} ${route.path}`;
    assert.match(assertRefusal(await send(route, { project: "nope", token: api.token }), 404, what), /nope/, what);
  }
});

test("every route of a service refuses one that does not exist, in words that no client takes for a hiccup", async () => {
  for (const route of (await routes()).filter(({ path }) => path.includes("{service}"))) {
    const what = `${route.method} ${route.path}`;
    const message = assertRefusal(await send(route, { project: "demo", token: api.token }), 404, what);
    assert.match(message, /none/, what);
    assert.doesNotMatch(message, /Service \S+ does not exist/, what);
  }
});

test("every body with an unknown key, of a wrong type, or missing is refused by name", async () => {
  const withBody = (await routes()).filter(({ body }) => body !== undefined);
  assert.equal(withBody.length, Object.keys(bodies).length, "each body above belongs to a route");
  for (const route of withBody) {
    const what = `${route.method} ${route.path}`;
    const wrong = (body: unknown) => send(route, { project: "demo", token: api.token, body });
    const unknown = await wrong({ ...route.body, surprise: 1 });
    assert.match(assertRefusal(unknown, 400, what), /'surprise' is not a known property/, what);
    for (const body of [[], "text", 5]) assertRefusal(await wrong(body), 400, `${what} ${JSON.stringify(body)}`);
    for (const key of Object.keys(route.body ?? {})) {
      const message = assertRefusal(await wrong({ ...route.body, [key]: 5 }), 400, `${what} ${key}`);
      assert.match(message, new RegExp(key), what);
    }
    if (optionalBodies.test(route.path)) continue;
    const headers = { authorization: `aivenv1 ${api.token}`, "content-type": "application/json" };
    assertRefusal(await api.send(route.method, pathIn(route, "demo"), { headers }), 400, `${what} without a body`);
  }
});

test("every answer is described, and what is not described is not sent", async () => {
  const { body } = await api.send<OpenApi>("GET", "/v1/openapi.json");
  assert.equal(body.openapi, "3.1.0");
  for (const [path, methods] of Object.entries(body.paths)) {
    for (const [method, { summary, responses }] of Object.entries(methods)) {
      const content = responses?.["200"]?.content;
      const schema = (content?.["application/json"] ?? content?.["text/event-stream"])?.schema ?? {};
      assert.ok(
        "properties" in schema || "patternProperties" in schema || "additionalProperties" in schema,
        `${method} ${path}`,
      );
      assert.ok(summary, `${method} ${path}`);
    }
  }
  const { text } = await api.avn("GET", "/project/demo");
  assert.doesNotMatch(text, /sealed|PRIVATE/);
});

test("every route that is btar's own has examples, which fit its schemas", async () => {
  const { body } = await api.send<OpenApi>("GET", "/v1/openapi.json");
  const own = /\/btar(\/|$)|\/(jobs|backups|attach|restore)(\/|$)/;
  const ajv = new Ajv2020({ strict: false });
  let count = 0;
  for (const [path, methods] of Object.entries(body.paths)) {
    for (const [method, { requestBody, responses }] of Object.entries(methods)) {
      const told = [requestBody, responses?.["200"]].flatMap((each) => each?.content?.["application/json"] ?? []);
      const isComplete = told.every((each) => "example" in each);
      assert.ok(isComplete || !own.test(path), `${method} ${path} has no example`);
      if (!isComplete || told.length === 0) continue;
      count += 1;
      for (const { schema, example } of told) {
        assert.ok(ajv.validate(schema, example), `${method} ${path}: ${ajv.errorsText()}`);
      }
    }
  }
  assert.equal(count, Object.keys(routeExamples).length, "each example is of a route that there is");
});

test("both schemes of Authorization are taken, in any case", async () => {
  for (const scheme of ["aivenv1", "AIVENV1", "Bearer", "bearer"]) {
    const headers = { authorization: `${scheme} ${api.token}` };
    const answer = await api.send<Static<typeof meAnswer>>("GET", "/v1/me", { headers });
    assert.equal(answer.status, 200, scheme);
    assert.equal(answer.body.user.user, adminEmail);
  }
});

test("a wrong token and an expired one are told apart, in words that clients look for", async () => {
  const wrong = await api.send("GET", "/v1/me", { headers: { authorization: "aivenv1 wrong" } });
  assert.equal(assertRefusal(wrong, 401, "wrong"), "Invalid token");
  for (const authorization of ["", "aivenv1", `Basic ${api.token}`, `aivenv1 ${api.token} x`]) {
    assertRefusal(await api.send("GET", "/v1/me", { headers: { authorization } }), 401, authorization);
  }
  const { text } = await createAccessToken(api.catalog.db, {
    userEmail: adminEmail,
    description: "expired",
    maxAgeSeconds: 600,
    extendWhenUsed: false,
    now: new Date(Date.now() - 601_000),
  });
  const expired = await api.send("GET", "/v1/me", { headers: { authorization: `aivenv1 ${text}` } });
  assert.equal(assertRefusal(expired, 401, "expired"), "Missing (expired) db token");
});

test("tokens are made, listed, and revoked by prefix, or by their whole percent-encoded text", async () => {
  const make = (body: object) => api.avn<Static<typeof newTokenAnswer>>("POST", "/access_token", body);
  const made = await make({ description: "t", max_age_seconds: null });
  assert.equal(made.status, 200);
  const { full_token, token_prefix } = made.body;
  const use = () => api.send("GET", "/v1/me", { headers: { authorization: `aivenv1 ${full_token}` } });
  assert.equal((await use()).status, 200);
  const { body, text } = await api.avn<Static<typeof tokensAnswer>>("GET", "/access_token");
  assert.ok(body.tokens.find((each) => each.token_prefix === token_prefix)?.last_used_time);
  assert.ok(!text.includes(full_token));
  const revoked = await api.send("DELETE", `/v1/access_token/${encodeURIComponent(full_token)}`, {
    headers: { authorization: `aivenv1 ${full_token}`, "content-type": "application/octet-stream" },
  });
  assert.equal(revoked.status, 200);
  assert.equal((await use()).status, 401);
  const second = await make({ description: "u", max_age_seconds: 600, extend_when_used: true });
  assert.ok(second.body.expiry_time);
  assert.equal((await api.avn("DELETE", `/access_token/${second.body.token_prefix}`)).status, 200);
  assertRefusal(await api.avn("DELETE", `/access_token/${second.body.token_prefix}`), 404, "revoked twice");
  assertRefusal(await api.avn("POST", "/access_token", { description: "t", max_age_seconds: 1 }), 400, "short life");
});

test("clouds are told to everybody, also under a path with an empty project", async () => {
  const { body } = await api.send<Static<typeof cloudsAnswer>>("GET", "/v1/clouds");
  assert.deepEqual((await api.send<unknown>("GET", "/v1/project//clouds")).body, body);
  assert.deepEqual((await api.terraform<unknown>("GET", "/project/demo/clouds")).body, body);
  const { clouds } = body;
  assert.deepEqual(
    clouds.map((cloud) => cloud.cloud_name),
    api.configuration.clouds.map(({ name }) => name),
  );
  assert.deepEqual(
    clouds.find((cloud) => cloud.cloud_name === "aws-eu-west-1"),
    {
      cloud_name: "aws-eu-west-1",
      cloud_description: "Europe, Ireland - Amazon Web Services: Ireland",
      geo_latitude: 53.35,
      geo_longitude: -6.26,
      geo_region: "europe",
      provider: "aws",
      provider_description: "Amazon Web Services",
    },
  );
  assert.equal(clouds[0]?.cloud_description, "North of this machine");
  assert.equal(clouds[0]?.provider_description, "This machine");
});

test("a request as the wire carries it, without a body but with a type, is taken", async () => {
  const { hostname, port } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    [
      "PUT /v1/project/demo/service/none/maintenance/start?limit=999 HTTP/1.1",
      `Host: ${hostname}:${port}`,
      "Connection: close",
      "Content-Type: application/octet-stream",
      "Content-Length: 0",
      `authorization: aivenv1 ${api.token}`,
      "",
      "",
    ].join("\r\n"),
  );
  let text = "";
  for await (const chunk of socket.setEncoding("utf8")) text += chunk;
  assert.match(text, /^HTTP\/1\.1 404 /);
  assert.match(text, /Service not found: none in project demo/);
});

test("bodies that cannot be read are refused as such", async () => {
  const post = (body: string, type = "application/json") =>
    api.send("POST", "/v1/access_token", {
      headers: { authorization: `aivenv1 ${api.token}`, "content-type": type },
      body,
    });
  assert.match(assertRefusal(await post("{"), 400, "cut short"), /not JSON/);
  assert.match(assertRefusal(await post('{"description":"\\u0000"}'), 400, "NUL"), /cannot be stored/);
  assert.match(assertRefusal(await post("a=b", "application/x-www-form-urlencoded"), 415, "form"), /application\/json/);
  assertRefusal(await post("x", "application/octet-stream"), 415, "bytes");
  assertRefusal(await post(JSON.stringify({ description: "x".repeat(1100 * 1024) })), 413, "too large");
});

test("paths that are nothing, and methods that a path does not take, are told apart", async () => {
  assert.match(assertRefusal(await api.avn("GET", "/nope"), 404, "path"), /There is no \/v1\/nope/);
  assert.match(assertRefusal(await api.avn("PATCH", "/project/demo"), 405, "method"), /does not take PATCH/);
  assertRefusal(await api.avn("GET", "/project/%zz"), 400, "encoding");
  assertRefusal(await api.avn("GET", "/project/demo/service/%00"), 404, "NUL");
  assertRefusal(await api.avn("GET", "/project/demo/jobs/none"), 404, "job");
  assertRefusal(await api.avn("GET", "/project/demo/jobs/00000000-0000-4000-8000-000000000000"), 404, "job");
});

test("every answer carries the id of its request", async () => {
  const [first, second] = [await api.avn("GET", "/me"), await api.avn("GET", "/nope")];
  assert.match(String(first.headers["x-request-id"]), /^[0-9a-f-]{36}$/);
  assert.notEqual(first.headers["x-request-id"], second.headers["x-request-id"]);
});

test("service types and plans are told in the forms that old and new clients ask for", async () => {
  type WithPlans = Static<typeof serviceTypesWithPlansAnswer>;
  const old = (await api.avn<WithPlans>("GET", "/project/demo/service_types")).body.service_types;
  const now = (await api.avn<Static<typeof serviceTypeAnswer>>("GET", "/project/demo/service-types/pg")).body;
  assert.deepEqual(Object.keys(old), ["pg", "mysql"]);
  assert.deepEqual(old["pg"]?.user_config_schema, now.user_config_schema);
  const all = await api.avn<Static<typeof serviceTypesAnswer>>("GET", "/project/demo/service-types");
  assert.deepEqual(all.body["pg"], now);
  assert.deepEqual((await api.send<WithPlans>("GET", "/v1/service_types")).body.service_types, old);
  const { service_plans } = (await api.avn<Static<typeof plansAnswer>>("GET", "/project/demo/service-types/pg/plans"))
    .body;
  assert.deepEqual(service_plans, old["pg"]?.service_plans);
  assert.deepEqual(service_plans.find((plan) => plan.service_plan === "startup-4")?.regions["local-north"], {
    price_usd: "0.00",
    node_memory_mb: 4096,
    node_cpu_count: 1,
    disk_space_mb: 81920,
  });
  const plan = "service-types/pg/plans/business-8";
  const { body: one } = await api.terraform<Static<typeof planAnswer>>("GET", `/project/demo/${plan}`);
  assert.deepEqual([one.node_count, one.disk_space_mb, one.backup_config.max_count], [2, 163_840, 14]);
  const price = `/project/demo/pricing/${plan}/clouds/local-north`;
  assert.equal((await api.terraform<Static<typeof priceAnswer>>("GET", price)).body.base_price_usd, "0.00");
  for (const path of [
    "service-types/mysql2",
    "service-types/pg/plans/nope",
    "pricing/service-types/pg/plans/startup-4/clouds/nope-1",
  ]) {
    assertRefusal(await api.avn("GET", `/project/demo/${path}`), 404, path);
  }
});

interface Schema {
  readonly type?: unknown;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly maxItems?: number;
  readonly createOnly?: boolean;
}

test("the schema of user_config is in the dialect that clients can read", async () => {
  const check = (schema: Schema, path: string): void => {
    assert.ok(schema.type, `${path} has no type`);
    if (schema.items) check(schema.items, `${path}[]`);
    for (const [name, property] of Object.entries(schema.properties ?? {})) check(property, `${path}.${name}`);
  };
  for (const type of ["pg", "mysql"]) {
    const { body } = await api.avn<{ user_config_schema: Schema }>("GET", `/project/demo/service-types/${type}`);
    check(body.user_config_schema, `user_config of ${type}`);
    const { properties } = body.user_config_schema;
    assert.equal(properties?.["additional_backup_regions"]?.maxItems, 2);
    assert.equal(properties?.["service_to_fork_from"]?.createOnly, true);
  }
});

test("versions are told with an end of life that clients can parse", async () => {
  const { body } = await api.avn<Static<typeof versionsAnswer>>("GET", "/account/btar/service_versions");
  assert.deepEqual(
    body.service_versions.map((version) => `${version.service_type} ${version.major_version}`),
    ["pg 14", "pg 15", "pg 16", "pg 17", "pg 18", "mysql 8.0", "mysql 8.4", "mysql 9.7"],
  );
  for (const { aiven_end_of_life_time } of body.service_versions) {
    assert.match(aiven_end_of_life_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  }
});

test("a project has what clients look for, and a certificate authority", async () => {
  const { body } = await api.terraform<Static<typeof projectAnswer>>("GET", "/project/demo");
  for (const key of ["account_id", "billing_currency", "vat_id", "billing_extra_text", "default_cloud"]) {
    assert.ok(key in body.project, key);
  }
  const { body: ca } = await api.terraform<Static<typeof authorityAnswer>>("GET", "/project/demo/kms/ca");
  assert.match(ca.certificate, /^-----BEGIN CERTIFICATE-----/);
  assert.deepEqual((await api.avn<unknown>("GET", "/project/demo/vpcs")).body, { vpcs: [] });
  assert.deepEqual((await api.terraform<unknown>("GET", "/project/demo/static-ips")).body, { static_ips: [] });
  const { body: all } = await api.avn<Static<typeof projectsAnswer>>("GET", "/project");
  assert.deepEqual(all.project_memberships, { demo: ["admin"] });
});
