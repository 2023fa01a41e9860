import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import mysql from "mysql2/promise";
import type { BaseBackupFacts } from "../../src/engine/engine.ts";
import { MysqlConnection } from "../../src/engine/mysql/connection.ts";
import { serverDirectory } from "../../src/engine/mysql/server/directory.ts";
import { withKeyring } from "../../src/engine/mysql/server/keyring.ts";
import { MysqlServerDriver } from "../../src/engine/mysql/server-driver.ts";
import { rejectsWith } from "../support/assert-error.ts";
import type { ServiceAnswer } from "../support/api-client.ts";
import { forkShop } from "../support/fork-shop.ts";
import { mysqlServerOptions, mysqlSpecOf, noSignal } from "../support/managed-mysql.ts";
import { executedGtids } from "../support/mysql-backup.ts";
import { addPlugin, basedirWithKeyring, basedirWithoutKeyring } from "../support/mysql-keyring.ts";
import { checkedTables, createTables, MysqlLoad } from "../support/mysql-load.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";
import { ownByServerUser, serverUser } from "../support/postgres-server.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";
import { mysqlClock } from "../support/shops.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const project = "/project/demo";

type Sql = Pick<TestMysql, "sql">;

let regions: TestRegions;
before(async () => {
  regions = await TestRegions.create();
});
after(async () => await regions[Symbol.asyncDispose]());

/** Everything that must be the same in a fork. */
interface ServerState {
  readonly at: Date;
  readonly gtids: string;
  readonly tables: ReadonlyMap<string, string>;
  readonly encrypted: readonly string[];
}

/** Of a server that nobody writes to. */
async function stateOf(server: Sql): Promise<ServerState> {
  await new Promise((resolve) => setTimeout(resolve, 5)); // times that a fork is asked for are whole milliseconds
  const at = await mysqlClock(server);
  await new Promise((resolve) => setTimeout(resolve, 5));
  return {
    at,
    gtids: await executedGtids(server),
    tables: await checkedTables(server),
    encrypted: (
      await server.sql("SELECT name FROM information_schema.innodb_tablespaces WHERE encryption = 'Y' ORDER BY name")
    ).map((row) => String(Object.values(row)[0]).replace(/fts_\w+/, "fts")),
  };
}

/** By the administrator. */
function serverAt(uri: string): Sql {
  const { hostname: host, port, username, password } = new URL(uri);
  return {
    sql: async (text) => {
      const connection = await mysql.createConnection({
        ...{ host, port: Number(port), user: username, password: decodeURIComponent(password) },
        ssl: { rejectUnauthorized: false },
        dateStrings: true,
      });
      try {
        const [rows] = await connection.query<mysql.RowDataPacket[]>(text);
        return Array.isArray(rows) ? rows : [];
      } finally {
        await connection.end();
      }
    },
  };
}

async function isAs(fork: Sql, expected: ServerState): Promise<void> {
  const { at: _, ...found } = await stateOf(fork);
  const { at: __, ...wanted } = expected;
  assert.deepEqual(found, wanted);
}

async function service(name: string): Promise<ServiceAnswer> {
  return (await regions.api.request<{ service: ServiceAnswer }>("GET", `${project}/service/${name}`)).service;
}

async function restart(name: string): Promise<void> {
  for (const [powered, state] of [
    [false, "POWEROFF"],
    [true, "RUNNING"],
  ] as const) {
    await regions.api.request("PUT", `${project}/service/${name}`, { powered });
    await until(`${name} is ${state}`, async () => (await service(name)).state === state);
  }
}

