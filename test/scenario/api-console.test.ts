import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createAccessToken } from "../../src/catalog/access-tokens.ts";
import { changePerson, requirePerson } from "../../src/catalog/people.ts";
import { routeAccess } from "../../src/control-plane/http/route-access.ts";
import { adminEmail } from "../../src/control-plane/bootstrap.ts";
import { hashPassword } from "../../src/platform/password-hash.ts";
import { actions } from "../../console/src/api/actions.ts";
import { type Refusal, RunningApi, testConfiguration } from "../support/running-api.ts";
import { SimulatedAgent, until } from "../support/simulated-agent.ts";

const password = "correct horse battery";
const consoleHeader = { "x-btar-console": "1" };

let api: RunningApi;
let agent: SimulatedAgent;
let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "btar-test-"));
  await mkdir(join(directory, "assets"));
  await writeFile(join(directory, "index.html"), '<meta name="btar-nonce" content="BTAR_NONCE"><title>btar</title>');
  await writeFile(join(directory, "assets", "index-1.js"), "let a;");
  await writeFile(join(directory, "assets", "index-1.js.br"), "compressed");
  api = await RunningApi.start(testConfiguration(), async () => directory);
  agent = new SimulatedAgent(api);
  await agent.register("aws-eu-west-1");
  await agent.register("aws-eu-central-1");
  const admin = await requirePerson(api.catalog.db, adminEmail);
  await changePerson(api.catalog.db, admin, { passwordHash: await hashPassword(password) });
});
after(async () => {
  await api.close();
  await rm(directory, { recursive: true, force: true });
});

async function get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return await fetch(`${api.url}${path}`, { headers });
}

async function signIn(headers: Readonly<Record<string, string>> = {}): Promise<{ cookie: string; set: string }> {
  const response = await fetch(`${api.url}/v1/btar/session`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ email: adminEmail, password }),
  });
  assert.equal(response.status, 200, await response.text());
  const set = response.headers.get("set-cookie") ?? "";
  return { cookie: set.split(";")[0] ?? "", set };
}

test("the console offers what it offers to those roles that may use the route for it", () => {
  const offered = Object.values(actions).map(([route, least]) => [route, least] as const);
  assert.deepEqual(
    offered,
    offered.map(([route]) => [route, routeAccess[route]]),
  );
});

test("a session's cookie is kept from scripts and other sites, and over TLS from the open network", async () => {
  const { set } = await signIn();
  assert.match(set, /^btar-session=\S+; Expires=.+; Path=\/; HttpOnly; SameSite=Strict$/);
  // What a proxy says counts only where it is configured.
  assert.doesNotMatch((await signIn({ "x-forwarded-proto": "https" })).set, /Secure/);
});

test("a session's cookie is taken with the console's header only: other sites' pages cannot send that", async () => {
  const { cookie } = await signIn();
  const answer = await get("/v1/me", { cookie, ...consoleHeader });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  for (const method of ["GET", "POST", "DELETE"]) {
    const refused = await fetch(`${api.url}/v1/access_token`, { method, headers: { cookie } });
    assert.equal(refused.status, 403);
    assert.equal(((await refused.json()) as Refusal).errors[0]?.error_code, "cross_site_request");
  }
  assert.equal((await get("/v1/me", { cookie: "btar-session=%", ...consoleHeader })).status, 401);
});

test("logging out ends the session's token, and the cookie", async () => {
  const { cookie } = await signIn();
  const headers = { cookie, ...consoleHeader };
  const out = await fetch(`${api.url}/v1/btar/session`, { method: "DELETE", headers });
  assert.match(out.headers.get("set-cookie") ?? "", /^btar-session=; Max-Age=0;/);
  assert.equal((await get("/v1/me", headers)).status, 401);
});

test("every path that is not the API's is a view of the console, under a strict policy", async () => {
  const html = { accept: "text/html,*/*;q=0.8" };
  const nonces = new Set<string>();
  for (const path of ["/", "/projects/demo/services/shop", "/index.html"]) {
    const answer = await get(path, html);
    const policy = answer.headers.get("content-security-policy") ?? "";
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self' 'nonce-[^']{20,}';/, path);
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? "";
    assert.ok((await answer.text()).includes(`content="${nonce}"`));
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.equal(answer.headers.get("x-frame-options"), "DENY");
    nonces.add(nonce);
  }
  assert.equal(nonces.size, 3, "each answer has its own");
});

test("the console never answers for the API", async () => {
  const html = { accept: "text/html" };
  assert.equal((await get("/v1/nothing", html)).status, 401);
  const known = await get("/v1/nothing", { ...html, authorization: `aivenv1 ${api.token}` });
  assert.deepEqual([known.status, known.headers.get("content-type")?.split(";")[0]], [404, "application/json"]);
  assert.equal((await get("/metrics", html)).status, 401);
  assert.equal((await get("/livez", html)).status, 200);
  assert.equal((await get("/nothing")).status, 401);
  assert.equal((await fetch(`${api.url}/nothing`, { method: "POST", headers: html })).status, 401);
});

