import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Static } from "typebox";
import { findAccessToken } from "../../src/catalog/access-tokens.ts";
import { changePerson, requirePerson } from "../../src/catalog/people.ts";
import type { newTokenAnswer, tokenAnswer, tokensAnswer } from "../../src/contract/access-tokens.ts";
import type { loginAnswer, meAnswer, newPersonAnswer, peopleAnswer } from "../../src/contract/people.ts";
import type { organizationAnswer, projectAnswer, projectsAnswer } from "../../src/contract/projects.ts";
import type { serviceAnswer, tagsAnswer } from "../../src/contract/services.ts";
import { adminEmail, bootstrap } from "../../src/control-plane/bootstrap.ts";
import { hashPassword, isPasswordOf } from "../../src/platform/password-hash.ts";
import { type Answer, type Refusal, RunningApi } from "../support/running-api.ts";
import { SimulatedAgent } from "../support/simulated-agent.ts";

const password = "correct horse battery";

let api: RunningApi;
before(async () => {
  api = await RunningApi.start();
  const admin = await requirePerson(api.catalog.db, adminEmail);
  await changePerson(api.catalog.db, admin, { passwordHash: await hashPassword(password) });
});
after(async () => {
  await api.close();
});

function logIn(email: string, asked: string): Promise<Answer<Static<typeof loginAnswer> & Refusal>> {
  const body = JSON.stringify({ email, password: asked });
  return api.send("POST", "/v1/userauth", { headers: { "content-type": "application/json" }, body });
}

function as<T = Refusal>(token: string, method: string, path: string, body?: object): Promise<Answer<T>> {
  const headers = { authorization: `aivenv1 ${token}`, ...(body ? { "content-type": "application/json" } : {}) };
  return api.send<T>(method, `/v1${path}`, { headers, ...(body ? { body: JSON.stringify(body) } : {}) });
}

function refused(answer: Answer<Refusal>, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.body.message, message);
}

test("a login gives a token that ends by itself, and was not made by hand", async () => {
  const { body, status } = await logIn("Admin@BTAR.local", password);
  assert.equal(status, 200);
  assert.deepEqual([body.user_email, body.state], [adminEmail, "active"]);
  const { user } = (await as<Static<typeof meAnswer>>(body.token, "GET", "/me")).body;
  assert.deepEqual(
    [user.user, user.real_name, user.state, user.auth, user.projects, user.token_validity_begin],
    [adminEmail, "btar administrator", "active", ["password"], ["demo"], null],
  );
  const row = await findAccessToken(api.catalog.db, body.token);
  assert.deepEqual([row?.created_manually, row?.max_age_seconds, row?.extend_when_used], [false, 43_200, false]);
  // `avn user logout`: the whole token, percent-encoded.
  const gone = await as(body.token, "DELETE", `/access_token/${encodeURIComponent(body.token)}`);
  assert.equal(gone.status, 200);
  refused(await as(body.token, "GET", "/me"), 401, /^Invalid token$/);
});

test("a wrong password and an unknown e-mail are refused alike, and take as long", async () => {
  await logIn("nobody@example.test", password); // the first one makes what others are compared with
  // The shortest of each: what else the machine does makes some longer.
  const times = { wrong: Number.POSITIVE_INFINITY, unknown: Number.POSITIVE_INFINITY };
  for (let round = 0; round < 4; round += 1) {
    for (const [kind, email] of [
      ["wrong", adminEmail],
      ["unknown", "nobody@example.test"],
    ] as const) {
      const startedAt = performance.now();
      const answer = await logIn(email, "wrong horse battery");
      times[kind] = Math.min(times[kind], performance.now() - startedAt);
      refused(answer, 403, /^Authentication failed: e-mail or password is wrong$/);
      assert.equal(answer.body.errors[0]?.error_code, "authentication_failed");
    }
  }
  const ratio = times.wrong / times.unknown;
  assert.ok(ratio > 1 / 3 && ratio < 3, `${times.wrong} ms and ${times.unknown} ms`);
});

test("whoever guesses is held up, also when the password would be right; others are not", async () => {
  const email = "guessed@example.test";
  await as(api.token, "POST", "/btar/user", { email, password });
  const guesses = await Promise.all(Array.from({ length: 12 }, () => logIn(email, "wrong horse battery")));
  assert.equal(guesses.filter(({ status }) => status === 403).length, 10);
  refused(await logIn(email, password), 429, /Too many failed attempts to log in \(try again in 15 min\)/);
  assert.equal((await logIn(adminEmail, password)).status, 200);
});

