import assert from "node:assert/strict";
import { test } from "node:test";
import { countAt, forkShop } from "../support/fork-shop.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";
import { type JobView, north, south, TestRegions, until } from "../support/regions.ts";
import { mysqlClock } from "../support/shops.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const backups = "/project/demo/service/shop/backups";

async function takeBackup(regions: TestRegions): Promise<() => Promise<JobView>> {
  const known = new Set((await regions.jobs()).map(({ id }) => id));
  await regions.api.request("POST", backups);
  return async () => {
    const job = (await regions.jobs()).find(({ id, kind }) => kind === "backup" && !known.has(id));
    assert.ok(job);
    return job;
  };
}

async function writeRow(server: TestMysql, id: number): Promise<Date> {
  await server.sql(`INSERT INTO shop.t VALUES (${id}, 'later')`);
  return await mysqlClock(server);
}

async function isCloned(server: TestMysql): Promise<boolean> {
  const clones = "SELECT 1 FROM performance_schema.processlist WHERE command = 'Clone'";
  return (await server.sql(clones)).length > 0;
}

test("P3, X2: whatever happens to a MySQL server and to btar's rights on it, backups and log say why they wait, and go on when it is mended", async () => {
  await using server = await startMysql({ plugins: [] });
  await using proxy = await TcpProxy.start(server.address.port);
  await using regions = await TestRegions.create();
  const account = { user: "btar", password: "secret" };
  await server.sql(`INSTALL PLUGIN clone SONAME 'mysql_clone.so'; CREATE USER btar IDENTIFIED BY 'secret';
    GRANT BACKUP_ADMIN, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO btar;
    CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, note VARCHAR(100));
    INSERT INTO shop.t VALUES (1, 'first')`);
  await regions.attachShop({ engine: "mysql", address: { ...server.address, ...account, port: proxy.port } });
  await regions.hasBackups(south, 1);

  // The server restarts while it is cloned: the clone is lost, and begun anew.
  proxy.limitAnswers(5_000_000, "stall");
  const restarted = await takeBackup(regions);
  await until("the server is cloned", async () => await isCloned(server));
  await server.crash();
  await server.start();
  proxy.unlimited();
  proxy.cut();
  await until("it is said why", async () => /MySQL at/.test((await restarted()).trouble ?? ""));
  await regions.hasBackups(south, 2);
  assert.ok((await restarted()).attempts > 1);

  // Rights are taken away, and given back.
  await server.sql("REVOKE BACKUP_ADMIN ON *.* FROM btar");
  const unprivileged = await takeBackup(regions);
  await until("the missing right is named", async () =>
    /BACKUP_ADMIN.*GRANT BACKUP_ADMIN ON \*\.\* TO/.test((await unprivileged()).trouble ?? ""),
  );
  await server.sql("GRANT BACKUP_ADMIN ON *.* TO btar");
  await regions.hasBackups(south, 3);
  await server.sql("REVOKE REPLICATION SLAVE ON *.* FROM btar");
  proxy.cut();
  await until("the right that the log needs is named", async () =>
    /REPLICATION SLAVE/.test((await regions.location(north))?.trouble ?? ""),
  );
  await server.sql("GRANT REPLICATION SLAVE ON *.* TO btar");
  await regions.reaches(south, await writeRow(server, 2));
  assert.equal((await regions.location(north))?.trouble, null);

  // The plugin is gone, and comes back.
  await server.sql("UNINSTALL PLUGIN clone");
  const unplugged = await takeBackup(regions);
  await until("the missing plugin is named", async () =>
    /INSTALL PLUGIN clone SONAME 'mysql_clone\.so'/.test((await unplugged()).trouble ?? ""),
  );
  await server.sql("INSTALL PLUGIN clone SONAME 'mysql_clone.so'");
  await regions.hasBackups(south, 4);
  await regions.reaches(south, await writeRow(server, 3));
  const ranges = await regions.catalog.db.selectFrom("log_range").select("cloud").where("cloud", "=", north).execute();
  assert.equal(ranges.length, 1, "log without a gap");
  assert.equal(await countAt(await forkShop(regions, "whole", { cloud: south })), 3);
});
