import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import type { Static } from "typebox";
import { createAccessToken } from "../../src/catalog/access-tokens.ts";
import { expireAudit, writeAudit } from "../../src/catalog/audit.ts";
import { insertPerson } from "../../src/catalog/people.ts";
import { addMember } from "../../src/catalog/project-members.ts";
import type { auditAnswer } from "../../src/contract/audit.ts";
import { adminEmail } from "../../src/control-plane/bootstrap.ts";
import { type Answer, type Refusal, RunningApi } from "../support/running-api.ts";

const secret = "correct horse battery";

let api: RunningApi;
before(async () => {
  api = await RunningApi.start();
});
after(async () => {
  await api.close();
});

type Entry = Static<typeof auditAnswer>["entries"][number];

/** Newest first. */
async function audit(query = "", project?: string): Promise<Static<typeof auditAnswer>> {
  const path = project === undefined ? "" : `/project/${project}`;
  const { status, body, text } = await api.avn<Static<typeof auditAnswer>>("GET", `${path}/btar/audit?${query}`);
  assert.equal(status, 200, text);
  return body;
}

/** Of the newest entries, with what was asked for and what came of it. */
async function newest(count: number): Promise<readonly string[]> {
  const { entries } = await audit(`limit=${count}`);
  return entries.map(({ actor, method, route, project, service, summary, outcome, error_code }) =>
    [actor, method, route, project, service, summary, outcome, error_code].map((part) => part ?? "-").join(" | "),
  );
}

function logIn(password: string): Promise<Answer<Refusal>> {
  const body = JSON.stringify({ email: "Ann@example.test", password });
  return api.send("POST", "/v1/userauth", { headers: { "content-type": "application/json" }, body });
}

test("whoever changes something is written down, with what was asked for, and what came of it", async () => {
  await api.avn("POST", "/btar/user", { email: "ann@example.test", password: secret });
  await api.avn("POST", "/project/demo/invite", { user_email: "ann@example.test", member_type: "operator" });
  const service = { service_name: "shop", service_type: "pg", plan: "startup-4", cloud: "local-north" };
  await api.avn("POST", "/project/demo/service", { ...service, user_config: { admin_password: "hunter22hunter22" } });
  await api.avn("POST", "/project/demo/service", service);
  await api.avn("PUT", "/project/demo/service/shop/tags", { tags: 5 });
  await api.avn("GET", "/project/demo/service/shop");
  await api.avn("POST", "/project/demo/service/shop/metrics", { period: "hour" });
  const route = "/v1/project/:project/service";
  const asked = "service_name=shop, service_type=pg, plan=startup-4, cloud=local-north";
  assert.deepEqual(await newest(5), [
    `${adminEmail} | PUT | ${route}/:service/tags | demo | shop | tags | refused | invalid_input`,
    `${adminEmail} | POST | ${route} | demo | shop | ${asked} | refused | already_exists`,
    `${adminEmail} | POST | ${route} | demo | shop | ${asked}, user_config.admin_password | done | -`,
    `${adminEmail} | POST | /v1/project/:project/invite | demo | - | user_email=ann@example.test, member_type=operator | done | -`,
    `${adminEmail} | POST | /v1/btar/user | - | - | email=ann@example.test, password | done | -`,
  ]);
  const [entry] = (await audit("limit=1")).entries;
  assert.deepEqual([entry?.address, entry?.token_prefix], ["127.0.0.1", api.token.slice(0, 12)]);
});

test("logins are written down, those that fail too, and what was forbidden to somebody", async () => {
  const login = "POST | /v1/userauth | - | - | email=Ann@example.test, password";
  assert.equal((await logIn("wrong horse battery")).status, 403);
  const { token } = (await logIn(secret)).body as unknown as { readonly token: string };
  await api.send("GET", "/v1/btar/user", { headers: { authorization: `aivenv1 ${token}` } });
  assert.deepEqual(await newest(3), [
    "ann@example.test | GET | /v1/btar/user | - | - |  | refused | role_too_low",
    `ann@example.test | ${login} | done | -`,
    `- | ${login} | refused | authentication_failed`,
  ]);
  const before = (await audit("limit=1")).entries[0]?.id;
  await api.send("POST", "/v1/project", { headers: { authorization: "aivenv1 wrong" } });
  await api.send("POST", "/v1/nowhere", { headers: { authorization: `aivenv1 ${token}` } });
  assert.equal((await audit("limit=1")).entries[0]?.id, before, "strangers, and paths that are none, fill nothing");
});

test("secrets are nowhere in the log", async () => {
  const { rows } = await sql<{ text: string }>`select audit::text as text from audit`.execute(api.catalog.db);
  const all = rows.map(({ text }) => text).join("\n");
  for (const planted of [secret, "wrong horse battery", "hunter22hunter22", api.token]) {
    assert.ok(!all.includes(planted), planted);
  }
});

