import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Static } from "typebox";
import { openServiceSecrets } from "../../src/catalog/service-secrets.ts";
import type { attachAnswer, preflightAnswer } from "../../src/contract/attached-services.ts";
import type { serviceAnswer } from "../../src/contract/services.ts";
import { startMysql } from "../support/mysql-server.ts";
import { type Answer, type Refusal, RunningApi } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";

let api: RunningApi;
let agent: SimulatedAgent;
let uri: string;
before(async () => {
  api = await RunningApi.start();
  agent = new SimulatedAgent(api);
  const { host, port } = api.postgres.address;
  await api.postgres.sql("create role backer login replication password 'very-secret-2'");
  await api.postgres.sql("create role nobody login");
  uri = `postgres://backer:very-secret-2@${host}:${port}/postgres`;
});
after(async () => {
  await api.close();
});

const path = "/project/demo/service/shop";

function attach(changes: object = {}): Promise<Answer<Static<typeof attachAnswer> & Refusal>> {
  return api.avn<Static<typeof attachAnswer> & Refusal>("POST", "/project/demo/service/attach", {
    service_name: "shop",
    cloud: "local-north",
    uri,
    user_config: { additional_backup_regions: ["local-south"] },
    ...changes,
  });
}

function refused(answer: Answer<Refusal>, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.body.message, message);
  assert.doesNotMatch(answer.text, /very-secret-2/);
}

test("the preflight tells what a database lacks, with what mends it, and changes nothing", async () => {
  const bad = uri.replace("backer:very-secret-2", "nobody");
  const check = (of: string) =>
    api.avn<Static<typeof preflightAnswer>>("POST", "/project/demo/service/attach/preflight", { uri: of });
  const { body } = await check(bad);
  const errors = body.findings.filter(({ severity }) => severity === "error");
  assert.ok(
    errors.some(({ fix }) => /ALTER ROLE .*REPLICATION/i.test(fix)),
    JSON.stringify(errors),
  );
  const good = await check(uri);
  assert.deepEqual(
    good.body.findings.filter(({ severity }) => severity === "error"),
    [],
  );
  assert.deepEqual(await api.postgres.sql("select slot_name from pg_replication_slots"), []);
});

test("a database that lacks something, or cannot be reached, is not attached", async () => {
  refused(
    await attach({ uri: uri.replace("backer:very-secret-2", "nobody") }),
    400,
    /shop cannot be attached.*REPLICATION/i,
  );
  refused(await attach({ uri: "postgres://backer:very-secret-2@127.0.0.1:1/postgres" }), 400, /cannot be attached/);
  refused(
    await attach({ uri: "redis://backer:very-secret-2@127.0.0.1/x" }),
    400,
    /no engine that can be attached.*mysql:/,
  );
  refused(await attach({ uri: "postgres://ba%zzcker:very-secret-2@127.0.0.1/x" }), 400, /URI/);
  refused(await attach({ cloud: "nope-1" }), 400, /cloud 'nope-1' is unknown/);
  refused(await attach({ user_config: { work_mem: 4 } }), 400, /work_mem: btar does not run the server/);
  refused(await attach({ user_config: { additional_backup_regions: ["local-north"] } }), 400, /holds the primary/);
  assert.equal((await api.avn("GET", path)).status, 404);
});

test("an attached database is a service of its own kind, whose password is not told", async () => {
  const { body, status, text } = await attach();
  assert.equal(status, 200, text);
  const { service } = body;
  assert.deepEqual(
    [service.service_kind, service.state, service.cloud_name],
    ["attached", "REBUILDING", "local-north"],
  );
  assert.equal(service.user_config["pg_version"], "18");
  assert.equal(service.service_uri, null);
  assert.equal(service.service_uri_params["user"], "backer");
  assert.doesNotMatch(text, /very-secret-2/);
  const row = await api.catalog.db
    .selectFrom("service")
    .selectAll()
    .where("name", "=", "shop")
    .executeTakeFirstOrThrow();
  assert.match(row.system_id ?? "", /^\d+$/);
  assert.equal(openServiceSecrets(api.masterKey, row.id, row.sealed_secrets).attachedUri, uri);
  assert.equal((await agent.jobs("shop", "provision"))[0]?.cloud, "local-north");
  refused(await attach(), 409, /already exists/);
});

