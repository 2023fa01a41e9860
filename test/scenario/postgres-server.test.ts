import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import type { ServerSpec } from "../../src/engine/server.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { isProcessAlive } from "../../src/platform/process.ts";
import { rejectsWith } from "../support/assert-error.ts";
import {
  adminOf,
  connect,
  internalOf,
  ManagedServers,
  noSignal,
  programs,
  query,
  refusal,
  specOf,
} from "../support/managed-postgres.ts";

for (const majorVersion of ["14", "18"]) {
  test(`PostgreSQL ${majorVersion} is made, started, adopted, configured and stopped`, async () => {
    await using servers = await ManagedServers.create();
    const { driver } = servers;
    const directory = servers.directoryOf("shop");
    const spec = await specOf("shop", majorVersion);
    assert.deepEqual(await driver.status(directory), { state: "absent" });
    await driver.initialize(directory, spec, { signal: noSignal });
    assert.deepEqual(await driver.status(directory), { state: "stopped" });
    await rejectsWith("ALREADY_EXISTS", () => driver.initialize(directory, spec, { signal: noSignal }));

    await driver.start(directory, spec, { signal: noSignal });
    const status = await driver.status(directory);
    await driver.start(directory, spec, { signal: noSignal });
    assert.deepEqual(await driver.status(directory), status, "a running server is left as it is");
    assert.deepEqual(await settingsOf(spec, "data_checksums", "server_encoding", "password_encryption", "ssl"), [
      "on",
      "UTF8",
      "scram-sha-256",
      "on",
    ]);
    const [collation] = await query(internalOf(spec), "select 'Z' < 'a', upper('ä') = 'Ä'");
    assert.deepEqual(collation, [true, true], "sorted by code point, with case mapping of all letters");

    const reloaded = { ...spec, userConfig: { pg: { log_min_duration_statement: 77 } } };
    assert.deepEqual(await driver.configure(directory, reloaded), { needsRestart: false });
    assert.deepEqual(await settingsOf(spec, "log_min_duration_statement"), ["77"]);
    const larger = { ...spec, userConfig: { pg: { max_connections: 77 } } };
    assert.deepEqual(await driver.configure(directory, larger), { needsRestart: true });
    await driver.stop(directory);
    assert.deepEqual(await driver.status(directory), { state: "stopped" });
    await driver.stop(directory); // nothing to do
    await driver.start(directory, larger, { signal: noSignal });
    assert.deepEqual(await settingsOf(spec, "max_connections", "log_min_duration_statement"), ["77", "-1"]);
    assert.deepEqual(await driver.configure(directory, larger), { needsRestart: false });

    const log = await driver.recentLog(directory, { maxLines: 4 });
    assert.equal(log.length, 4);
    assert.ok(log.some(({ at, message }) => at && message.includes("reloading configuration files")));
  });

  test(`accounts of PostgreSQL ${majorVersion}: what they may do, and what they may not`, async () => {
    await using servers = await ManagedServers.create();
    const { driver } = servers;
    const spec = await startedServer(servers, "shop", majorVersion);
    const address = driver.internalAddress(servers.directoryOf("shop"), spec);
    await driver.putUser(address, { name: "app", password: "first", isAdmin: false });
    await driver.putUser(address, { name: 'o"dd', password: "it's", isAdmin: false });
    await driver.createDatabase(address, { name: 'da"ta', owner: "app" });
    await driver.createDatabase(address, { name: 'da"ta', owner: "app" });
    assert.deepEqual(await driver.listAccounts(address), {
      users: ["app", "avnadmin", 'o"dd'],
      databases: ['da"ta', "defaultdb"],
    });

    const app = { ...adminOf(spec, 'da"ta'), user: "app", password: "first" };
    await query(app, "create table mine (id int)");
    await driver.putUser(address, { name: "app", password: "second", isAdmin: false });
    assert.equal(await refusal(app), "28P01");
    const again = { ...app, password: "second" };
    assert.deepEqual(await query({ ...adminOf(spec), user: 'o"dd', password: "it's" }, "select 1"), [[1]]);

    const admin = adminOf(spec);
    const [rights] = await query(
      admin,
      "select rolsuper, rolcreatedb, rolreplication from pg_roles where rolname = user",
    );
    assert.deepEqual(rights, [false, true, false]);
    await query(admin, "create table t (id int)", "drop table t", "create database extra", "drop database extra");
    if (majorVersion === "18") await query(admin, "create role made_by_admin login", "drop role made_by_admin");
    else await assert.rejects(query(admin, "create role x"), /permission denied to create role/);
    await assert.rejects(query(admin, "grant pg_execute_server_program to avnadmin"), { code: "42501" });

    const owning = await rejectsWith("WRONG_STATE", () => driver.dropUser(address, "app"));
    assert.match(owning.message, /user app owns objects: da"ta \(1\), database da"ta \(1\)/);
    await query({ ...admin, database: 'da"ta' }, "reassign owned by app to current_user");
    await query({ ...admin, database: "defaultdb" }, "create table t (id int)", "grant select on t to app");
    const session = await connect(again);
    const ended = new Promise<void>((resolve) => session.once("end", resolve));
    await driver.dropUser(address, "app");
    await ended;
    await driver.dropUser(address, "app"); // nothing to do
    assert.equal(await refusal(again), "28P01");

    await driver.dropDatabase(address, 'da"ta');
    await driver.dropDatabase(address, 'da"ta');
    assert.deepEqual((await driver.listAccounts(address)).databases, ["defaultdb"]);
    for (const name of ["btar_internal", "postgres", "pg_monitor", "", "x".repeat(64)]) {
      await rejectsWith("INVALID_NAME", () => driver.putUser(address, { name, password: "p", isAdmin: true }));
      await rejectsWith("INVALID_NAME", () => driver.dropUser(address, name));
    }
    for (const name of ["postgres", "template0", "template1"]) {
      await rejectsWith("INVALID_NAME", () => driver.dropDatabase(address, name));
    }

    await query(internalOf(spec), "alter system set log_statement = 'all'", "select pg_reload_conf()");
    await driver.putUser(address, { name: "app", password: "never in a log", isAdmin: false });
    const log = (await driver.recentLog(servers.directoryOf("shop"), { maxLines: 1000 })).map(({ message }) => message);
    assert.ok(log.some((message) => message.includes('alter role "app"')));
    assert.ok(!log.some((message) => message.includes("never in a log")), "passwords do not reach the server's log");
    await driver.configure(servers.directoryOf("shop"), spec);
    assert.deepEqual(
      await settingsOf(spec, "log_statement"),
      ["none"],
      "ALTER SYSTEM does not outlast a configuration",
    );
  });
}

