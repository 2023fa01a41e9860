import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startPostgres } from "../support/postgres-server.ts";
import { south, TestRegions, until } from "../support/regions.ts";
import { completeRestore } from "../support/restore-shop.ts";
import { digestQuery, factsOf, loadFixture, releaseFixtures } from "../support/release-fixture.ts";

const shopPath = "/project/demo/service/shop";

for (const release of releaseFixtures()) {
  test(`${release} is gone on from: its catalog is brought up to date, and its backups are listed, verified and restored`, async () => {
    const facts = factsOf(release);
    await using regions = await TestRegions.create({
      masterKey: Buffer.from(facts.masterKey, "hex"),
      adminToken: facts.adminToken,
      prepare: async ({ databaseUrl, directory }) => {
        await loadFixture(release, { databaseUrl, stores: join(directory, "stores") });
      },
    });
    const { rows } = await regions.catalog.pool.query<{ name: string }>(
      "select max(name) as name from kysely_migration",
    );
    assert.ok((rows[0]?.name ?? "") >= facts.migration);

    // The first region is not there: only the copy is.
    const listed = await regions.api.request<{ backups: readonly { backup_name: string }[] }>(
      "GET",
      `${shopPath}/backups`,
    );
    assert.deepEqual(listed.backups.map(({ backup_name }) => backup_name).sort(), [...facts.backups].sort());
    await regions.api.request("POST", `${shopPath}/btar/verify`, { location: south, read_data_percent: 100 });
    await until("everything is verified", async () => {
      const verified = (await regions.jobs()).find(({ kind, result }) => kind === "verify" && result !== null);
      if (verified) assert.deepEqual([verified.state, verified.result?.["damaged"]], ["complete", 0]);
      return verified !== undefined;
    });
    const hba = ["host all all 127.0.0.1/32 trust"];
    const directory = join(regions.directory, "restored");
    await completeRestore(regions, { location: south, directory });
    await using server = await startPostgres({ majorVersion: "14", dataDirectory: directory, hba });
    await until("it has recovered", async () => {
      const [row] = await server.sql("select pg_is_in_recovery() as is_so");
      return row?.["is_so"] === false;
    });
    const [held] = await server.sql(digestQuery);
    assert.deepEqual([held?.["count"], held?.["md5"]], [facts.rows, facts.digest]);
  });
}

test("there is a fixture to go on from", () => assert.notDeepEqual(releaseFixtures(), []));
