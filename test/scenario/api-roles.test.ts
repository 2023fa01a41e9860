import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createAccessToken } from "../../src/catalog/access-tokens.ts";
import { insertPerson } from "../../src/catalog/people.ts";
import { addMember } from "../../src/catalog/project-members.ts";
import { adminEmail } from "../../src/control-plane/bootstrap.ts";
import { type ApiServer, createApiServer } from "../../src/control-plane/http/api-server.ts";
import { type RouteAccess, RouteAccessTable, routeAccess } from "../../src/control-plane/http/route-access.ts";
import { isAtLeast, type ProjectRole, projectRoles } from "../../src/domain/roles.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { openTestCatalog, type Refusal, type TestCatalog } from "../support/running-api.ts";
import { rejectsWith } from "../support/assert-error.ts";

let opened: TestCatalog;
let app: ApiServer;

/** A member of `own` with each role; of no other project. */
const emailOf = (role: ProjectRole) => `${role}@example.test`;
const stranger = "stranger@example.test";

before(async () => {
  opened = await openTestCatalog();
  app = await createApiServer({ ...opened.context, clock: systemClock });
  const { db } = opened.context.catalog;
  for (const project of ["own", "foreign"]) {
    await asked("POST", "/v1/project", opened.adminToken, { project });
    // A project with a service is not deleted, whoever asks.
    const service = { service_name: "kept", service_type: "pg", plan: "startup-4", cloud: "local-north" };
    assert.equal((await asked("POST", `/v1/project/${project}/service`, opened.adminToken, service)).status, 200);
  }
  for (const role of projectRoles) {
    const { id } = await insertPerson(db, { email: emailOf(role), realName: role, passwordHash: null });
    await addMember(db, { project: "own", personId: id, role });
  }
  await insertPerson(db, { email: stranger, realName: "Stranger", passwordHash: null });
});
after(async () => {
  await app.close();
  await opened.close();
});

interface Told {
  readonly status: number;
  readonly code: string;
  readonly body: Refusal;
}

async function asked(method: string, url: string, token: string | undefined, body?: object): Promise<Told> {
  if (url.endsWith("/btar/changes") && token !== undefined && (await isStreamGiven(url, token))) {
    return { status: 200, code: "", body: {} as Refusal };
  }
  const response = await app.inject({
    method: method as "GET",
    url,
    headers: token === undefined ? {} : { authorization: `aivenv1 ${token}` },
    ...(body ? { payload: body } : {}),
  });
  const answer = url === "/metrics" && response.statusCode === 200 ? {} : response.json<Partial<Refusal>>();
  const code = answer.errors?.[0]?.error_code ?? "";
  return { status: response.statusCode, code, body: answer as Refusal };
}

/** A stream of changes does not end by itself. */
async function isStreamGiven(url: string, token: string): Promise<boolean> {
  const headers = { authorization: `aivenv1 ${token}` };
  const response = await app.inject({ method: "GET", url, headers, payloadAsStream: true });
  response.stream().destroy();
  return response.statusCode === 200;
}

/** A token of its own for each request: some of them end all of their person's. */
async function tokenOf(
  userEmail: string,
  narrowed: { readonly role?: ProjectRole; readonly project?: string } = {},
  now = new Date(),
): Promise<string> {
  const { text } = await createAccessToken(opened.context.catalog.db, {
    ...{ userEmail, description: "t", maxAgeSeconds: 600, extendWhenUsed: false, now },
    ...narrowed,
  });
  return text;
}

interface Route {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly access: RouteAccess;
}

const routes: readonly Route[] = Object.entries(routeAccess).map(([name, access]) => {
  const [method = "", url = ""] = name.split(" ");
  return { name, method, url, access };
});
const ofProject = routes.filter(({ url }) => url.includes("/:project"));

function pathIn({ url }: Route, project: string): string {
  return url.replace(":project", project).replace(/:\w+/g, "none");
}

const refusals = ["role_too_low", "not_a_project_member", "token_invalid", "token_expired"];

function assertAllowed(answer: Told, what: string): void {
  assert.ok(!refusals.includes(answer.code) && answer.status < 500, `${what}: ${JSON.stringify(answer.body)}`);
}

function assertRefused(answer: Told, status: number, code: string, what: string): void {
  assert.deepEqual([answer.status, answer.code], [status, code], `${what}: ${JSON.stringify(answer.body)}`);
}

test("every route is in the table of roles, and the table names nothing else", async () => {
  for (const { name, method, url } of routes) assert.ok(app.hasRoute({ method: method as "GET", url }), name);
});

test("a route that is not in the table, or is there with what does not fit it, makes the start fail", async () => {
  const add = (url: string, access?: RouteAccess) =>
    new RouteAccessTable(access === undefined ? {} : { [`GET ${url}`]: access }).add({ method: "GET", url });
  await rejectsWith("INTERNAL", () => add("/v1/new"));
  await rejectsWith("INTERNAL", () => add("/v1/project/:project/new", "anybody"));
  await rejectsWith("INTERNAL", () => add("/v1/new", "read_only"));
  add("/v1/project/:project/new", "read_only");
});

