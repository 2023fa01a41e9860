import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { after, before, test } from "node:test";
import type mysql from "mysql2/promise";
import { connectSocket, secureSocket, StartUp } from "../../src/engine/client-socket.ts";
import { streamLog } from "../../src/engine/mysql/binlog/log-stream.ts";
import { MysqlConnection, type Row } from "../../src/engine/mysql/connection.ts";
import { packetOf } from "../../src/engine/mysql/packets.ts";
import { MysqlManagedServers, type MysqlServerOptions } from "../../src/engine/mysql/server/managed-server.ts";
import type { ServerSpec } from "../../src/engine/server.ts";
import { MemoryObjectStore } from "../../src/object-store/memory/memory-object-store.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { isProcessAlive } from "../../src/platform/process.ts";
import { rejectsWith } from "../support/assert-error.ts";
import { openFixture } from "../support/backup-fixture.ts";
import { eventually } from "../support/btar-process.ts";
import {
  errnoOf,
  ManagedMysqlServers,
  mysqlAdminOf,
  mysqlConnect,
  mysqlQuery,
  mysqlRefusal,
  mysqlServerOptions,
  mysqlSpecOf,
  newCertificate,
  noSignal,
} from "../support/managed-mysql.ts";
import { backUp } from "../support/mysql-backup.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** A running server with its administrator, for tests that leave it as it was. */
let shared: { readonly servers: ManagedMysqlServers; readonly spec: ServerSpec };

before(async () => {
  const servers = await ManagedMysqlServers.create();
  shared = { servers, spec: await startedServer(servers, "shop") };
});
after(async () => await shared.servers[Symbol.asyncDispose]());

test("MySQL is made, started, adopted, configured and stopped", async () => {
  await using servers = await ManagedMysqlServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await mysqlSpecOf("shop");
  assert.deepEqual(await driver.status(directory), { state: "absent" });
  await driver.initialize(directory, spec, { signal: noSignal });
  assert.deepEqual(await driver.status(directory), { state: "stopped" });
  await rejectsWith("ALREADY_EXISTS", () => driver.initialize(directory, spec, { signal: noSignal }));

  await driver.start(directory, spec, { signal: noSignal });
  const status = await driver.status(directory);
  await driver.start(directory, spec, { signal: noSignal });
  assert.deepEqual(await driver.status(directory), status, "a running server is left as it is");
  const backedUp = await variablesOf(servers, spec, "gtid_mode", "binlog_format", "sync_binlog", "log_bin_basename");
  assert.deepEqual(backedUp, ["ON", "ROW", "1", path.join(directory, "data/binlog")]);
  const internal = await internalQuery(
    servers,
    spec,
    "SELECT USER() AS user, (SELECT plugin_status FROM information_schema.plugins WHERE plugin_name = 'clone') AS clone",
  );
  assert.deepEqual({ ...internal[0] }, { user: "btar_internal@localhost", clone: "ACTIVE" });
  const users = await internalQuery(servers, spec, "SELECT user FROM mysql.user WHERE user NOT LIKE 'mysql.%'");
  assert.deepEqual(
    users.map((row) => Object.values(row)),
    [["btar_internal"], ["btar_internal"]],
    "nobody else can log in",
  );

  const online = { ...spec, userConfig: { mysql: { long_query_time: 0.5, sql_mode: "ANSI_QUOTES" } } };
  assert.deepEqual(await driver.configure(directory, online), { needsRestart: false });
  assert.deepEqual(await variablesOf(servers, spec, "long_query_time", "sql_mode"), ["0.500000", "ANSI_QUOTES"]);
  const threads = { ...spec, userConfig: { mysql: { innodb_read_io_threads: 7, max_connections: 77 } } };
  assert.deepEqual(await driver.configure(directory, threads), { needsRestart: true });
  assert.deepEqual(await variablesOf(servers, spec, "long_query_time", "max_connections"), ["10.000000", "77"]);
  await driver.stop(directory);
  assert.deepEqual(await driver.status(directory), { state: "stopped" });
  await driver.stop(directory); // nothing to do
  await driver.start(directory, threads, { signal: noSignal });
  assert.deepEqual(await variablesOf(servers, spec, "innodb_read_io_threads", "max_connections"), ["7", "77"]);
  assert.deepEqual(await driver.configure(directory, threads), { needsRestart: false });
  assert.deepEqual(await driver.configure(directory, { ...threads, port: 1 }), { needsRestart: true });

  const log = await driver.recentLog(directory, { maxLines: 3 });
  assert.equal(log.length, 3);
  assert.ok(log.some(({ at, message }) => at && message.includes("ready for connections")));
});