test("F1-F6: an attached server whose data and log are all encrypted is forked, at the latest and at a time, and so is its fork", async (context) => {
  const directory = await temporaryDirectory(context);
  await chmod(directory, 0o755);
  const [external, fast] = [path.join(directory, "external"), path.join(directory, "fast")];
  for (const each of [external, fast]) {
    await mkdir(each);
    await ownByServerUser(each);
  }
  const encrypting = [
    "binlog_encryption",
    "default_table_encryption",
    "innodb_redo_log_encrypt",
    "innodb_undo_log_encrypt",
  ];
  const settings = {
    ...Object.fromEntries(encrypting.map((name) => [name, "ON"])),
    innodb_directories: `${external};${fast}`,
  };
  await using server = await startMysql({
    basedir: await basedirWithKeyring(path.join(directory, "source")),
    settings,
  });
  await server.sql("ALTER TABLESPACE mysql ENCRYPTION = 'Y'");
  await createTables(server, external, 2000);
  await server.sql(`CREATE TABLESPACE quick ADD DATAFILE '${fast}/quick.ibd'; CREATE TABLE shop.in_quick
    (id INT PRIMARY KEY) TABLESPACE quick; CREATE TABLE shop.beside (id INT PRIMARY KEY) DATA DIRECTORY = '${fast}';
    INSERT INTO shop.in_quick VALUES (1); INSERT INTO shop.beside VALUES (1)`);

  const attach = async (host: string, mode: string) =>
    await regions.api.request("POST", `${project}/service/attach`, {
      service_name: "shop",
      cloud: north,
      uri: `mysql://root@${host}:${server.address.port}/?ssl-mode=${mode}`,
      user_config: { additional_backup_regions: [south] },
    });
  // The same host by an address that a network could carry.
  await assert.rejects(attach("0.0.0.0", "DISABLED"), /MySQL clones encrypted data over TLS only/);
  await using load = new MysqlLoad(server);
  await attach("127.0.0.1", "DISABLED");
  await regions.hasBackups(south, 1);
  await load.goOn(1);
  await load.stop();
  const first = await stateOf(server);

  // What was encrypted no longer is, and the other way round, under another master key.
  await server.sql(`ALTER INSTANCE ROTATE INNODB MASTER KEY; ALTER TABLE shop.holes ENCRYPTION = 'N';
    ALTER TABLESPACE shared ENCRYPTION = 'N'; CREATE TABLE shop.plainly (id INT PRIMARY KEY) ENCRYPTION = 'N';
    INSERT INTO shop.plainly VALUES (1); SET GLOBAL innodb_undo_log_encrypt = OFF`);
  await regions.api.request("POST", `${project}/service/shop/backups`, {});
  await regions.hasBackups(south, 2);
  await server.sql(`ALTER TABLE shop.plainly ENCRYPTION = 'Y'; INSERT INTO shop.plainly VALUES (2);
    CREATE TABLE shop.late (id INT PRIMARY KEY); INSERT INTO shop.late VALUES (1), (2)`);
  const last = await stateOf(server);
  await regions.reaches(south, last.at);

  const [atTime, latest] = await Promise.all([
    forkShop(regions, "at-time", { cloud: south, at: first.at.toISOString() }),
    forkShop(regions, "latest", { cloud: south }),
  ]);
  await isAs(serverAt(atTime), first);
  const fork = serverAt(latest);
  await isAs(fork, last);
  const on =
    "SELECT COUNT(*) AS count FROM performance_schema.global_variables WHERE variable_value = 'ON' AND variable_name IN ";
  assert.deepEqual(
    await fork.sql(`${on} ('${encrypting.join("', '")}')`),
    [{ count: 3 }],
    "undo is not encrypted any more",
  );

  await fork.sql("CREATE TABLE shop.own (id INT PRIMARY KEY) ENCRYPTION = 'Y'");
  await fork.sql("ALTER INSTANCE ROTATE INNODB MASTER KEY");
  await restart("latest");
  await fork.sql("INSERT INTO shop.own VALUES (1)");
  await regions.hasBackups(south, 1, "latest");
  await fork.sql("INSERT INTO shop.own VALUES (2)");
  const own = await stateOf(fork);
  await regions.reaches(south, own.at, "latest");
  const other = await basedirWithKeyring(path.join(directory, "other"));
  const mapping = { [fast]: path.join(directory, "other-fast") };
  const [again, restored] = await Promise.all([
    forkShop(regions, "again", { source: "latest", cloud: south }),
    startRestored({ directory: path.join(directory, "restored"), mapping, basedir: other }),
  ]);
  context.after(async () => await restored[Symbol.asyncDispose]());
  await isAs(serverAt(again), own);
  await isAs(restored, last);
});