test("every route but public ones refuses no token, a wrong one, and one that has expired", async () => {
  const expired = await tokenOf(adminEmail, {}, new Date(Date.now() - 3_600_000));
  for (const route of routes) {
    const ask = (token: string | undefined) => asked(route.method, pathIn(route, "own"), token);
    if (route.access === "public") assertAllowed(await ask(undefined), route.name);
    else {
      assertRefused(await ask(undefined), 401, "token_invalid", route.name);
      assertRefused(await ask("wrong"), 401, "token_invalid", route.name);
      assertRefused(await ask(expired), 401, "token_expired", route.name);
    }
  }
});

test("every route of a project lets its least role and those above through, and no other", async () => {
  for (const route of ofProject) {
    for (const role of projectRoles) {
      const answer = await asked(route.method, pathIn(route, "own"), await tokenOf(emailOf(role)));
      const what = `${route.name} as ${role}`;
      if (route.access !== "super_admin" && isAtLeast(role, route.access as ProjectRole)) assertAllowed(answer, what);
      else {
        assertRefused(answer, 403, "role_too_low", what);
        assert.match(answer.body.message, /needs the role \w+ in project own; \S+ has \w+|is for super admins/, what);
      }
    }
  }
});

test("a project that one is no member of looks like one that does not exist, on every route", async () => {
  for (const route of ofProject) {
    for (const email of [stranger, ...projectRoles.map(emailOf)]) {
      const foreign = await asked(route.method, pathIn(route, "foreign"), await tokenOf(email));
      const nowhere = await asked(route.method, pathIn(route, "nowhere"), await tokenOf(email));
      assertRefused(foreign, 403, "not_a_project_member", `${route.name} as ${email}`);
      assert.equal(foreign.body.message, "Not a project member");
      assert.deepEqual(foreign, nowhere);
    }
  }
});

test("super admins may use every route, in every project", async () => {
  for (const route of routes) {
    for (const project of route.url.includes("/:project") ? ["own", "foreign"] : [""]) {
      assertAllowed(await asked(route.method, pathIn(route, project), await tokenOf(adminEmail)), route.name);
    }
  }
});

test("routes beyond projects are for whom the table says, whatever one is in a project", async () => {
  for (const route of routes.filter(({ url }) => !url.includes("/:project"))) {
    const answer = await asked(route.method, pathIn(route, ""), await tokenOf(emailOf("admin")));
    const isOpen = ["public", "anybody", "whole_token"].includes(route.access);
    if (isOpen) assertAllowed(answer, route.name);
    else assertRefused(answer, 403, "role_too_low", route.name);
  }
});

test("a token that is narrowed to a role or a project does no more than that, also a super admin's", async () => {
  for (const route of routes) {
    const isProjects = route.url.includes("/:project");
    const reader = await asked(route.method, pathIn(route, "own"), await tokenOf(adminEmail, { role: "read_only" }));
    const isForReaders = ["public", "anybody", "installation_reader", "read_only"].includes(route.access);
    if (isForReaders) assertAllowed(reader, route.name);
    else assertRefused(reader, 403, "role_too_low", route.name);

    const elsewhere = await tokenOf(adminEmail, { project: "own" });
    const there = await asked(route.method, pathIn(route, "foreign"), elsewhere);
    if (isProjects) assertRefused(there, 403, "not_a_project_member", route.name);
    else if (["public", "anybody"].includes(route.access)) assertAllowed(there, route.name);
    else assertRefused(there, 403, "role_too_low", route.name);
  }
});

test("members are made, changed and removed by an admin of the project, and what they may do follows at once", async () => {
  const { db } = opened.context.catalog;
  const email = "new@example.test";
  const admin = await tokenOf(emailOf("admin"));
  const member = await tokenOf(await made(email));
  const get = (token: string) => asked("GET", "/v1/project/own", token);
  assertRefused(await get(member), 403, "not_a_project_member", "before");
  const invited = await asked("POST", "/v1/project/own/invite", admin, { user_email: "New@Example.test" });
  assert.match(invited.body.message, /new@example.test is developer of own/);
  assert.equal((await get(member)).status, 200);
  assertRefused(
    await asked("POST", "/v1/project/own/invite", admin, { user_email: email }),
    409,
    "already_exists",
    "twice",
  );
  const unknown = await asked("POST", "/v1/project/own/invite", admin, { user_email: "nobody@example.test" });
  assert.match(unknown.body.message, /no user nobody@example.test .*btar user create/);

  const url = `/v1/project/own/user/${email}`;
  assert.equal((await asked("PUT", url, admin, { member_type: "read_only" })).status, 200);
  assertRefused(await asked("GET", "/v1/project/own/service/kept/user/avnadmin", member), 403, "role_too_low", "less");
  assertRefused(await asked("PUT", url, admin, { member_type: "owner" }), 400, "invalid_input", "unknown role");
  const listed = (await app.inject({
    url: "/v1/project/own/users",
    headers: { authorization: `aivenv1 ${admin}` },
  })) as { json(): { users: readonly { user_email: string; member_type: string }[] } };
  assert.deepEqual(
    listed.json().users.map(({ user_email, member_type }) => `${user_email} ${member_type}`),
    [
      "admin@example.test admin",
      "developer@example.test developer",
      "new@example.test read_only",
      "operator@example.test operator",
      "read_only@example.test read_only",
    ],
  );
  assert.equal((await asked("DELETE", url, admin)).status, 200);
  assertRefused(await get(member), 403, "not_a_project_member", "after");
  assertRefused(await asked("DELETE", url, admin), 404, "not_found", "twice");
  const events = await db.selectFrom("event").select("kind").where("kind", "like", "member_%").orderBy("id").execute();
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["member_add", "member_update", "member_remove"],
  );
});