test("accounts of MySQL: what they may do, and what they may not", async () => {
  await using servers = await ManagedMysqlServers.create();
  const { driver } = servers;
  const spec = await startedServer(servers, "shop", { mysql: { sql_mode: "NO_BACKSLASH_ESCAPES" } });
  const address = driver.internalAddress(servers.directoryOf("shop"), spec);
  await driver.putUser(address, { name: "app", password: "first", isAdmin: false });
  await driver.putUser(address, { name: "o'd\"d`", password: "it's \\ ?", isAdmin: false });
  await driver.createDatabase(address, { name: "da`t_a%", owner: "app" });
  await driver.createDatabase(address, { name: "da`t_a%", owner: "app" });
  assert.deepEqual(await driver.listAccounts(address), {
    users: ["app", "avnadmin", "o'd\"d`"],
    databases: ["da`t_a%", "defaultdb"],
  });

  const app = { ...mysqlAdminOf(spec), user: "app", password: "first", database: "da`t_a%" };
  await mysqlQuery(app, "create table mine (id int primary key)", "insert into mine values (1)");
  assert.equal(await errnoOf(() => mysqlQuery({ ...app, database: "defaultdb" }, "do 1")), 1044);
  await driver.putUser(address, { name: "app", password: "second", isAdmin: false });
  assert.equal(await mysqlRefusal(app), 1045);
  const again = { ...app, password: "second" };
  assert.deepEqual(await mysqlQuery(again, "select * from mine"), [[1]]);
  assert.deepEqual(await mysqlQuery({ ...mysqlAdminOf(spec), user: "o'd\"d`", password: "it's \\ ?" }, "select 1"), [
    [1],
  ]);

  const admin = mysqlAdminOf(spec);
  await driver.putUser(address, { ...spec.accounts.admin, isAdmin: true });
  await mysqlQuery(
    admin,
    "create database extra",
    "create table extra.t (id int primary key)",
    "create user made@'%' identified by 'm'",
    "grant all on extra.* to made@'%'",
    "create role readers",
    "grant readers to made@'%'",
    "flush privileges",
    "drop database extra",
    "drop user made@'%'",
  );
  assert.deepEqual((await driver.listAccounts(address)).users, ["app", "avnadmin", "o'd\"d`"], "a role is no user");
  for (const statement of forbidden) {
    const errno = await errnoOf(() => mysqlQuery(admin, statement));
    assert.ok([1044, 1045, 1142, 1227, 1410, 1698].includes(errno ?? 0), `${statement}: ${errno}`);
  }

  await mysqlQuery(again, "create view seen as select * from mine");
  const defining = await rejectsWith("WRONG_STATE", () => driver.dropUser(address, "app"));
  assert.match(defining.message, /user app is the definer of view da`t_a%\.seen/);
  await mysqlQuery(again, "drop view seen");
  const session = await mysqlConnect(again);
  const ended = new Promise((resolve) => session.once("error", resolve)); // "the server closed the connection"
  await driver.dropUser(address, "app");
  await ended;
  await driver.dropUser(address, "app"); // nothing to do
  assert.equal(await mysqlRefusal(again), 1045);

  await driver.createDatabase(address, { name: "da`t_a%", owner: "o'd\"d`" });
  await driver.dropDatabase(address, "da`t_a%");
  await driver.dropDatabase(address, "da`t_a%");
  assert.deepEqual((await driver.listAccounts(address)).databases, ["defaultdb"]);
  const rights = await internalQuery(
    servers,
    spec,
    "SELECT db FROM mysql.db WHERE db NOT IN ('sys', 'performance_schema')",
  );
  assert.deepEqual(
    rights.map(({ db }) => db),
    ["defaultdb"],
    "rights on the database went with it",
  );
  for (const name of ["btar_internal", "root", "mysql.sys", "", "x".repeat(33), " x", "😀"]) {
    await rejectsWith("INVALID_NAME", () => driver.putUser(address, { name, password: "p", isAdmin: true }));
    await rejectsWith("INVALID_NAME", () => driver.dropUser(address, name));
  }
  for (const name of ["mysql", "SYS", "performance_schema", "", "x".repeat(65), "x "]) {
    await rejectsWith("INVALID_NAME", () => driver.dropDatabase(address, name));
    await rejectsWith("INVALID_NAME", () => driver.createDatabase(address, { name, owner: "avnadmin" }));
  }
  await rejectsWith("INVALID_INPUT", () => driver.putUser(address, { name: "app", password: "", isAdmin: false }));
  await rejectsWith("SERVER_REFUSED", () => driver.createDatabase(address, { name: "d", owner: "missing" }));
});

/** What would let an administrator out of btar's sight, into its place, or into the host. */
const forbidden = [
  "reset binary logs and gtids",
  "purge binary logs before now()",
  "set sql_log_bin = 0",
  "set global init_connect = ''",
  "set persist max_connections = 5",
  "set session binlog_format = 'STATEMENT'",
  "alter user btar_internal@localhost identified by 'x'",
  "drop user btar_internal@localhost",
  "grant btar_internal@localhost to avnadmin@'%'",
  "grant proxy on btar_internal@localhost to avnadmin@'%'",
  "grant all on *.* to avnadmin@'%'",
  "grant update on mysql.* to avnadmin@'%'",
  "update mysql.user set user = 'x'",
  "drop table mysql.func",
  "create definer = btar_internal@localhost procedure defaultdb.p() select 1",
  "lock instance for backup",
  "clone local data directory = '/tmp/btar-never'",
  "select 'x' into outfile '/tmp/btar-never'",
  "shutdown",
];

test("passwords reach neither the server's log nor its binary log", async () => {
  const { servers, spec } = shared;
  const address = servers.driver.internalAddress(servers.directoryOf("shop"), spec);
  await internalQuery(servers, spec, "SET GLOBAL log_output = 'TABLE', general_log = ON");
  await servers.driver.putUser(address, { name: "app", password: "never in a log", isAdmin: false });
  const logged = await internalQuery(
    servers,
    spec,
    "SELECT CONVERT(argument USING utf8mb4) AS text FROM mysql.general_log",
  );
  assert.ok(logged.some(({ text }) => text?.includes("ALTER USER 'app'@'%'")));
  assert.ok(!logged.some(({ text }) => text?.includes("never in a log")));
  const data = path.join(servers.directoryOf("shop"), "data");
  const binlogs = (await readdir(data)).filter((name) => /^binlog\.\d+$/.test(name));
  for (const name of binlogs) assert.ok(!(await readFile(path.join(data, name))).includes("never in a log"));
});

test("who may connect from where", async () => {
  await using servers = await ManagedMysqlServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await startedServer(servers, "shop", { ip_filter: ["127.0.0.1", "10.0.0.0/8"] });
  const admin = mysqlAdminOf(spec);
  assert.deepEqual(await mysqlQuery(admin, "select 1"), [[1]]);
  assert.equal(await mysqlRefusal({ ...admin, tls: false }), 3159, "customers need TLS");
  assert.equal(await mysqlRefusal({ ...admin, from: "127.0.0.2" }), 1184, "customers come from ip_filter");
  const internal = { ...admin, user: "btar_internal", password: spec.accounts.internal.password };
  assert.equal(await mysqlRefusal({ ...internal, from: "127.0.0.2" }), 1045, "btar comes from this host");
  const address = driver.internalAddress(directory, spec);
  await rejectsWith("SERVER_REFUSED", () => MysqlConnection.open({ ...address, password: "x" }, { signal: noSignal }));

  const nobody = { ...spec, userConfig: { ip_filter: [] } };
  await driver.configure(directory, nobody);
  assert.equal(await mysqlRefusal(admin), 1184);
  await driver.stop(directory);
  await driver.start(directory, { ...spec, userConfig: {} }, { signal: noSignal });
  assert.equal(await mysqlRefusal({ ...admin, from: "127.0.0.2" }), undefined, "who may come is what the start says");
});

test("P1, P2: a server whose connections are all taken is backed up and changed even so", async () => {
  const { servers, spec } = shared;
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const limitedTo = (max_connections: number) => ({ ...spec, userConfig: { mysql: { max_connections } } });
  const address = driver.internalAddress(directory, spec);
  const admin = mysqlAdminOf(spec);
  await driver.configure(directory, limitedTo(30));
  const others: mysql.Connection[] = [];
  // The server lets go of those that were closed before in its own time.
  await eventually("all connections are taken", async () => {
    if ((await errnoOf(async () => others.push(await mysqlConnect(admin)))) === 1040) await systemClock.sleep(20);
    return others.length === 30;
  });
  try {
    assert.equal(await mysqlRefusal(admin), 1040);
    // One more than that is left for administrators.
    await using _last = await MysqlConnection.open(address, { signal: noSignal });
    const alone = { ...address, whenFull: undefined };
    await rejectsWith("SERVER_REFUSED", () => MysqlConnection.open(alone, { signal: noSignal }));
    const repository = await openFixture(new MemoryObjectStore("full"));
    const { facts } = await backUp(address, repository, { backupId: "backup-1" });
    const from = { stream: facts.log.stream, position: facts.log.start };
    const stream = await streamLog(address, { reservation: "btar_test", from, signal: noSignal });
    for await (const event of stream) if (event.kind === "caught-up") break;
    assert.ok((await driver.listAccounts(address)).users.includes("avnadmin"));
    await driver.start(directory, spec, { signal: noSignal });
    assert.deepEqual(await driver.configure(directory, limitedTo(40)), { needsRestart: false });
    others.push(await mysqlConnect(admin));
    assert.equal(await mysqlRefusal({ ...admin, port: address.whenFull?.port ?? 0 }), 1227, "it is for btar alone");
  } finally {
    for (const connection of others) connection.destroy();
    await driver.configure(directory, spec);
  }
});

test("a new certificate is presented at once", async () => {
  const { servers, spec } = shared;
  const former = await presented(spec.port);
  const renewed = { ...spec, tls: newCertificate("shop") };
  assert.deepEqual(await servers.driver.configure(servers.directoryOf("shop"), renewed), { needsRestart: false });
  const latter = await presented(spec.port);
  assert.notEqual(latter, former);
  assert.equal(latter, new X509Certificate(renewed.tls.certificate).serialNumber);
});

/** @returns the serial number of the certificate that a server presents */
async function presented(port: number): Promise<string> {
  const address = { host: "127.0.0.1", port, user: "x", database: "", tls: { mode: "require" } } as const;
  const startUp = new StartUp("MySQL", address, noSignal);
  const socket = new net.Socket();
  await connectSocket(socket, startUp);
  await once(socket, "data"); // its greeting
  socket.pause();
  // CLIENT_PROTOCOL_41, CLIENT_SSL and CLIENT_SECURE_CONNECTION, then what is zeros.
  socket.write(packetOf(Buffer.concat([Buffer.from([0x00, 0x8a, 0, 0]), Buffer.alloc(28)]), 1));
  const secured = await secureSocket(socket, startUp);
  const { serialNumber } = secured.getPeerCertificate();
  secured.destroy();
  return serialNumber;
}

test("settings that MySQL does not take are refused before anything is changed", async () => {
  const { servers, spec } = shared;
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const written = await readFile(path.join(directory, "my.cnf"), "utf8");
  const wrong = { ...spec, userConfig: { mysql: { sql_mode: "NONSENSE", max_connections: 99 } } };
  const error = await rejectsWith("INVALID_USER_CONFIG", () => driver.configure(directory, wrong));
  assert.match(error.message, /MySQL 9\.7\.\d+ does not take user_config\.mysql: .*'NONSENSE' to 'sql_mode'/);
  const other = { ...spec, userConfig: { mysql: { lower_case_table_names: 1 } } };
  await rejectsWith("INVALID_USER_CONFIG", () => driver.configure(directory, other));
  await rejectsWith("INVALID_USER_CONFIG", () =>
    driver.configure(directory, { ...spec, userConfig: { ip_filter: ["nowhere"] } }),
  );
  assert.equal(await readFile(path.join(directory, "my.cnf"), "utf8"), written);
  assert.deepEqual(await variablesOf(servers, spec, "max_connections"), ["50"]);
  const names = ["admin-port", "data", "keyring", "log", "my.cnf", "programs", "server.json", "tls", "tmp"];
  assert.deepEqual((await readdir(directory)).sort(), names);

  const absent = servers.directoryOf("absent");
  await rejectsWith("INVALID_USER_CONFIG", () => driver.initialize(absent, wrong, { signal: noSignal }));
  assert.deepEqual(await driver.status(absent), { state: "absent" });
  assert.deepEqual(
    (await readdir(absent)).filter((name) => name.startsWith("data")),
    [],
  );
});

test("a server outlives the process that started it, even in the middle of the start, and is adopted by the next", async () => {
  await using servers = await ManagedMysqlServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await mysqlSpecOf("shop");
  await driver.initialize(directory, spec, { signal: noSignal });
  const args = ["--input-type=module", "-e", startingScript, directory, JSON.stringify(spec)];
  const starter = spawn(process.execPath, args, { stdio: "inherit" });
  const gone = once(starter, "exit");
  while ((await driver.status(directory)).state !== "running") await systemClock.sleep(2);
  starter.kill("SIGKILL");
  await gone;
  const status = await driver.status(directory);
  assert.ok(status.state === "running" && isProcessAlive(status.pid));
  await driver.start(directory, spec, { signal: noSignal });
  assert.deepEqual(await driver.status(directory), status);
  assert.deepEqual(await variablesOf(servers, spec, "offline_mode"), ["OFF"], "whoever may come is let in");
});

test("a server that was killed is started again, whoever has its process id now", async () => {
  await using servers = await ManagedMysqlServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await startedServer(servers, "shop");
  await mysqlQuery(mysqlAdminOf(spec), "create table defaultdb.kept as select 1 as id");
  const status = await driver.status(directory);
  assert.ok(status.state === "running");
  process.kill(status.pid, "SIGKILL");
  while ((await driver.status(directory)).state === "running") await systemClock.sleep(2);
  // Somebody else has the id that the files of the old server name.
  for (const name of ["mysqld.pid", "mysql.sock.lock"]) {
    await writeFile(path.join(directory, "data", name), `${process.pid}\n`);
  }
  assert.deepEqual(await driver.status(directory), { state: "stopped" });
  await driver.start(directory, spec, { signal: noSignal });
  assert.deepEqual(await mysqlQuery(mysqlAdminOf(spec), "select id from defaultdb.kept"), [[1]]);
});

test("a server that cannot start is reported with what its log says, and does not stay", async () => {
  await using servers = await ManagedMysqlServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await mysqlSpecOf("shop");
  await driver.initialize(directory, spec, { signal: noSignal });
  await using listener = net.createServer((socket) => socket.resume()).listen(spec.port, "127.0.0.1");
  await once(listener, "listening");
  const taken = await rejectsWith("SERVER_START_FAILED", () => driver.start(directory, spec, { signal: noSignal }));
  assert.match(
    taken.message,
    /did not start: it ended with exit code 1: .*Bind on TCP\/IP port: Address already in use/,
  );
  assert.deepEqual(await driver.status(directory), { state: "stopped" });
});

test("an initialization that was broken off is done again; directories with other things in them are left alone", async () => {
  await using servers = await ManagedMysqlServers.create();
  const { driver } = servers;
  const directory = servers.directoryOf("shop");
  const spec = await mysqlSpecOf("shop", { mysql: { lower_case_table_names: 1 } });
  const controller = new AbortController();
  const initialization = rejectsWith("CANCELLED", () =>
    driver.initialize(directory, spec, { signal: controller.signal }),
  );
  while (!(await readdir(directory).catch(() => [])).some((name) => name.endsWith(".unfinished"))) {
    await systemClock.sleep(5);
  }
  controller.abort();
  await initialization;
  assert.deepEqual(await driver.status(directory), { state: "absent" });
  await mkdir(path.join(directory, "data.000000000000.unfinished")); // as after a kill -9
  await writeFile(path.join(directory, "init.000000000000.tmp"), "a password");
  await driver.initialize(directory, spec, { signal: noSignal });
  assert.deepEqual((await readdir(directory)).sort(), ["data", "log", "my.cnf", "server.json", "tls", "tmp"]);
  await driver.start(directory, spec, { signal: noSignal });
  assert.deepEqual(await variablesOf(servers, spec, "lower_case_table_names"), ["1"]);
  await driver.stop(directory);

  await rm(path.join(directory, "server.json"));
  await rejectsWith("ALREADY_EXISTS", () => driver.initialize(directory, spec, { signal: noSignal }));
  await rejectsWith("WRONG_STATE", () => driver.start(directory, spec, { signal: noSignal }));
  assert.ok((await readdir(path.join(directory, "data"))).includes("mysql.ibd"));
});

test("programs come from the configuration, then from the project's own folder, then from PATH", async (context) => {
  const options = await mysqlServerOptions();
  const { projectBasedir } = options;
  const missing = path.join(await temporaryDirectory(context), "missing");
  const found = async (changes: Partial<MysqlServerOptions>) =>
    (await new MysqlManagedServers({ ...options, ...changes }).installations()).map(
      ({ majorVersion, basedir, origin }) => {
        return { majorVersion, basedir, origin };
      },
    );
  const at = (origin: string, basedir = projectBasedir) => [{ majorVersion: "9.7", basedir, origin }];
  assert.deepEqual(await found({ configuredBasedirs: [projectBasedir] }), at("configuration"));
  assert.deepEqual(await found({}), at("scripts/servers/mysql.sh"));
  const inPath = { projectBasedir: missing, searchPath: [missing, path.join(projectBasedir, "bin")] };
  assert.deepEqual(await found(inPath), at("PATH"));
  assert.deepEqual(await found({ projectBasedir: missing }), []);

  const wrong = new MysqlManagedServers({ ...options, configuredBasedirs: [missing] });
  const refused = await rejectsWith("INVALID_CONFIGURATION", () => wrong.installations());
  assert.match(refused.message, /engines\.mysql\.basedir: .*missing holds no MySQL/);
  const none = new MysqlManagedServers({ ...options, projectBasedir: missing });
  const spec = await mysqlSpecOf("shop");
  const absent = await rejectsWith("SERVER_BINARIES_MISSING", () =>
    none.initialize(missing, spec, { signal: noSignal }),
  );
  assert.match(absent.hint ?? "", /scripts\/servers\/mysql\.sh/);

  // A MariaDB in PATH is passed over.
  const mariadb = path.join(await temporaryDirectory(context), "bin");
  const parts = [mariadb, path.join(mariadb, "../lib/plugin"), path.join(mariadb, "../share/english")];
  for (const part of parts) await mkdir(part, { recursive: true });
  await writeFile(path.join(mariadb, "../lib/plugin/mysql_clone.so"), "");
  await writeFile(path.join(mariadb, "../share/english/errmsg.sys"), "");
  await writeFile(path.join(mariadb, "mysqld"), "#!/bin/sh\necho 'mysqld  Ver 11.8.3-MariaDB for Linux on x86_64'\n");
  await chmod(path.join(mariadb, "mysqld"), 0o755);
  assert.deepEqual(await found({ projectBasedir: missing, searchPath: [mariadb] }), []);
});

const modules = ["../support/managed-mysql.ts", "../../src/engine/mysql/server/managed-server.ts"];
const startingScript = `
  const [{ mysqlServerOptions }, { MysqlManagedServers }] = await Promise.all(
    ${JSON.stringify(modules.map((module) => import.meta.resolve(module)))}.map((module) => import(module)));
  const [directory, spec] = process.argv.slice(1);
  const driver = new MysqlManagedServers(await mysqlServerOptions());
  await driver.start(directory, JSON.parse(spec), { signal: new AbortController().signal });
  setInterval(() => {}, 1000);`;

/** A running server with its administrator and `defaultdb`. */
async function startedServer(
  servers: ManagedMysqlServers,
  name: string,
  userConfig: Record<string, unknown> = {},
): Promise<ServerSpec> {
  const { driver } = servers;
  const spec = await mysqlSpecOf(name, userConfig);
  const directory = servers.directoryOf(name);
  await driver.initialize(directory, spec, { signal: noSignal });
  await driver.start(directory, spec, { signal: noSignal });
  const address = driver.internalAddress(directory, spec);
  await driver.putUser(address, { ...spec.accounts.admin, isAdmin: true });
  await driver.createDatabase(address, { name: "defaultdb", owner: spec.accounts.admin.name });
  return spec;
}

async function internalQuery(servers: ManagedMysqlServers, spec: ServerSpec, sql: string): Promise<readonly Row[]> {
  const address = servers.driver.internalAddress(servers.directoryOf(spec.serviceName), spec);
  await using connection = await MysqlConnection.open(address, { signal: noSignal });
  return await connection.query(sql);
}

async function variablesOf(servers: ManagedMysqlServers, spec: ServerSpec, ...names: string[]): Promise<unknown[]> {
  const [row] = await internalQuery(
    servers,
    spec,
    `SELECT ${names.map((name) => `@@global.${name} AS ${name}`).join()}`,
  );
  // Switches come as 1 and 0.
  const texts: Readonly<Record<string, string>> = { "1": "ON", "0": "OFF" };
  return names.map((name) => (name === "offline_mode" ? texts[row?.[name] ?? ""] : row?.[name]));
}