/** Restores the files of `shop` alone, some of them to other places, and does what they say. */
async function startRestored(request: {
  readonly directory: string;
  readonly mapping: Readonly<Record<string, string>>;
  readonly basedir: string;
}): Promise<TestMysql> {
  const { directory, mapping, basedir } = request;
  const body = { location: south, directory, tablespace_mapping: mapping };
  await regions.api.request("POST", `${project}/service/shop/restore`, body);
  await until("the files are restored", async () => {
    const job = (await regions.jobs()).find(({ kind }) => kind === "restore");
    assert.notEqual(job?.state, "failed", job?.trouble ?? "");
    return job?.state === "complete";
  });
  const elsewhere = Object.values(mapping);
  for (const each of [directory, ...elsewhere]) await ownByServerUser(each);
  const guide = path.join(directory, "btar-restore.cnf");
  const text = await readFile(guide, "utf8");
  assert.match(text, /needs a keyring.*\n(#.*\n)*#.* mysqld\.my/);
  const parts = [`--basedir=${basedir}`, `--plugin-dir=${basedir}/lib/plugin`, `--lc-messages-dir=${basedir}/share`];
  const run = { ...serverUser, cwd: "/", timeout: 60_000 };
  await promisify(execFile)(`${basedir}/bin/mysqld`, [`--defaults-file=${guide}`, ...parts], run);
  return await startMysql({ basedir, dataDirectory: directory, settings: { innodb_directories: elsewhere.join(";") } });
}

test("F1-F5: a managed service whose tables are encrypted is forked, under writes; its keys are for its server alone", async () => {
  const user_config = { additional_backup_regions: [south] };
  await regions.api.request("POST", `${project}/service`, {
    ...{ service_name: "books", service_type: "mysql", plan: "hobbyist", cloud: north, user_config },
  });
  await until("books runs", async () => (await service("books")).state === "RUNNING");
  await regions.hasBackups(south, 1, "books");
  const books = serverAt((await service("books")).service_uri ?? "");
  await books.sql("CREATE DATABASE vault DEFAULT ENCRYPTION = 'Y'");
  await books.sql("CREATE TABLE vault.t (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200)) COMPRESSION = 'zlib'");
  await books.sql("CREATE TABLE defaultdb.plain (id INT PRIMARY KEY)");
  const writing = new AbortController();
  const writer = (async () => {
    while (!writing.signal.aborted)
      await books.sql("INSERT INTO vault.t (text) SELECT SHA2(RAND(), 512) FROM mysql.help_topic LIMIT 20");
  })();
  await regions.api.request("POST", `${project}/service/books/backups`, {});
  await regions.hasBackups(south, 2, "books");
  writing.abort();
  await writer;
  const first = await stateOf(books);
  assert.deepEqual(first.encrypted, ["vault/t"]);
  await books.sql("ALTER INSTANCE ROTATE INNODB MASTER KEY");
  await books.sql("CREATE TABLE vault.late SELECT * FROM vault.t LIMIT 10");
  const last = await stateOf(books);
  await regions.reaches(south, last.at, "books");
  const [atTime, latest] = await Promise.all([
    forkShop(regions, "books-at-time", { source: "books", cloud: south, at: first.at.toISOString() }),
    forkShop(regions, "books-latest", { source: "books", cloud: south }),
  ]);
  await isAs(serverAt(atTime), first);
  await isAs(serverAt(latest), last);

  const id = (await regions.serviceId("books-latest")) ?? "";
  const keys = path.join(regions.directory, "clouds", south, "services", id, "keyring/keys");
  const [{ mode, uid, size }, directory] = await Promise.all([stat(keys), stat(path.dirname(keys))]);
  assert.deepEqual([mode & 0o777, directory.mode & 0o777, uid], [0o600, 0o700, serverUser.uid ?? process.getuid?.()]);
  assert.ok(size > 0);
});

test("a server without a keyring runs, recovers nothing that is encrypted, and has one from the start on at which its programs give one", async (context) => {
  const directory = await temporaryDirectory(context);
  await chmod(directory, 0o755);
  const basedir = await basedirWithoutKeyring(path.join(directory, "programs"));
  const options = { ...(await mysqlServerOptions()), configuredBasedirs: [basedir] };
  const driver = new MysqlServerDriver(options);
  const place = path.join(directory, "server");
  const spec = await mysqlSpecOf("shop");
  const start = async () => {
    await driver.start(place, spec, { signal: noSignal });
    const session = await MysqlConnection.open(driver.internalAddress(place, spec), { signal: noSignal });
    context.after(async () => await session[Symbol.asyncDispose]());
    return session;
  };
  const encrypt = "CREATE TABLE d.t (id INT PRIMARY KEY) ENCRYPTION = 'Y'";
  const facts = { identity: { version: "9.7.1", majorVersion: "9.7", systemId: "" }, engineFacts: encryptedFacts };
  const check = async () => await driver.checkRecoverable(facts as unknown as BaseBackupFacts, "9.7");
  try {
    await driver.initialize(place, spec, { signal: noSignal });
    const without = await start();
    await without.query("CREATE DATABASE d");
    const refused = await rejectsWith("SERVER_REFUSED", () => without.query(encrypt));
    assert.equal(refused.details["errno"], 3185, "no key in the keyring");
    const missing = await rejectsWith("SERVER_BINARIES_MISSING", check);
    assert.match(missing.message, /is encrypted, and MySQL 9\.7\.\d+ in .* has no keyring/);
    await driver.stop(place);

    await addPlugin(basedir, "component_keyring_file.so");
    await check();
    await (await start()).query(encrypt);
    await driver.stop(place);

    // A program that is told another name than that by which it was started.
    const program = path.join(basedir, "bin/mysqld");
    await writeFile(program, (await readFile(program, "utf8")).replace('"$place/$name"', '"$tree/basedir/bin/$name"'));
    const installation = await driver.installation("9.7");
    assert.deepEqual(await withKeyring(serverDirectory(place), installation, options.runAs), {
      ...installation,
      keyring: "none",
    });
  } finally {
    await driver.stop(place);
  }
});

/** As far as it matters whether a server can open the files. */
const encryptedFacts = {
  ...{ serverVersionNum: 90701, pageBytes: 16384, lowerCaseTableNames: 0, dataFilePath: "" },
  ...{ redoFiles: [], externalLocations: [], encryption: { files: [], isRedoEncrypted: true } },
};
