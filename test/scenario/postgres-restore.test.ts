import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { ownByServerUser, startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";
import { completeRestore, restoreShop } from "../support/restore-shop.ts";
import { readTree, treeDifferences } from "../support/restored-tree.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const checksums = ["--data-checksums"];
const trust = "host all all 127.0.0.1/32 trust";

async function refused(regions: TestRegions, body: Readonly<Record<string, unknown>>, ...words: RegExp[]) {
  const job = await restoreShop(regions, body);
  assert.equal(job.state, "failed");
  for (const word of words) assert.match(job.trouble ?? "", word);
}

/** A service with a tablespace, backed up in north and copied to south. */
async function makeShop(context: TestContext, server: TestPostgres, regions: TestRegions): Promise<string> {
  const root = await temporaryDirectory(context);
  await chmod(root, 0o755);
  const tablespace = path.join(root, "source-tablespace");
  await mkdir(tablespace);
  await ownByServerUser(tablespace);
  await server.sql(`create tablespace fast location '${tablespace}'`);
  await server.sql("create table t (id int primary key, text text)");
  await server.sql("insert into t select i, repeat(md5(i::text), 10) from generate_series(1, 8000) i");
  await server.sql("create table f tablespace fast as select * from t");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
  return root;
}

async function contentOf(server: TestPostgres): Promise<unknown> {
  return await server.sql(
    `select (select md5(string_agg(id || text, ',' order by id)) from t) as t,
       (select md5(string_agg(id || text, ',' order by id)) from f) as f,
       (select sum(checksum_failures)::int from pg_stat_database) as damaged_pages`,
  );
}

async function reached(regions: TestRegions, server: TestPostgres): Promise<void> {
  const [row] = await server.sql("select clock_timestamp() as now");
  await regions.reaches(south, row?.["now"] as Date);
}

test("a restored server starts with its tablespaces mapped, and a delta brings it up to date where it stopped", async (context) => {
  await using server = await startPostgres({ majorVersion: "18", initdbArgs: checksums });
  await using regions = await TestRegions.create();
  const root = await makeShop(context, server, regions);
  const [original, mapped] = [path.join(root, "source-tablespace"), path.join(root, "mapped")];
  const request = {
    location: south,
    directory: path.join(root, "restored"),
    tablespace_mapping: { [original]: mapped },
  };
  await server.sql("insert into t values (8001, 'after the backup')");
  await reached(regions, server);

  const unknown = { ...request, tablespace_mapping: { "/no/such": mapped } };
  await refused(regions, unknown, /no tablespace \/no\/such/, new RegExp(original));
  await completeRestore(regions, request);
  assert.deepEqual((await readdir(mapped)).length, 1);
  await refused(regions, request, /not empty/, /--delta/);
  const dataDirectory = await owned(request.directory, mapped);
  await using first = await startPostgres({ majorVersion: "18", dataDirectory, hba: [trust] });
  assert.deepEqual(await contentOf(first), await contentOf(server));

  const over = { ...request, directory: first.dataDirectory, delta: true };
  await refused(regions, over, /a server seems to run in/, /stop the server first/);
  await first.sql("insert into f select i, 'only here' from generate_series(1, 1000) i");
  await first.sql("delete from t where id % 2 = 0");
  await first.stop();
  await server.sql("update t set text = 'changed' where id % 1000 = 1");
  await server.sql("insert into f values (0, 'new')");
  await reached(regions, server);
  const { result } = await completeRestore(regions, over);
  const [kept, all] = [Number(result?.["keptBytes"]), Number(result?.["dataBytes"])];
  assert.ok(kept > all * 0.3 && kept < all, `${kept} of ${all} bytes were kept`);
  await writeFile(path.join(first.dataDirectory, "pg_hba.conf"), `${trust}\n`);
  await owned(first.dataDirectory, mapped);
  await first.start();
  assert.deepEqual(await contentOf(first), await contentOf(server));
});

test("a delta restore leaves the very same directory as a fresh one, also when its agent was stopped in the middle", async (context) => {
  await using server = await startPostgres({ majorVersion: "17", initdbArgs: checksums });
  await using regions = await TestRegions.create();
  const root = await makeShop(context, server, regions);
  const target = { location: south, target_time: await restorableTime(regions, server) };
  const [fresh, used] = [path.join(root, "fresh"), path.join(root, "used")];
  // An idle server still writes some log now and then, and each restore takes what there is.
  await server.stop();
  await until("all of its log is in both stores", async () => {
    const isOver = (await regions.location(north))?.trouble != null;
    return isOver && (await regions.location(south))?.replication_lag_seconds === 0;
  });
  await completeRestore(regions, { ...target, directory: fresh });
  await completeRestore(regions, { ...target, directory: used });
  await writeFile(path.join(used, "base", "more"), "more");
  await writeFile(path.join(used, "global", "pg_filenode.map"), "damaged");

  const store = regions.store(south);
  // The file maps still come, then nothing does.
  store.interrupt(async (_operation, key) => {
    if (key.includes("/pack/")) store.stall();
  });
  const job = completeRestore(regions, { ...target, directory: used, delta: true });
  const isStarted = async () => !existsSync(path.join(used, "global/pg_control"));
  await until("the restore has begun", isStarted);
  await regions.stopAgent(south);
  assert.ok(await isStarted(), "what is half restored does not start");
  store.heal();
  await regions.startAgent(south);
  await job;
  const linked = new Map([...(await readTree(used))].map(([name, content]) => [name, inTree(content, used, fresh)]));
  assert.deepEqual(treeDifferences(linked, await readTree(fresh)), []);
});

test("a delta restore refuses what is not the same server's data directory, and tablespaces that are others'", async (context) => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create();
  const root = await makeShop(context, server, regions);
  const documents = path.join(root, "documents");
  await mkdir(documents);
  await writeFile(path.join(documents, "precious"), "keep");
  const request = { location: north, delta: true };
  await refused(regions, { ...request, directory: documents }, /neither empty nor the data directory/);

  await using stranger = await startPostgres({ majorVersion: "18", initdbArgs: ["--no-instructions"] });
  await stranger.stop();
  await refused(regions, { ...request, directory: stranger.dataDirectory }, /holds the database system/);

  const mapping = { [path.join(root, "source-tablespace")]: documents };
  const elsewhere = { ...request, directory: path.join(root, "new"), tablespace_mapping: mapping };
  await refused(regions, elsewhere, /documents is not empty/);
  assert.deepEqual(await readdir(documents), ["precious"]);

  await completeRestore(regions, {
    ...request,
    directory: path.join(root, "all"),
    tablespace_directory: path.join(root, "ts"),
  });
  const [oid = ""] = await readdir(path.join(root, "all", "pg_tblspc"));
  assert.equal(await readlink(path.join(root, "all", "pg_tblspc", oid)), path.join(root, "ts", oid));
  await symlink(documents, path.join(root, "all", "pg_wal", "out"));
  await completeRestore(regions, { ...request, directory: path.join(root, "all") });
  assert.deepEqual(await readdir(documents), ["precious"]);

  // X3: what is damaged is named, with what may do instead; a fresh restore leaves nothing behind.
  for (const key of await regions.store(north).keys()) {
    const isContent = key.includes("/pack/") && ((await regions.store(north).head(key))?.sizeBytes ?? 0) > 500_000;
    if (isContent) await regions.store(north).flipByte(key, 100);
  }
  const fresh = path.join(root, "fresh");
  const damaged = { location: north, directory: fresh };
  await refused(regions, damaged, /content of .*fresh.* does not open/, /nothing was left behind.* in local-south/);
  assert.deepEqual(await readdir(fresh), []);
  const over = { ...request, directory: path.join(root, "all") };
  for (const name of await readdir(over.directory)) {
    if (name !== "PG_VERSION") await rm(path.join(over.directory, name), { recursive: true });
  }
  await refused(regions, over, /content of .*all.* does not open/, /a restore with --delta.* in local-south/);
  await completeRestore(regions, { ...over, location: south });

  const single = regions.api.request("POST", "/project/demo/service/shop/restore", {
    ...{ location: north, directory: path.join(root, "single"), database: "orders" },
  });
  await assert.rejects(single, /orders cannot be restored alone.*btar fork shop/s);
});

async function restorableTime(regions: TestRegions, server: TestPostgres): Promise<string> {
  const [row] = await server.sql(
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
  );
  await reached(regions, server);
  return String(row?.["now"]);
}

/** Gives a restored server to the user that servers run as. */
async function owned(directory: string, tablespace: string): Promise<string> {
  await ownByServerUser(tablespace);
  await ownByServerUser(directory);
  return directory;
}

/** Links to what lies in a tree itself say its name. */
function inTree(content: string | Buffer, tree: string, other: string): string | Buffer {
  return typeof content === "string" ? content.replace(tree, other) : content;
}