async function made(email: string): Promise<string> {
  return (await insertPerson(opened.context.catalog.db, { email, realName: "New", passwordHash: null })).email;
}

test("one sees one's own projects, with one's role", async () => {
  const answer = await app.inject({
    url: "/v1/project",
    headers: { authorization: `aivenv1 ${await tokenOf(emailOf("operator"))}` },
  });
  const { projects, project_membership } = answer.json<{
    projects: readonly { project_name: string }[];
    project_membership: object;
  }>();
  assert.deepEqual(
    [projects.map(({ project_name }) => project_name), project_membership],
    [["own"], { own: "operator" }],
  );
});

test("passwords of services are for developers and above; who only reads sees none", async () => {
  await opened.context.catalog.db
    .updateTable("service")
    .set({ host: "127.0.0.1", port: 20_000, state: "RUNNING" })
    .where("project", "=", "own")
    .execute();
  for (const role of projectRoles) {
    for (const url of ["/v1/project/own/service", "/v1/project/own/service/kept"]) {
      const { payload } = await app.inject({
        url,
        headers: { authorization: `aivenv1 ${await tokenOf(emailOf(role))}` },
      });
      const isShown = /"password":"|AVNS_|postgres:\/\//.test(payload);
      assert.equal(isShown, role !== "read_only", `${url} as ${role}: ${payload}`);
      assert.match(payload, /"host":"127.0.0.1"/);
    }
  }
});

test("a service is forked into another project only by who may read its data there", async () => {
  const { db } = opened.context.catalog;
  const reader = await made("reader@example.test");
  for (const [project, role] of [
    ["own", "read_only"],
    ["foreign", "operator"],
  ] as const) {
    const { id } = await db.selectFrom("person").select("id").where("email", "=", reader).executeTakeFirstOrThrow();
    await addMember(db, { project, personId: id, role });
  }
  const fork = (project: string, source: string, token: string) =>
    asked("POST", `/v1/project/${project}/service`, token, {
      service_name: "fork",
      cloud: "local-north",
      user_config: { service_to_fork_from: "kept", project_to_fork_from: source },
    });
  const low = await fork("foreign", "own", await tokenOf(reader));
  assertRefused(low, 403, "role_too_low", "read only there");
  assert.match(low.body.message, /forking from project own needs the role developer there/);
  const stranger = await tokenOf(emailOf("operator"));
  const [foreign, nowhere] = [await fork("own", "foreign", stranger), await fork("own", "nowhere", stranger)];
  assertRefused(foreign, 400, "invalid_user_config", "no member there");
  assert.equal(foreign.body.message.replace("foreign", "nowhere"), nowhere.body.message);
});

test("files are written on an agent's host by super admins, and by operators below directories that are configured", async () => {
  const restore = { location: "local-north", directory: "/srv/x" };
  const routes = [
    ["/v1/project/own/service/kept/restore", restore],
    ["/v1/project/own/service/kept/btar/lost_range", { directory: "/srv/x" }],
  ] as const;
  for (const [url, body] of routes) {
    const refused = await asked("POST", url, await tokenOf(emailOf("operator")), body);
    assertRefused(refused, 403, "role_too_low", url);
    assert.match(refused.body.message, /restore_roots/);
    assertAllowed(await asked("POST", url, await tokenOf(adminEmail), body), url);
  }
  const configuration = { ...opened.context.configuration, restoreRoots: ["/srv"] };
  const other = await createApiServer({ ...opened.context, configuration, clock: systemClock });
  for (const [url, payload] of routes) {
    const headers = { authorization: `aivenv1 ${await tokenOf(emailOf("operator"))}` };
    const answer = await other.inject({ method: "POST", url, headers, payload });
    assert.notEqual(answer.statusCode, 403, answer.payload);
  }
  await other.close();
});
