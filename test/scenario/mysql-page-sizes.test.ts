import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { forkShop, mysqlAt } from "../support/fork-shop.ts";
import { jobResults } from "../support/job-results.ts";
import { checkedTables } from "../support/mysql-load.ts";
import { startMysql, type TestMysql } from "../support/mysql-server.ts";
import { south, TestRegions } from "../support/regions.ts";
import { mysqlClock } from "../support/shops.ts";

const kib = 1024;

/** A server whose pages have another size, and half of them another way to tell tables apart. */
async function startWithPages(pageKib: number): Promise<TestMysql> {
  const isCaseIgnored = pageKib < 16 ? 1 : 0;
  const fileSettings = { innodb_page_size: pageKib * kib, lower_case_table_names: isCaseIgnored };
  const server = await startMysql({ fileSettings });
  const compressed = pageKib > 16 ? "" : `ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = ${pageKib / 2}`;
  const holes = pageKib === 4 ? "" : "COMPRESSION = 'zlib'"; // whole blocks of the file system must become free
  await server.sql(`CREATE DATABASE shop; USE shop; SET SESSION cte_max_recursion_depth = 100000;
    CREATE TABLE Orders (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(300), FULLTEXT (note));
    CREATE TABLE packed (id INT PRIMARY KEY, note VARCHAR(300)) ${compressed};
    CREATE TABLE holes (id INT PRIMARY KEY, note VARCHAR(300)) ${holes};
    INSERT INTO Orders (note) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
      SELECT CONCAT(SHA2(i, 512), ' ', SHA2(-i, 512)) FROM n;
    INSERT INTO packed SELECT * FROM Orders; INSERT INTO holes SELECT * FROM Orders`);
  return server;
}

async function backsUpAndForks(regions: TestRegions, pageKib: number): Promise<void> {
  await using server = await startWithPages(pageKib);
  const source = `pages-${pageKib}`;
  await server.restart(); // which writes all pages to the files
  await regions.attachShop(server, source);
  await regions.hasBackups(south, 1, source);
  await server.sql("USE shop; UPDATE packed SET note = 'changed' WHERE id % 2000 = 1; DELETE FROM holes WHERE id = 77");
  await regions.api.request("POST", `/project/demo/service/${source}/backups`, {});
  await regions.hasBackups(south, 2, source);
  const results = await jobResults(regions, "backup", source);
  const stored = results.map((result) => Number(result["storedBytes"])).sort((a, b) => a - b);
  assert.ok((stored[0] ?? 0) < (stored[1] ?? 0) / 5, `${source}: ${stored.join(", ")} bytes`);
  await server.sql(
    "USE shop; INSERT INTO Orders (note) SELECT note FROM packed; CREATE TABLE more AS SELECT * FROM holes",
  );
  await regions.reaches(south, await mysqlClock(server), source);
  const fork = mysqlAt(await forkShop(regions, `fork-${pageKib}`, { source, cloud: south }));
  const asked = "SELECT @@innodb_page_size AS bytes, @@lower_case_table_names AS names";
  assert.deepEqual(await fork.sql(asked), await server.sql(asked));
  assert.deepEqual(await checkedTables(fork), await checkedTables(server));
}

describe("F5: servers with pages of other sizes than MySQL's own", { concurrency: 2 }, () => {
  let regions: TestRegions;
  before(async () => {
    regions = await TestRegions.create();
  });
  after(async () => await regions[Symbol.asyncDispose]());

  for (const pageKib of [4, 64, 8, 32]) {
    test(`pages of ${pageKib} KiB: what changed is backed up, and the fork is as its source`, async () => {
      await backsUpAndForks(regions, pageKib);
    });
  }
});