test("users are made, listed, disabled, given another password and deleted, and their tokens follow", async () => {
  const email = "Ann@Example.test";
  const made = await as<Static<typeof newPersonAnswer>>(api.token, "POST", "/btar/user", { email, real_name: "Ann" });
  assert.equal(made.body.user.email, "ann@example.test");
  const random = made.body.password ?? "";
  assert.ok(random.length >= 20);
  refused(await as(api.token, "POST", "/btar/user", { email: "ann@EXAMPLE.test" }), 409, /already exists/);
  const { token } = (await logIn(email, random)).body;
  const own = await as<Static<typeof newTokenAnswer>>(token, "POST", "/access_token", { description: "script" });
  const path = "/btar/user/ann@example.test";

  refused(await as(token, "PUT", path, { state: "disabled" }), 403, /is for super admins; ann@example.test is none/);
  const first = `/btar/user/${adminEmail}`;
  refused(await as(api.token, "PUT", first, { state: "disabled" }), 409, /cannot be disabled by itself/);
  refused(await as(api.token, "DELETE", first), 409, /cannot be deleted by itself/);
  await as(api.token, "PUT", path, { password });
  refused(await as(token, "GET", "/me"), 401, /Invalid token/);
  assert.equal((await as(own.body.full_token, "GET", "/me")).status, 200, "what was made by hand stays");
  refused(await logIn(email, random), 403, /Authentication failed/);

  const again = (await logIn(email, password)).body.token;
  const changed = { password, new_password: "another horse battery" };
  refused(await as(again, "PUT", "/me/password", { ...changed, password: "x" }), 403, /until now is wrong/);
  assert.equal((await as(again, "PUT", "/me/password", changed)).status, 200);
  assert.equal((await as(again, "GET", "/me")).status, 200, "whoever changes a password goes on");

  await as(api.token, "PUT", path, { state: "disabled" });
  refused(await logIn(email, "another horse battery"), 403, /Authentication failed/);
  refused(await as(own.body.full_token, "GET", "/me"), 401, /Invalid token/);
  const { users } = (await as<Static<typeof peopleAnswer>>(api.token, "GET", "/btar/user")).body;
  assert.deepEqual(
    users.filter((user) => user.real_name === "Ann").map(({ state, has_password }) => [state, has_password]),
    [["disabled", true]],
  );
  assert.equal((await as(api.token, "DELETE", path)).status, 200);
  refused(await as(api.token, "DELETE", path), 404, /no user ann@example.test/);
});

test("the first administrator is disabled, not deleted, and a start does not bring its token back", async () => {
  const email = "ben@example.test";
  await as(api.token, "POST", "/btar/user", { email, password, is_super_admin: true });
  const { token } = (await logIn(email, password)).body;
  const first = `/btar/user/${adminEmail}`;
  refused(await as(token, "PUT", first, { is_super_admin: false }), 409, /stays super admin.*disable it instead/);
  refused(
    await as(token, "PUT", "/btar/user/ben@example.test", { is_super_admin: false }),
    409,
    /made less.* by itself/,
  );
  refused(await as(token, "DELETE", first), 409, /makes the first administrator again.*disable it instead/);
  await as(token, "PUT", first, { state: "disabled" });
  refused(await as(api.token, "GET", "/me"), 401, /Invalid token/);
  const { configuration, masterKey, catalog } = api;
  const started = await bootstrap(catalog, { configuration, masterKey, adminToken: api.token });
  assert.equal(started.newAdminToken, undefined);
  await as(token, "PUT", first, { state: "active" });
  await bootstrap(catalog, { configuration, masterKey, adminToken: api.token });
  assert.equal((await as(api.token, "GET", "/me")).status, 200);
});

test("a password for the first administrator is taken once, and one that the operator chose from each start on", async () => {
  const { configuration, masterKey, catalog } = api;
  const start = (text: string, isChosen: boolean) =>
    bootstrap(catalog, { configuration, masterKey, adminToken: api.token, adminPassword: { text, isChosen } });
  assert.equal((await start("random random", false)).isPasswordTaken, false, "there is one already");
  assert.equal((await start("chosen by me", true)).isPasswordTaken, true);
  assert.equal((await start("chosen by me", true)).isPasswordTaken, false);
  const { password_hash } = await requirePerson(catalog.db, adminEmail);
  assert.equal(await isPasswordOf(password_hash ?? "", "chosen by me"), true);
});

test("a token is described anew by its prefix or whole text, and expires within the limits of the contract", async () => {
  const make = (body: object) => api.avn<Static<typeof newTokenAnswer>>("POST", "/access_token", body);
  const { body } = await make({ description: "t", max_age_seconds: 315_360_000, extend_when_used: true });
  const described = (name: string, description: string) =>
    api.avn<Static<typeof tokenAnswer>>("PUT", `/access_token/${encodeURIComponent(name)}`, { description });
  assert.equal((await described(body.token_prefix, "by prefix")).body.description, "by prefix");
  const whole = await described(body.full_token, "by its text");
  assert.deepEqual([whole.body.description, whole.body.token_prefix], ["by its text", body.token_prefix]);
  assert.equal("full_token" in whole.body, false);
  for (const max_age_seconds of [599, 315_360_001, 600.5, "600"]) {
    assert.equal((await make({ description: "t", max_age_seconds })).status, 400, String(max_age_seconds));
  }
  refused(await api.avn("PUT", "/access_token/none", { description: "x" }), 404, /no such token/);
});