test("btar does not change what it does not run", async () => {
  await agent.runs("shop");
  refused(await api.avn("POST", `${path}/user`, { username: "bob" }), 409, /is attached/);
  refused(await api.avn("POST", `${path}/db`, { database: "d" }), 409, /is attached/);
  refused(await api.avn("PUT", path, { powered: false }), 409, /is attached/);
  refused(await api.avn("PUT", path, { user_config: { pg: { jit: true } } }), 400, /does not run the server/);
  const { body } = await api.avn<Static<typeof serviceAnswer>>("PUT", path, { user_config: { backup_hour: 3 } });
  assert.deepEqual([body.service.user_config["backup_hour"], body.service.state], [3, "RUNNING"]);
  assert.deepEqual(await agent.jobs("shop", "apply"), []);
});

test("detaching lets go of the database by a job, and keeps the name free", async () => {
  const { body } = await api.avn("DELETE", path);
  assert.equal(body.message, "detached");
  assert.equal((await agent.jobs("shop", "remove"))[0]?.cloud, "local-north");
  assert.equal((await attach()).status, 200);
});

test("a MySQL server is attached once the statements of its preflight were run on it, and told without its password", async () => {
  const settings = { gtid_mode: "OFF", enforce_gtid_consistency: "OFF" };
  await using mysql = await startMysql({ settings, plugins: [] });
  await mysql.sql("CREATE USER backer@'127.0.0.1' IDENTIFIED BY 'very-secret-2'");
  const { port } = mysql.address;
  const books = { service_name: "books", uri: `mysql://backer:very-secret-2@127.0.0.1:${port}/?ssl-mode=REQUIRED` };

  refused(await attach({ ...books, uri: books.uri.replace("very", "wrong") }), 400, /books cannot be attached.*backer/);
  refused(
    await attach(books),
    400,
    /books cannot be attached, 4 things are missing: .*BACKUP_ADMIN.*clone plugin.*enforce_gtid.*gtid_mode is OFF/,
  );
  refused(await attach({ ...books, user_config: { mysql: { wait_timeout: 60 } } }), 400, /does not run the server/);
  refused(await attach({ ...books, user_config: { pg_version: "18" } }), 400, /'pg_version' is not a known key/);
  refused(await attach({ ...books, plan: "pg:startup-4" }), 400, /plan 'pg:startup-4' is unknown/);
  const check = () =>
    api.avn<Static<typeof preflightAnswer>>("POST", "/project/demo/service/attach/preflight", { uri: books.uri });
  for (const { fix } of (await check()).body.findings) await mysql.sql(fix);
  assert.deepEqual((await check()).body.findings, []);

  const { body, status, text } = await attach({ ...books, plan: "mysql:business-4" });
  assert.equal(status, 200, text);
  const { service, findings } = body;
  assert.deepEqual(findings, []);
  assert.deepEqual([service.service_type, service.service_kind, service.state], ["mysql", "attached", "REBUILDING"]);
  assert.deepEqual([service.user_config["mysql_version"], service.metadata.mysql_version], ["9.7", "9.7"]);
  assert.deepEqual(service.connection_info.mysql, []);
  assert.deepEqual(service.service_uri_params, { dbname: "", host: "127.0.0.1", port: String(port), user: "backer" });
  assert.doesNotMatch(text, /very-secret-2/);
  const row = await api.catalog.db
    .selectFrom("service")
    .selectAll()
    .where("name", "=", "books")
    .executeTakeFirstOrThrow();
  const [server] = await mysql.sql("SELECT @@server_uuid AS uuid");
  assert.deepEqual([row.engine, row.version, row.system_id], ["mysql", "9.7", server?.["uuid"]]);
  assert.equal((await agent.jobs("books", "provision"))[0]?.cloud, "local-north");

  await agent.runs("books");
  refused(await api.avn("POST", "/project/demo/service/books/user", { username: "bob" }), 409, /is attached/);
  assert.equal((await api.avn("DELETE", "/project/demo/service/books")).body.message, "detached");
});