test("an admin of a project sees what was done in it, by filters and in pages; others see nothing", async () => {
  await api.avn("POST", "/project", { project: "other" });
  await api.avn("PUT", "/project/other/tags", { tags: {} });
  const of = (entries: readonly Entry[]) => new Set(entries.map(({ project }) => project));
  assert.deepEqual(of((await audit("", "demo")).entries), new Set(["demo"]));
  assert.deepEqual(of((await audit("", "other")).entries), new Set(["other"]));
  assert.equal((await audit("service=shop&failed=true")).entries.length, 2);
  assert.equal((await audit("actor=ANN@example.test")).entries.length, 2);
  const soon = new Date(Date.now() + 60_000).toISOString();
  assert.equal((await audit(`since=${soon}`)).entries.length, 0);

  const all = (await audit("limit=1000")).entries.map(({ id }) => id);
  const paged: number[] = [];
  for (let next: number | null = 0; next !== null; ) {
    const page: Static<typeof auditAnswer> = await audit(`limit=3&after=${next}`);
    paged.push(...page.entries.map(({ id }) => id));
    next = page.next;
  }
  assert.deepEqual(paged, all.toReversed());
  const second = await audit(`limit=2&before=${all[1]}`);
  assert.deepEqual(
    second.entries.map(({ id }) => id),
    all.slice(2, 4),
  );
  for (const query of ["limit=0", "before=x", "before=1&after=1", "since=yesterday", "until=2026-13-01"]) {
    const { status, body } = await api.avn("GET", `/btar/audit?${query}`);
    assert.equal(status, 400, query);
    assert.match(body.message, /Invalid input/, query);
  }
  const { db } = api.catalog;
  const person = await insertPerson(db, { email: "op@example.test", realName: "Op", passwordHash: null });
  await addMember(db, { project: "demo", personId: person.id, role: "operator" });
  const { text } = await createAccessToken(db, {
    ...{ userEmail: person.email, description: "t", maxAgeSeconds: null, extendWhenUsed: false, now: new Date() },
  });
  for (const path of ["/v1/project/demo/btar/audit", "/v1/btar/audit"]) {
    assert.equal((await api.send("GET", path, { headers: { authorization: `aivenv1 ${text}` } })).status, 403, path);
  }
});

test("the database takes new entries only, and gives up none that is younger than 30 days", async () => {
  const { db } = api.catalog;
  const content = { actor: "x", tokenPrefix: null, address: "::1", method: "PUT", route: "/v1/x", summary: "" };
  const about = { project: null, service: null, requestId: "00000000-0000-4000-8000-000000000000" };
  const id = await writeAudit(db, { ...content, ...about });
  const statements = [
    sql`update audit set actor = 'somebody else' where id = ${id}`,
    sql`update audit set status = 200, actor = 'somebody else' where id = ${id}`,
    sql`delete from audit where id = ${id}`,
    sql`delete from audit`,
    sql`truncate audit`,
  ];
  for (const statement of statements) await assert.rejects(statement.execute(db), /append-only/);
  await sql`update audit set status = 200 where id = ${id}`.execute(db);
  await assert.rejects(sql`update audit set status = 500 where id = ${id}`.execute(db), /append-only/);
  await sql`insert into audit (at, address, method, route, summary, request_id)
    select now() - interval '31 days', address, method, 'old', summary, request_id from audit where id = ${id}`.execute(
    db,
  );
  const count = async () => (await sql<{ n: number }>`select count(*) as n from audit`.execute(db)).rows[0]?.n ?? 0;
  const before = await count();
  await expireAudit(db, new Date(Date.now() + 60_000));
  assert.equal(await count(), before - 1);
});

test("an entry is there before the work, so that a process that ends meanwhile leaves it without an outcome", async () => {
  const { db } = api.catalog;
  await sql`create function stop_here() returns trigger language plpgsql as $$ begin raise exception 'stop'; end $$`.execute(
    db,
  );
  await sql`create trigger stop_here before update on audit execute function stop_here()`.execute(db);
  assert.equal((await api.avn("PUT", "/project/demo/tags", { tags: {} })).status, 200);
  await sql`drop trigger stop_here on audit`.execute(db);
  assert.deepEqual(await newest(1), [
    `${adminEmail} | PUT | /v1/project/:project/tags | demo | - | tags | unknown | -`,
  ]);
});

test("whoever tries to log in too often is told when to try again", async () => {
  for (let time = 0; time < 10; time += 1) await logIn("wrong horse battery");
  const { status, headers } = await logIn(secret);
  assert.equal(status, 429);
  const seconds = Number(headers["retry-after"]);
  assert.ok(seconds > 800 && seconds <= 900, String(headers["retry-after"]));
});
