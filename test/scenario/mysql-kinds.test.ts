import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import mysql from "mysql2/promise";
import { forkShop, mysqlAt } from "../support/fork-shop.ts";
import { changeDefinitions, changeKinds, createKinds, definitionsOf, emptiedTables } from "../support/mysql-kinds.ts";
import { checkedTables, createTables, MysqlLoad } from "../support/mysql-load.ts";
import { mysqlBasedir, startMysql, type TestMysql } from "../support/mysql-server.ts";
import { ownByServerUser, serverUser } from "../support/postgres-server.ts";
import { south, TestRegions } from "../support/regions.ts";
import { completeRestore } from "../support/restore-shop.ts";
import { mysqlClock } from "../support/shops.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

type Sql = Pick<TestMysql, "sql">;

interface Content {
  readonly tables: ReadonlyMap<string, string>;
  readonly definitions: Awaited<ReturnType<typeof definitionsOf>>;
}

/** All that a server holds, but for rows of tables that come empty. `CHECK TABLE` finds it sound. */
async function contentOf(server: Sql): Promise<Content> {
  const tables = new Map(await checkedTables(server));
  // JSON that was changed in place has other bytes than where the change was applied, and the same value.
  const [tagged] = await server.sql("SELECT SUM(CRC32(CONCAT_WS(',', id, doc, HEX(hash)))) AS sum FROM shop.tagged");
  tables.set("shop.tagged", String(tagged?.["sum"]));
  for (const name of emptiedTables) tables.delete(name.replaceAll("`", ""));
  return { tables, definitions: await definitionsOf(server) };
}

function assertSame(actual: Content, expected: Content): void {
  assert.deepEqual(actual.definitions, expected.definitions);
  assert.deepEqual(actual.tables, expected.tables);
}

function withoutEvents({ tables, definitions }: Content): Content {
  return { tables, definitions: { ...definitions, events: [] } };
}

/** Prepares a distributed transaction, which stays when its session is gone. */
async function prepareXa(server: TestMysql, id: string, row: number): Promise<void> {
  const { host, port, user } = server.address;
  const session = await mysql.createConnection({ host, port, user, database: "shop" });
  for (const text of [`XA START '${id}'`, `UPDATE promised SET amount = 1000 WHERE id = ${row}`, `XA END '${id}'`]) {
    await session.query(text);
  }
  await session.query(`XA PREPARE '${id}'`);
  await session.end();
}

async function directories(context: TestContext): Promise<{ external: string; restored: string; mapped: string }> {
  const directory = await temporaryDirectory(context);
  await chmod(directory, 0o755);
  const external = path.join(directory, "external");
  await mkdir(external);
  await ownByServerUser(external);
  return { external, restored: path.join(directory, "restored"), mapped: path.join(directory, "mapped") };
}

const dataFilePath = "ibdata1:12M;ibdata2:8M:autoextend";

test("F1-F6: a fork of a copy that was taken under load holds what its source held then, of every kind that MySQL has", async (context) => {
  const { external, restored, mapped } = await directories(context);
  await using server = await startMysql({
    settings: {
      innodb_directories: external,
      innodb_data_file_path: dataFilePath,
      max_allowed_packet: "64M",
      binlog_transaction_compression: "ON",
      binlog_row_value_options: "PARTIAL_JSON",
    },
  });
  await createTables(server, external);
  await createKinds(server, external);
  await using regions = await TestRegions.create();
  await prepareXa(server, "committed", 1);
  await prepareXa(server, "left", 2);
  await using load = new MysqlLoad(server, changeKinds);
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  await load.goOn(1);
  await load.stop();
  await server.sql("XA COMMIT 'committed'");
  await changeDefinitions(server, external);
  const before = await contentOf(server);
  await server.sql("DO SLEEP(0.002)"); // times that a fork is asked for are whole milliseconds
  const between = await mysqlClock(server);
  await server.sql(
    "DO SLEEP(0.002); XA ROLLBACK 'left'; DELETE FROM shop.orders WHERE id % 3 = 0; DROP TABLE shop.parts",
  );
  await server.sql("ALTER EVENT shop.made DISABLE; DROP VIEW shop.dear");
  await regions.reaches(south, await mysqlClock(server));

  const uris = await Promise.all([
    forkShop(regions, "at-time", { cloud: south, at: between.toISOString() }),
    forkShop(regions, "latest", { cloud: south }),
  ]);
  const [atTime, latest] = [mysqlAt(uris[0]), mysqlAt(uris[1])];
  const after = await contentOf(server);
  assertSame(await contentOf(atTime), before);
  assertSame(await contentOf(latest), after);
  const left = await atTime.sql("XA RECOVER");
  assert.deepEqual(
    left.map(({ data }) => data),
    ["left"],
    "what was prepared waits for its end",
  );
  await atTime.sql("XA COMMIT 'left'");
  assert.deepEqual(await latest.sql("XA RECOVER"), []);
  // Forks go on: they change what lies outside of the data directory, and are backed up themselves.
  for (const fork of [atTime, latest]) {
    await fork.sql("ALTER TABLE elsewhere ENGINE = InnoDB, ALGORITHM = COPY");
    await fork.sql("ALTER TABLE ranges REORGANIZE PARTITION mid INTO (PARTITION mid VALUES LESS THAN (20))");
  }
  await regions.hasBackups(south, 1, "latest");

  const mapping = { tablespace_mapping: { [external]: mapped } };
  await completeRestore(regions, { location: south, directory: restored, ...mapping });
  await using mappedServer = await startOn(restored, mapped);
  // Whoever starts the files decides on events that the log has made or changed.
  assertSame(withoutEvents(await contentOf(mappedServer)), withoutEvents(after));
});

/** Has a server replay the log as a restore tells, and starts one on the files. */
async function startOn(directory: string, mapped: string): Promise<TestMysql> {
  for (const tree of [directory, mapped]) await ownByServerUser(tree);
  const basedir = await mysqlBasedir();
  const parts = [`--basedir=${basedir}`, `--lc-messages-dir=${basedir}/share`];
  const replay = [`--defaults-file=${directory}/btar-restore.cnf`, ...parts];
  await promisify(execFile)(`${basedir}/bin/mysqld`, replay, { ...serverUser, cwd: "/", timeout: 60_000 });
  const settings = { innodb_directories: mapped, innodb_data_file_path: dataFilePath };
  return await startMysql({ dataDirectory: directory, settings });
}
