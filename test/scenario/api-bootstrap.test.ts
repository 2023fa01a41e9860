import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { findAccessToken } from "../../src/catalog/access-tokens.ts";
import { adminEmail, bootstrap } from "../../src/control-plane/bootstrap.ts";
import { startControlPlane } from "../../src/control-plane/control-plane.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { until } from "../support/simulated-agent.ts";
import { openTestCatalog, RunningApi, type TestCatalog, testConfiguration } from "../support/running-api.ts";

let opened: TestCatalog;
before(async () => {
  opened = await openTestCatalog();
});
after(async () => {
  await opened.close();
});

function start(adminToken?: string, changes: { readonly masterKey?: Uint8Array; readonly project?: string } = {}) {
  const { catalog, masterKey } = opened.context;
  return bootstrap(catalog, {
    configuration: testConfiguration(changes.project === undefined ? {} : { project: changes.project }),
    masterKey: changes.masterKey ?? masterKey,
    adminToken,
  });
}

test("the first start makes the project and a token; later ones find them", async () => {
  assert.ok(opened.adminToken.length >= 40);
  assert.equal((await findAccessToken(opened.context.catalog.db, opened.adminToken))?.user_email, adminEmail);
  assert.deepEqual(await start(), { newAdminToken: undefined, isPasswordTaken: false });
  const projects = await opened.context.catalog.db.selectFrom("project").select(["name", "default_cloud"]).execute();
  assert.deepEqual(projects, [{ name: "demo", default_cloud: "local-north" }]);
});

test("of a token only its hash is in the catalog", async () => {
  const rows = await opened.context.catalog.db.selectFrom("access_token").selectAll().execute();
  assert.ok(!JSON.stringify(rows).includes(opened.adminToken));
});

test("a token that the operator chooses holds from the next start on", async () => {
  const chosen = "chosen-by-the-operator-0001";
  assert.deepEqual(await start(chosen), { newAdminToken: chosen, isPasswordTaken: false });
  assert.deepEqual(await start(chosen), { newAdminToken: undefined, isPasswordTaken: false });
  const found = await findAccessToken(opened.context.catalog.db, chosen);
  assert.equal(found?.user_email, adminEmail);
  assert.ok(!chosen.startsWith(found?.prefix ?? ""), "the prefix of a short token does not give it away");
});

test("servers that start at once make one of each", async () => {
  await Promise.all([start(undefined, { project: "second" }), start(undefined, { project: "second" })]);
  const projects = await opened.context.catalog.db.selectFrom("project").select("name").orderBy("name").execute();
  assert.deepEqual(projects, [{ name: "demo" }, { name: "second" }]);
});

test("another master key than the catalog's is found at the start", async () => {
  const error = await rejectsWith("KEY_UNAVAILABLE", () => start(undefined, { masterKey: randomBytes(32) }));
  assert.match(error.hint ?? "", /master key that this catalog was made with/);
});

test("an address that is taken is refused with the setting that says it", async () => {
  const first = await startControlPlane(opened.context);
  try {
    const listen = { host: "127.0.0.1", port: Number(new URL(first.url).port) };
    const configuration = testConfiguration({ listen });
    const error = await rejectsWith("INVALID_CONFIGURATION", () =>
      startControlPlane({ ...opened.context, configuration }),
    );
    assert.match(`${error.message} ${error.hint}`, new RegExp(`127.0.0.1:${listen.port}.*listen`));
  } finally {
    await first.close();
  }
});

test("while the catalog's server is away the API says so, and goes on when it is back", async () => {
  const api = await RunningApi.start();
  try {
    assert.equal((await api.send("GET", "/readyz")).status, 200);
    await api.postgres.crash();
    // Processes of a crashed server answer on for a moment.
    const away = await until("the API notices", async () => {
      const answer = await api.send("GET", "/readyz");
      return answer.status === 200 ? undefined : answer;
    });
    assert.equal(away.status, 503, away.text);
    assert.match(away.body.message, /catalog database does not answer/);
    assert.equal((await api.send("GET", "/livez")).status, 200);
    await api.postgres.start();
    assert.equal((await api.avn("GET", "/project")).status, 200);
  } finally {
    await api.close();
  }
});