test("what a page loads is kept by the browser for ever, and sent compressed to who takes that", async () => {
  const { body } = await api.send("GET", "/assets/none.js").catch(() => ({ body: undefined }));
  assert.match(body?.message ?? "", /There is no \/assets\/none\.js/);
  const plain = await get("/assets/index-1.js", { "accept-encoding": "gzip" });
  assert.equal(await plain.text(), "let a;");
  assert.match(plain.headers.get("cache-control") ?? "", /immutable/);
  assert.equal(plain.headers.get("content-type"), "text/javascript; charset=utf-8");
  const { headers } = await fetch(`${api.url}/assets/index-1.js`, {
    method: "HEAD",
    headers: { "accept-encoding": "br" },
  });
  assert.deepEqual([headers.get("content-encoding"), headers.get("vary")], ["br", "accept-encoding"]);
  assert.equal((await get("/assets/../index.html/../../etc/passwd")).status, 401);
});

async function createShop(name: string, project = "demo"): Promise<void> {
  await api.avn("POST", `/project/${project}/service`, {
    service_name: name,
    service_type: "pg",
    plan: "startup-4",
    cloud: "aws-eu-west-1",
    user_config: { additional_backup_regions: ["aws-eu-central-1"] },
  });
  await agent.runs(name);
}

/** Listens to what changes in the project. */
async function listenToChanges(token: string) {
  const response = await get("/v1/project/demo/btar/changes", { authorization: `Bearer ${token}` });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const read = async () => {
    const { done, value } = (await reader?.read()) ?? { done: true, value: "" };
    text += value ?? "";
    return !done;
  };
  return {
    until: async (wanted: RegExp) => {
      while (!wanted.test(text)) assert.ok(await read(), text);
    },
    ended: async () => {
      while (await read());
    },
  };
}

test("changes are told as they happen, whoever makes them, until the token is revoked, or its person is no member", async () => {
  await createShop("told");
  const email = "listener@example.test";
  await api.avn("POST", "/btar/user", { email });
  await api.avn("POST", "/project/demo/invite", { user_email: email, member_type: "read_only" });
  const made = await api.avn<{ full_token: string; token_prefix: string }>("POST", "/access_token", {
    description: "stream",
  });
  const { text: ofMember } = await createAccessToken(api.catalog.db, {
    ...{ userEmail: email, description: "t", maxAgeSeconds: 600, extendWhenUsed: false, now: new Date() },
  });
  const streams = [await listenToChanges(made.body.full_token), await listenToChanges(ofMember)];
  for (const { until } of streams) await until(/listening/);
  // The first look at the catalog is what later ones are compared with: changes go on, each to what it never was, until
  // one is told.
  let isTold = false;
  const changes = (async () => {
    for (let days = 1; !isTold; days += 1) {
      await api.avn("PUT", "/project/demo/service/told/btar/locations/aws-eu-central-1", { retention_days: days });
      await pause(100);
    }
  })();
  try {
    const told = /event: changed\ndata: \{"services":\["told"\],.*"events":true\}\n\n/;
    for (const { until } of streams) await until(told);
  } finally {
    isTold = true;
    await changes;
  }

  await api.avn("DELETE", `/access_token/${made.body.token_prefix}`);
  await api.avn("DELETE", `/project/demo/user/${email}`);
  for (const { ended } of streams) await ended();
  const refused = await api.avn("GET", "/project/nope/btar/changes");
  assert.equal(refused.status, 404);
});

test("P5: the reach of a location leaves its gaps out, and a fork is told before it is begun", async () => {
  await createShop("planned");
  const at = (time: string) => new Date(`2026-03-01T${time}:00Z`);
  const clouds = ["aws-eu-west-1", "aws-eu-central-1"];
  for (const cloud of clouds) await agent.register(cloud); // a while ago they were heard of last
  await agent.backup("planned", { id: "2026-03-01T10-00-00Z-aaaa", from: at("10:00"), until: at("11:00"), clouds });
  const reach = await api.avn<{ locations: { cloud: string; windows: object[] }[] }>(
    "GET",
    "/project/demo/service/planned/btar/reach",
  );
  assert.deepEqual(reach.body.locations.find(({ cloud }) => cloud === "aws-eu-central-1")?.windows, [
    { earliest_at: "2026-03-01T10:00:00.000Z", latest_at: "2026-03-01T11:00:00.000Z" },
  ]);
  const plan = (body: object) =>
    api.avn<Readonly<Record<string, unknown>>>("POST", "/project/demo/service/planned/btar/fork_plan", body);
  const latest = await plan({ location: "aws-eu-central-1" });
  assert.deepEqual(latest.body, {
    location: "aws-eu-central-1",
    is_up: true,
    backup_name: "2026-03-01T10-00-00Z-aaaa",
    target: "latest",
    target_at: "2026-03-01T11:00:00.000Z",
    data_bytes: 31_415_926,
    log_seconds: 3600,
    estimated_seconds: null,
  });
  const named = await plan({ location: "aws-eu-west-1", backup_name: "2026-03-01T10-00-00Z-aaaa" });
  assert.deepEqual([named.body["target"], named.body["log_seconds"]], ["backup-end", 0]);
  const outside = await plan({ location: "aws-eu-west-1", target_time: "2026-03-01T12:00:00Z" });
  assert.equal(outside.status, 400);
  assert.match(outside.text, /choose a time from/);
});

