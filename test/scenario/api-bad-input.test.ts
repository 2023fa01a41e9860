import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type Answer, type Refusal, RunningApi } from "../support/running-api.ts";
import { type JsonSchema, nearly, oddValue } from "../support/odd-values.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";

const [hour, minute] = [3_600_000, 60_000];

let api: RunningApi;
before(async () => {
  api = await RunningApi.start();
  const agent = new SimulatedAgent(api);
  await agent.register("local-north");
  for (const type of ["pg", "mysql"]) {
    const created = await api.avn("POST", "/project/demo/service", {
      ...{ service_name: type, service_type: type, plan: "startup-4", cloud: "local-north" },
      user_config: { additional_backup_regions: ["local-south"] },
    });
    assert.equal(created.status, 200, created.text);
    await agent.runs(type);
    const [from, until] = [new Date(Date.now() - hour), new Date(Date.now() - minute)];
    await agent.backup(type, { id: `${type}-backup`, from, until, clouds: ["local-north", "local-south"] });
  }
});
after(async () => {
  await api.close();
});

interface Operation {
  readonly requestBody?: { readonly content: { readonly "application/json": { readonly schema: JsonSchema } } };
}

interface RouteWithBody {
  readonly method: string;
  readonly path: string;
  readonly schema: JsonSchema;
}

/** What exists, for the parts of paths. */
const names: Readonly<Record<string, string>> = {
  project: "demo",
  service: "pg",
  user: "avnadmin",
  database: "defaultdb",
  backup: "pg-backup",
  cloud: "local-south",
};

async function routesWithBody(): Promise<readonly RouteWithBody[]> {
  const { body } = await api.send<{ paths: Record<string, Record<string, Operation>> }>("GET", "/v1/openapi.json");
  return Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { requestBody }]) => {
      const schema = requestBody?.content["application/json"].schema;
      const named = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => names[name] ?? "none");
      return schema ? [{ method: method.toUpperCase(), path: named, schema }] : [];
    }),
  );
}

/** What requests change; what btar writes by itself meanwhile is left out. */
async function everythingStored(): Promise<string> {
  const { rows } = await api.catalog.pool.query<{ all: string }>(`
    select concat_ws(' ',
      (select md5(string_agg(t::text, '' order by name)) from project t),
      (select md5(string_agg(t::text, '' order by id)) from service t),
      (select md5(string_agg(t::text, '' order by service_id, name)) from service_user t),
      (select md5(string_agg(t::text, '' order by service_id, name)) from service_database t),
      (select md5(string_agg(concat_ws(' ', service_id, cloud, role, state, is_paused, retention_days), ''
        order by service_id, cloud)) from location t),
      (select md5(string_agg(concat_ws(' ', id, is_kept, kept_until), '' order by id)) from base_backup t),
      (select md5(string_agg(prefix || description, '' order by prefix)) from access_token t),
      (select count(*) from job where kind in ('provision', 'fork', 'restore', 'apply', 'remove')),
      (select count(*) from event where actor != 'btar')) as all`);
  return rows[0]?.all ?? "";
}

async function send(method: string, path: string, body: string): Promise<Answer<Refusal>> {
  const headers = {
    authorization: `aivenv1 ${api.token}`,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
  };
  return await api.send(method, path, { headers, body });
}

/** A refusal has the contract's shape. @returns whether it was one */
function isRefusal({ status, body, text }: Answer<Refusal>, what: string): boolean {
  assert.ok(status < 500, `${what}: ${status} ${text}`);
  if (status < 400) return false;
  assert.ok(body.message.length > 0 && body.message.length <= 2001, `${what}: ${text.slice(0, 200)}`);
  assert.equal(body.errors[0]?.message, body.message, what);
  assert.equal(body.errors[0]?.status, status, what);
  return true;
}

async function refusalsChangeNothing(
  route: Omit<RouteWithBody, "schema">,
  bodies: fc.Arbitrary<unknown>,
  numRuns: number,
): Promise<void> {
  let before = await everythingStored();
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const text = JSON.stringify(body);
      const what = `${route.method} ${route.path} ${text.slice(0, 2000)}`;
      const refused = isRefusal(await send(route.method, route.path, text), what);
      const after = await everythingStored();
      if (refused) assert.equal(after, before, `${what} was refused, and changed something`);
      before = after;
    }),
    { numRuns, seed: 20_260_301 },
  );
}