test("who may connect from where", async () => {
  await using servers = await ManagedServers.create();
  const spec = await startedServer(servers, "shop", "18", { ip_filter: ["127.0.0.1", "10.0.0.0/8"] });
  const [internal, admin] = [internalOf(spec), adminOf(spec)];
  assert.deepEqual(await query(internal, "select 1"), [[1]]);
  assert.deepEqual(await query(admin, "select 1"), [[1]]);
  assert.equal(await refusal({ ...admin, tls: false }), "28000", "customers need TLS");
  assert.equal(await refusal({ ...admin, from: "127.0.0.2" }), "28000", "customers come from ip_filter");
  assert.equal(await refusal({ ...internal, from: "127.0.0.2" }), "28000", "btar comes from this host");
  assert.equal(await refusal({ ...admin, isReplication: true }), "28000", "no physical replication for customers");
  assert.equal(await refusal({ ...internal, isReplication: true }), undefined);
  assert.equal(await refusal({ ...internal, password: "wrong" }), "28P01");
});

test("settings that PostgreSQL does not take are refused before anything is changed", async () => {
  await using servers = await ManagedServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await startedServer(servers, "shop", "18");
  const before = await readFile(path.join(directory, "data/postgresql.conf"), "utf8");
  const wrong = { ...spec, userConfig: { pg: { timezone: "Nowhere/Land" } } };
  const error = await rejectsWith("INVALID_USER_CONFIG", () => driver.configure(directory, wrong));
  assert.match(error.message, /invalid value for parameter "TimeZone": "Nowhere\/Land"$/);
  await rejectsWith("INVALID_USER_CONFIG", () =>
    driver.configure(directory, { ...spec, userConfig: { pg: { port: 1 } } }),
  );
  assert.equal(await readFile(path.join(directory, "data/postgresql.conf"), "utf8"), before);
  assert.deepEqual(
    (await readdir(path.join(directory, "data"))).filter((name) => name.includes("unchecked")),
    [],
  );

  const absent = servers.directoryOf("absent");
  await rejectsWith("INVALID_USER_CONFIG", () => driver.initialize(absent, wrong, { signal: noSignal }));
  assert.deepEqual(await driver.status(absent), { state: "absent" });
  assert.deepEqual(
    (await readdir(absent)).filter((name) => name.startsWith("data")),
    [],
  );
});

test("a server outlives the process that started it, and is adopted by the next", async () => {
  await using servers = await ManagedServers.create();
  const directory = servers.directoryOf("shop");
  const spec = await specOf("shop", "18");
  await servers.driver.initialize(directory, spec, { signal: noSignal });
  const args = ["--input-type=module", "-e", startingScript, programs, directory, JSON.stringify(spec)];
  const starter = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(starter.stdout, "data");
  const gone = once(starter, "exit");
  starter.kill("SIGKILL");
  await gone;
  const status = await servers.driver.status(directory);
  assert.ok(status.state === "running" && isProcessAlive(status.pid));
  await servers.driver.start(directory, spec, { signal: noSignal });
  assert.deepEqual(await servers.driver.status(directory), status);
  assert.deepEqual(await query(internalOf(spec), "select 1"), [[1]]);
});