test("how fast a phase of a job goes can be told: when it was begun, and how much was done then", async () => {
  await createShop("measured");
  const cloud = "aws-eu-central-1";
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await api.jobs.work("verify", cloud, async (job) => {
    const reading = { phase: "reading data", total: 100, unit: "bytes" } as const;
    job.progress({ ...reading, done: 10 });
    await first.promise;
    job.progress({ ...reading, done: 50 });
    await second.promise;
    return {};
  });
  const service = { id: await agent.serviceId("measured"), name: "measured" };
  const id = await api.jobs.enqueue({ kind: "verify", cloud, project: "demo", service, input: {} });
  const untilDone = async (done: number) =>
    await until(`${done} bytes are told`, async () => {
      const { body } = await api.avn<{ job: { progress: Progress | null } }>("GET", `/project/demo/jobs/${id}`);
      return body.job.progress?.done === done ? body.job.progress : undefined;
    });
  const begun = await untilDone(10);
  assert.ok(Math.abs(Date.parse(begun.phase_start_time) - Date.now()) < 60_000);
  first.resolve();
  const { phase_start_time, phase_start_done } = await untilDone(50);
  second.resolve();
  assert.deepEqual(
    { phase_start_time, phase_start_done },
    { phase_start_time: begun.phase_start_time, phase_start_done: 10 },
  );
});

interface Progress {
  readonly done: number;
  readonly phase_start_time: string;
  readonly phase_start_done: number;
}

test("what crosses between clouds is told: now, in the last hour, and in a day", async () => {
  const links = async () => {
    const { body } = await api.avn<{ links: { to_cloud: string; bytes_per_second: number }[] }>(
      "GET",
      "/project/traffic/btar/status",
    );
    return body.links;
  };
  await api.avn("POST", "/project", { project: "traffic", cloud: "aws-eu-west-1" });
  assert.deepEqual(await links(), []);
  await createShop("crossing", "traffic");
  const service_id = await agent.serviceId("crossing");
  const [cloud, minute] = ["aws-eu-central-1", 60_000];
  const sample = (minutesAgo: number, log_bytes: number, backup_bytes: number) => ({
    ...{ service_id, cloud, log_bytes, backup_bytes, held_bytes: 0, lacking_bytes: null },
    at: new Date(Date.now() - minutesAgo * minute),
  });
  const { db } = api.catalog;
  await db
    .insertInto("store_sample")
    .values([sample(1500, 1000, 0), sample(70, 50_000, 5000), sample(10, 60_000, 5000)])
    .execute();
  await db
    .updateTable("location")
    .set({ log_bytes_total: 120_000, backup_bytes_total: 5000 })
    .where("service_id", "=", service_id)
    .where("cloud", "=", cloud)
    .execute();
  const [{ bytes_per_second: rate, ...link } = { bytes_per_second: 0 }, ...others] = await links();
  assert.ok(rate > 90 && rate <= 100, `${rate}: 60 000 bytes in ten minutes`);
  assert.deepEqual(link, {
    ...{ from_cloud: "aws-eu-west-1", to_cloud: cloud, copies: 1, bandwidth_limit: null },
    ...{ bytes_last_hour: 70_000, bytes_last_day: 124_000 },
  });
  assert.deepEqual(others, []);
});

test("L1: the last hour of many services is told at once", async () => {
  await createShop("lagging");
  await api.catalog.db
    .insertInto("lag_sample")
    .values({
      service_id: await agent.serviceId("lagging"),
      cloud: "aws-eu-central-1",
      at: new Date(),
      lag_seconds: 7,
      rpo_seconds: 9,
    })
    .execute();
  const { body } = await api.avn<{ services: { service_name: string; lag_seconds: (number | null)[] }[] }>(
    "GET",
    "/project/demo/btar/lag?services=lagging,none",
  );
  assert.deepEqual(
    body.services.map(({ service_name, lag_seconds }) => [service_name, lag_seconds.length]),
    [["lagging", 30]],
  );
  // A step may have ended since; the scheduler's own samples tell of no lag.
  assert.deepEqual(
    body.services[0]?.lag_seconds.slice(-2).filter((seconds) => seconds),
    [7],
  );
  const many = Array.from({ length: 101 }, (_, index) => `s${index}`).join(",");
  assert.equal((await api.avn("GET", `/project/demo/btar/lag?services=${many}`)).status, 400);
});