test("X1: whatever a body holds, it is taken or refused, and no refusal changes anything", async () => {
  const routes = await routesWithBody();
  assert.ok(routes.length >= 12, `${routes.length} routes`);
  for (const { schema, ...route } of routes) await refusalsChangeNothing(route, nearly(schema), 40);
});

test("X1: whatever user_config holds, it is taken or refused, and no refusal changes anything", async () => {
  for (const type of ["pg", "mysql"]) {
    const { body } = await api.avn<{ user_config_schema: JsonSchema }>("GET", `/project/demo/service-types/${type}`);
    const configs = nearly(body.user_config_schema, 1).map((user_config) => ({ user_config }));
    await refusalsChangeNothing({ method: "PUT", path: `/v1/project/demo/service/${type}` }, configs, 150);
    const creations = fc
      .tuple(nearly(body.user_config_schema, 1), fc.integer({ min: 0, max: 1e9 }))
      .map(([user_config, number]) => ({
        ...{ service_name: `${type}-${number}`, service_type: type, plan: "startup-4", cloud: "local-north" },
        user_config,
      }));
    await refusalsChangeNothing({ method: "POST", path: "/v1/project/demo/service" }, creations, 60);
  }
});

test("X1: bodies that are too large, too deep or cut off are refused", async () => {
  const path = "/v1/project/demo/service/pg";
  const before = await everythingStored();
  for (const body of [
    JSON.stringify({ user_config: { pg: { timezone: "x".repeat(10 * 1024 * 1024) } } }),
    "[".repeat(400_000),
    `${'{"user_config":'.repeat(50_000)}1${"}".repeat(50_000)}`,
    '{"user_config":{"backup_hour":1',
    '{"powered":false,"powered":7}',
    '{"user_config":{"__proto__":{"backup_hour":1}}}',
    "\u{feff}{}x",
    "NaN",
  ]) {
    const answer = await send("PUT", path, body);
    assert.ok(isRefusal(answer, `${body.slice(0, 60)}…`), `${body.slice(0, 60)}… was taken`);
  }
  assert.equal(await everythingStored(), before);
});

test("X1: what is no HTTP request, or has too much of it, is refused in the shape of all refusals", async () => {
  const { hostname, port } = new URL(api.url);
  for (const [request, status] of [
    ["GET / HTTP/9.9\r\n\r\n", 400],
    ["\u0016\u0003\u0001 TLS, perhaps\r\n\r\n", 400],
    ["PUT /v1/project/demo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400],
    [`GET /v1/me HTTP/1.1\r\nHost: x\r\nx-long: ${"y".repeat(40_000)}\r\n\r\n`, 431],
  ] as const) {
    const socket = connect(Number(port), hostname);
    socket.write(request);
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => (text += part));
    // What was sent beyond what it has read makes its hanging up a reset, after the answer.
    socket.on("error", (error: Error & { readonly code?: string }) =>
      assert.match(error.code ?? "", /ECONNRESET|EPIPE/),
    );
    await new Promise((closed) => socket.once("close", closed));
    const [head = "", body = ""] = text.split("\r\n\r\n");
    assert.match(head, new RegExp(`^HTTP/1.1 ${status} `));
    isRefusal({ status, headers: {}, text: body, body: JSON.parse(body) }, request.slice(0, 60));
  }
});

test("X1: whatever a path or query holds, nothing is found there", async () => {
  const before = await everythingStored();
  const odd = oddValue.map((value) => (typeof value === "string" ? value : JSON.stringify(value)).slice(0, 400));
  await fc.assert(
    fc.asyncProperty(odd, fc.constantFrom("GET", "PUT", "DELETE", "PATCH", "POST"), async (text, method) => {
      const part = encodeURIComponent(text.toWellFormed());
      for (const path of [
        `/v1/project/${part}/service`,
        `/v1/project/demo/service/x${part}`,
        `/v1/project/demo/service/pg/backups/x${part}`,
        `/v1/project/demo/service/pg/user/x${part}`,
        `/v1/project/demo/jobs/${part}`,
        `/v1/project/demo/service-types/x${part}/plans/${part}`,
        `/v1/access_token/x${part}`,
      ]) {
        if (method === "GET") isRefusal(await api.avn("GET", `${path.slice(3)}?limit=${part}&x=${part}`), path);
        else assert.ok(isRefusal(await send(method, path, "{}"), `${method} ${path}`), `${method} ${path} was taken`);
      }
      isRefusal(await api.avn("GET", `/project/demo/events?limit=${part}`), `events ${part}`);
    }),
    { numRuns: 60, seed: 20_260_301 },
  );
  assert.equal(await everythingStored(), before);
});