test("a server that was killed is started again, whoever has its process id now", async () => {
  await using servers = await ManagedServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await startedServer(servers, "shop", "18");
  await query(internalOf(spec), "create table kept as select 1");
  const status = await driver.status(directory);
  assert.ok(status.state === "running");
  process.kill(status.pid, "SIGKILL");
  await driver.start(directory, spec, { signal: noSignal }); // while its other processes may still be there
  assert.deepEqual(await query(internalOf(spec), "select * from kept"), [[1]]);

  await driver.stop(directory);
  const pidFile = path.join(directory, "data/postmaster.pid");
  await writeFile(pidFile, `${process.pid}\n${path.join(directory, "data")}\n1\n${spec.port}\n\n*\n 1 1\nready   \n`);
  assert.deepEqual(await driver.status(directory), { state: "stopped" });
  await driver.start(directory, spec, { signal: noSignal });
  assert.deepEqual(await query(internalOf(spec), "select * from kept"), [[1]]);
});

test("a server that cannot start is reported with what its log says, and does not stay", async () => {
  await using servers = await ManagedServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await specOf("shop", "18");
  await driver.initialize(directory, spec, { signal: noSignal });
  // Something that accepts connections and never says a word.
  await using listener = net.createServer((socket) => socket.resume()).listen(spec.port, "127.0.0.1");
  await once(listener, "listening");
  const taken = await rejectsWith("SERVER_START_FAILED", () => driver.start(directory, spec, { signal: noSignal }));
  assert.match(taken.message, /could not (bind|create any TCP)/);
  assert.deepEqual(await driver.status(directory), { state: "stopped" });

  const other = await startedServer(servers, "other", "18");
  const inOthersPlace = { ...spec, port: other.port, listenHost: "127.0.0.3", accounts: other.accounts };
  await driver.configure(directory, inOthersPlace);
  const mixedUp = await rejectsWith("SERVER_START_FAILED", () =>
    driver.start(directory, inOthersPlace, { signal: noSignal }),
  );
  assert.match(mixedUp.message, /port \d+ of 127\.0\.0\.1 is in use by the PostgreSQL in .*other/);
  assert.deepEqual(await driver.status(directory), { state: "stopped" });
});

test("an initialization that was broken off is done again; directories with other things in them are left alone", async () => {
  await using servers = await ManagedServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await specOf("shop", "18");
  const controller = new AbortController();
  const initialization = driver.initialize(directory, spec, { signal: controller.signal });
  while (!(await readdir(directory).catch(() => [])).some((name) => name.endsWith(".unfinished"))) {
    await systemClock.sleep(5);
  }
  controller.abort();
  await rejectsWith("CANCELLED", () => initialization);
  assert.deepEqual(await driver.status(directory), { state: "absent" });
  await mkdir(path.join(directory, "data.000000000000.unfinished")); // as after a kill -9
  await driver.initialize(directory, spec, { signal: noSignal });
  assert.deepEqual((await readdir(directory)).sort(), ["data", "log", "server.json", "tls"]);

  await rm(path.join(directory, "server.json"));
  await rejectsWith("ALREADY_EXISTS", () => driver.initialize(directory, spec, { signal: noSignal }));
  await rejectsWith("WRONG_STATE", () => driver.start(directory, spec, { signal: noSignal }));
  assert.ok((await readdir(path.join(directory, "data"))).includes("PG_VERSION"));
});

const modules = ["../../src/engine/postgres/server/server-driver.ts", "../../src/engine/run-as.ts"];
const startingScript = `
  const [{ PostgresServerDriver }, { resolveRunAs }] = await Promise.all(
    ${JSON.stringify(modules.map((module) => import.meta.resolve(module)))}.map((module) => import(module)));
  const [serversDirectory, directory, spec] = process.argv.slice(1);
  const options = { serversDirectory, configuredBasedirs: {}, runAs: await resolveRunAs(undefined) };
  const driver = new PostgresServerDriver(options);
  await driver.start(directory, JSON.parse(spec), { signal: new AbortController().signal });
  console.log("started");
  setInterval(() => {}, 1000);`;

/** A running server with its administrator and `defaultdb`. */
async function startedServer(
  servers: ManagedServers,
  name: string,
  majorVersion: string,
  userConfig: Record<string, unknown> = {},
): Promise<ServerSpec> {
  const { driver } = servers;
  const spec = await specOf(name, majorVersion, userConfig);
  const directory = servers.directoryOf(name);
  await driver.initialize(directory, spec, { signal: noSignal });
  await driver.start(directory, spec, { signal: noSignal });
  const address = driver.internalAddress(directory, spec);
  await driver.putUser(address, { ...spec.accounts.admin, isAdmin: true });
  await driver.createDatabase(address, { name: "defaultdb", owner: spec.accounts.admin.name });
  return spec;
}

async function settingsOf(spec: ServerSpec, ...names: readonly string[]): Promise<unknown[] | undefined> {
  const columns = names.map((name) => `(select setting from pg_settings where name = '${name}')`);
  const [row] = await query(internalOf(spec), `select ${columns.join()}`);
  return row;
}
