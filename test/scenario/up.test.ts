import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import pg from "pg";
import { protectedKeyText } from "../../src/platform/key-text.ts";
import { isProcessAlive } from "../../src/platform/process.ts";
import { type BtarProcess, btar, eventually, systemNode } from "../support/btar-process.ts";
import { Installation } from "../support/installation.ts";

async function installation(context: TestContext, extra = ""): Promise<Installation> {
  const place = await Installation.make(extra);
  context.after(async () => await place.remove());
  return place;
}

async function stop(up: BtarProcess): Promise<void> {
  up.signal("SIGINT");
  assert.equal(await up.ended(), 0, up.output);
}

async function listening(port: number): Promise<Server> {
  const server = createServer().listen(port, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return server;
}

async function closed(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}

async function query(uri: string, sql: string): Promise<readonly unknown[]> {
  const url = new URL(uri);
  url.searchParams.delete("sslmode");
  const client = new pg.Client({ connectionString: url.toString(), ssl: { rejectUnauthorized: false } });
  await client.connect();
  try {
    const result = await client.query(sql);
    return Array.isArray(result) ? [] : result.rows;
  } finally {
    await client.end();
  }
}

function postmasterOf(directory: string): number {
  return Number(readFileSync(join(directory, "data", "postmaster.pid"), "utf8").split("\n")[0]);
}

test("btar up starts on an empty folder whatever the system's Node, stops cleanly, and continues", async (context) => {
  const place = await installation(context);
  const first = await place.up({ node: systemNode() });
  const token = /admin token, shown once: (\S+)/.exec(first.output)?.[1];
  assert.ok(token, first.output);
  assert.equal(readFileSync(join(place.data, "admin-token"), "utf8").trim(), token);
  assert.match(first.output, /MASTER KEY WAS MADE: .*keys\/master\.key/);
  assert.ok(await place.isReady());
  assert.match(first.output, /^password of admin@btar\.local: in \S+\/admin-password$/m);
  const password = readFileSync(join(place.data, "admin-password"), "utf8").trim();
  const login = { directory: place.directory, environment: { BTAR_PASSWORD: password } };
  assert.equal((await btar(["login", "admin@btar.local"], login)).code, 0);
  assert.equal((await place.btar("logout")).code, 0);

  const status = await place.btar("status", "--json");
  assert.equal(status.code, 0, status.stderr);
  const { clouds } = JSON.parse(status.stdout) as { readonly clouds: readonly { readonly is_up: boolean }[] };
  assert.deepEqual(
    clouds.map(({ is_up }) => is_up),
    [true, true],
  );

  const second = await place.btar("up");
  assert.equal(second.code, 4, "a second one on the same data is refused");
  assert.match(second.stderr, /btar-data is in use by process \d+ \(stop that process first/);

  const catalog = postmasterOf(join(place.data, "catalog"));
  await stop(first);
  assert.match(first.output, /stopping agents[^]*stopping the catalog[^]*stopped\n$/);
  assert.equal(isProcessAlive(catalog), false);
  assert.equal(await place.isReady(), false);

  const again = await place.up();
  assert.doesNotMatch(again.output, /token|password|MASTER KEY/, "shown once");
  const list = await place.btar("service", "list");
  assert.equal(list.code, 0, list.stderr);
  assert.match(list.stdout, /no services yet/);
  const silent = connect(place.port, "127.0.0.1").on("error", () => undefined);
  await once(silent, "connect");
  const askedAt = Date.now();
  again.stopReading();
  again.signal("SIGTERM");
  assert.equal(await again.ended(), 0, "a reader that is gone does not keep it from stopping in order");
  const stopMs = Date.now() - askedAt;
  assert.ok(stopMs < 30_000, `a connection on which nothing is asked held it up for ${stopMs} ms`);
  assert.deepEqual(place.serverPids(), []);
  assert.deepEqual(
    ["keys/master.key", "admin-token", "admin-password", "catalog.json", "log/server.log"].filter((file) =>
      isOpenToOthers(place.data, file),
    ),
    [],
  );
});

function isOpenToOthers(directory: string, file: string): boolean {
  return (statSync(join(directory, file)).mode & 0o077) !== 0;
}

test("P3: services go on through kill -9 of btar up, and are adopted with their data by the next one", async (context) => {
  const place = await installation(context);
  const first = await place.up();
  const created = await place.btar("service", "create", "shop", "--cloud", "local-north", "--wait", "--json");
  assert.equal(created.code, 0, created.stderr);
  const { service } = JSON.parse(created.stdout) as {
    readonly service: { readonly service_id: string; readonly service_uri: string };
  };
  await query(service.service_uri, "create table note (text text); insert into note values ('kept')");
  const shop = postmasterOf(join(place.data, "clouds", "local-north", "services", service.service_id));
  const catalog = postmasterOf(join(place.data, "catalog"));
  const agents = await place.agentPids();

  first.signal("SIGKILL");
  await first.ended();
  await eventually("the agents end with their parent", async () => agents.every((pid) => !isProcessAlive(pid)));
  assert.deepEqual(await query(service.service_uri, "select text from note"), [{ text: "kept" }]);

  const second = await place.up();
  const got = await place.btar("service", "get", "shop", "--json");
  assert.equal((JSON.parse(got.stdout) as { readonly service: { readonly state: string } }).service.state, "RUNNING");
  assert.equal(postmasterOf(join(place.data, "catalog")), catalog, "the catalog's server never stopped");
  assert.equal(isProcessAlive(shop), true, "the service never stopped");

  await stop(second);
  assert.equal(isProcessAlive(shop), false, "a clean end stops the services too");

  const third = await place.up();
  const waited = await place.btar("service", "wait", "shop");
  assert.equal(waited.code, 0, waited.stderr);
  assert.deepEqual(await query(service.service_uri, "select text from note"), [{ text: "kept" }]);
  await stop(third);
});

test("what dies beside btar up is started again, with a line that says so", async (context) => {
  const place = await installation(context);
  const up = await place.up();
  const [agent = 0] = await place.agentPids();
  process.kill(agent, "SIGKILL");
  await up.says(/agent of local-(north|south) ended \(SIGKILL\); starting it again in 1 s/);
  await eventually(
    "another agent works",
    async () => (await place.agentPids()).filter((pid) => pid !== agent).length === 2,
  );
  process.kill(postmasterOf(join(place.data, "catalog")), "SIGKILL");
  await up.says("the catalog's PostgreSQL has ended; starting it again");
  await eventually("the API answers again", async () => await place.isReady());
  await stop(up);
});

test("a first start that is killed again and again, each time a little later, is gone on with", async (context) => {
  const place = await installation(context);
  const files = [
    "keys/master.key",
    "catalog",
    "catalog/data/PG_VERSION",
    "catalog/data/postmaster.pid",
    "admin-token",
    "admin-password",
    "api-url",
  ];
  for (const file of files) {
    const killed = place.begin();
    await killed.until(`${file} is there`, () => existsSync(join(place.data, file)));
    killed.signal("SIGKILL");
    await killed.ended();
  }
  const up = await place.up();
  const list = await place.btar("service", "list");
  assert.equal(list.code, 0, `the token that nobody saw is known: ${list.stderr}`);
  await stop(up);
});

test("Ctrl-C stops what was started, while btar itself starts and while it makes a service", async (context) => {
  const place = await installation(context);
  const up = place.begin();
  await up.until("the catalog's server starts", () =>
    existsSync(join(place.data, "catalog", "data", "postmaster.pid")),
  );
  up.signal("SIGINT");
  const code = await up.ended();
  // A machine that stands still at this moment lets it come up before.
  assert.equal(code, up.output.includes("btar is up") ? 0 : 130, up.output);
  assert.equal(existsSync(join(place.data, "catalog", "data", "postmaster.pid")), false, "the catalog is stopped");

  const next = await place.up();
  const create = await place.btar("service", "create", "shop", "--type", "pg", "--cloud", "local-north");
  assert.equal(create.code, 0, create.stderr);
  await next.until("its server is started", () => place.serverPids().length > 1);
  await stop(next);
  assert.deepEqual(place.serverPids(), []);
});

test("the catalog takes another port when somebody has taken its own", async (context) => {
  const place = await installation(context);
  const first = await place.up();
  await stop(first);
  const portOf = () => (JSON.parse(readFileSync(join(place.data, "catalog.json"), "utf8")) as { port: number }).port;
  const taken = portOf();
  const squatter = await listening(taken);
  const second = await place.up();
  assert.notEqual(portOf(), taken);
  assert.equal((await place.btar("service", "list")).code, 0);
  await stop(second);
  await closed(squatter);
});

test("X1: the master key is missed, checked and guarded, and none of that changes anything", async (context) => {
  const place = await installation(context);
  const first = await place.up();
  await stop(first);
  const doctor = await place.btar("doctor");
  assert.equal(doctor.code, 1, doctor.stdout);
  assert.match(doctor.stdout, /^error: api\n {2}http:\S+ does not answer: .*\n {2}mend it: start btar/m);
  assert.match(doctor.stderr, /^starting the catalog of .* for a moment$/m);
  const file = join(place.data, "keys", "master.key");
  const refused = async (expected: RegExp) => {
    const up = await place.btar("up");
    assert.equal(up.code, 5, up.stdout);
    assert.match(up.stderr, expected);
  };
  chmodSync(file, 0o644);
  await refused(/others can read the master key .* \(mode 644\) \(run "chmod 600/);
  chmodSync(file, 0o600);
  renameSync(file, `${file}.aside`);
  await refused(/there is no master key in .*master\.key/);
  assert.equal(existsSync(file), false, "no other key is made in its place");
  writeFileSync(file, `${"0".repeat(64)}\n`, { mode: 0o600 });
  await refused(/the master key in .* is not the one that the catalog was made with/);
  writeFileSync(file, "secret\n");
  await refused(/master\.key: this is no master key \(it has 64 hex digits, or begins with BTAR-KEY\)/);
  renameSync(`${file}.aside`, file);
  const again = await place.up();
  await stop(again);
});

test("the operator's own token and key are taken, and a passphrase protects the key", async (context) => {
  const place = await installation(context);
  const keyFile = join(place.directory, "my.key");
  writeFileSync(keyFile, await protectedKeyText(Buffer.alloc(32, 0xab), "correct horse battery"), { mode: 0o600 });
  const token = "a-token-of-the-operators-own";
  const own = { BTAR_ADMIN_TOKEN: token, BTAR_ADMIN_PASSWORD: "of-my-own", BTAR_MASTER_KEY_FILE: keyFile };
  const locked = await btar(["up"], { directory: place.directory, environment: own });
  assert.match(locked.stderr, /protected by a passphrase, and nobody can be asked for it here/);
  const passphraseFile = join(place.directory, "passphrase");
  writeFileSync(passphraseFile, "correct horse battery\n", { mode: 0o600 });
  const up = await place.up({ environment: { ...own, BTAR_KEY_PASSPHRASE_FILE: passphraseFile } });
  assert.doesNotMatch(
    up.output,
    /a-token-of|of-my-own|admin-password|MASTER KEY/,
    "what the operator knows is not shown",
  );
  assert.equal(existsSync(join(place.data, "admin-password")), false);
  const known = { BTAR_PASSWORD: "of-my-own" };
  const login = await btar(["login", "admin@btar.local"], { directory: place.directory, environment: known });
  assert.equal(login.code, 0, login.stderr);
  const answer = await fetch(`${place.url}/v1/me`, { headers: { authorization: `aivenv1 ${token}` } });
  assert.equal(answer.status, 200);
  assert.equal(existsSync(join(place.data, "keys", "master.key")), false);
  await stop(up);
  const environment = { ...own, BTAR_ADMIN_TOKEN: "short", BTAR_KEY_PASSPHRASE: "correct horse battery" };
  const short = await btar(["up"], { directory: place.directory, environment });
  assert.equal(short.code, 1);
  assert.match(short.stderr, /BTAR_ADMIN_TOKEN has 5 characters/);
});

test("X1: a wrong configuration is refused with its place, before anything is made", async (context) => {
  const place = await installation(context, "limits:\n  additional_cluods: 2\n");
  const up = await place.btar("up");
  assert.equal(up.code, 1);
  assert.match(
    up.stderr,
    /^btar: btar\.yaml:4:3: unknown key limits\.additional_cluods \(did you mean additional_clouds\?\)\n$/,
  );
  assert.equal(existsSync(place.data), false);
  const missing = await place.btar("up", "--config", "other.yaml");
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /there is no configuration file .*other\.yaml/);
});

test("R1: a store that was never used and cannot be is refused at start; one that is lost later is not", async (context) => {
  const place = await installation(
    context,
    "clouds:\n  local-a: { store: file:a }\n  local-b: { store: file:blocked/b }\n",
  );
  const blocked = join(place.directory, "blocked");
  writeFileSync(blocked, "a file where a folder should be");
  const up = await place.btar("up");
  assert.equal(up.code, 1, up.stderr);
  assert.match(up.stderr, /btar\.yaml:5:21: the store of cloud local-b cannot be used: .*blocked/);

  rmSync(blocked);
  const first = await place.up();
  assert.match(first.output, /admin token, shown once/, "the token of a start that failed was not lost");
  await stop(first);
  renameSync(blocked, join(place.directory, "lost"));
  const second = await place.up();
  await eventually("local-b is down, with the reason", async () => {
    const status = await place.btar("status");
    return /^local-b +down +\S.*blocked/m.test(status.stdout) && /^local-a +up/m.test(status.stdout);
  });
  await stop(second);
});

test("an address that is taken is refused, and nothing is left running", async (context) => {
  const place = await installation(context);
  const squatter = await listening(place.port);
  const up = await place.btar("up");
  assert.equal(up.code, 1);
  assert.match(up.stderr, /the API cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
  assert.equal(existsSync(join(place.data, "catalog", "data", "postmaster.pid")), false);
  await closed(squatter);
});

test("a data directory that servers cannot reach is refused with the reason", async (context) => {
  const place = await installation(context);
  mkdirSync(join(place.directory, "closed"));
  chmodSync(join(place.directory, "closed"), 0o600);
  writeFileSync(join(place.directory, "btar.yaml"), "data_dir: closed\n");
  const up = await place.btar("up");
  assert.equal(up.code, 1);
  assert.match(up.stderr, /which database servers run as, cannot enter .*closed \(run "chmod o\+x/);
});