test("a token that is extended when used ends after not being used, and one that is not ends all the same", async () => {
  const made = async (extend_when_used: boolean) => {
    const body = { description: "t", max_age_seconds: 600, extend_when_used };
    const { full_token, token_prefix } = (await api.avn<Static<typeof newTokenAnswer>>("POST", "/access_token", body))
      .body;
    // Made 9 minutes ago, and never used since.
    await api.catalog.db
      .updateTable("access_token")
      .set({ expires_at: new Date(Date.now() + 60_000) })
      .where("prefix", "=", token_prefix)
      .execute();
    assert.equal((await as(full_token, "GET", "/me")).status, 200);
    const { tokens } = (await api.avn<Static<typeof tokensAnswer>>("GET", "/access_token")).body;
    return Date.parse(tokens.find((token) => token.token_prefix === token_prefix)?.expiry_time ?? "") - Date.now();
  };
  assert.ok((await made(true)) > 500_000);
  assert.ok((await made(false)) < 61_000);
});

test("projects are made, changed and deleted; what stands in the way is said, with what to do", async () => {
  const create = (body: object) => api.avn<Static<typeof projectAnswer> & Refusal>("POST", "/project", body);
  const { body: organization } = await api.avn<Static<typeof organizationAnswer>>("GET", "/organization/orgbtar");
  const asked = { project: "p2", account_id: organization.account_id, cloud: "local-south" };
  const { body } = await create({ ...asked, use_source_project_billing_group: false, tech_emails: [{ email: "a@b" }] });
  assert.deepEqual([body.project.project_name, body.project.default_cloud], ["p2", "local-south"]);
  refused(await create(asked), 409, /^Project name 'p2' already exists$/);
  refused(await create({ ...asked, project: "P_3" }), 400, /project/);
  refused(await create({ ...asked, project: "x".repeat(64) }), 400, /project/);
  refused(await create({ ...asked, account_id: "a2" }), 400, /account_id 'a2' is unknown.*btar/);
  refused(await create({ ...asked, project: "p3", cloud: "nope-1" }), 400, /cloud 'nope-1' is unknown.*local-north/);
  refused(await api.avn("GET", "/organization/org2"), 404, /Organization not found: org2 \(there is one: orgbtar\)/);

  await api.avn("PUT", "/project/p2/tags", { tags: { team: "a", old: "1" } });
  await api.avn("PATCH", "/project/p2/tags", { tags: { team: "b", old: null } });
  const copied = await create({ project: "p3", cloud: null, copy_from_project: "p2" });
  assert.deepEqual([copied.body.project.default_cloud, copied.body.project.tags], ["local-south", { team: "b" }]);
  const updated = await api.avn<Static<typeof projectAnswer>>("PUT", "/project/p3", { cloud: "local-north" });
  assert.deepEqual([updated.body.project.default_cloud, updated.body.project.tags], ["local-north", { team: "b" }]);
  refused(await api.avn("PUT", "/project/p3", { project_name: "p4" }), 400, /'p4': a project cannot be renamed/);
  assert.deepEqual((await api.avn<Static<typeof tagsAnswer>>("GET", "/project/p3/tags")).body.tags, { team: "b" });

  const service = { service_name: "db1", service_type: "pg", plan: "startup-4", cloud: null };
  const made = await api.avn<Static<typeof serviceAnswer>>("POST", "/project/p2/service", service);
  assert.equal(made.body.service.cloud_name, "local-south");
  refused(await api.avn("DELETE", "/project/p2"), 409, /has services: db1 \(delete them first\)/);
  await api.avn("DELETE", "/project/p2/service/db1");
  refused(await api.avn("DELETE", "/project/p2"), 409, /still has the backups of deleted services: db1 \(.* after 20/);
  await new SimulatedAgent(api).removesAll();
  await api.catalog.db.deleteFrom("service").where("project", "=", "p2").execute();
  assert.equal((await api.avn("DELETE", "/project/p2")).status, 200);
  refused(await api.avn("DELETE", "/project/p2"), 404, /Project not found: p2/);
  refused(await api.avn("DELETE", "/project/demo"), 409, /the one that the configuration names/);
  const { projects } = (await api.avn<Static<typeof projectsAnswer>>("GET", "/project")).body;
  assert.deepEqual(
    projects.map(({ project_name }) => project_name),
    ["demo", "p3"],
  );
  const again = await create(asked);
  assert.deepEqual(again.body.project.tags, {}, "nothing of the project that had the name is left");
  const { events } = (await api.avn<{ events: readonly { event_type: string }[] }>("GET", "/project/p2/events")).body;
  // That no agent answers is told of every project.
  assert.deepEqual(
    events.map(({ event_type }) => event_type).filter((type) => type !== "cloud_down"),
    ["project_create"],
  );
});
