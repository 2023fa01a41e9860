import assert from "node:assert/strict";
import { test } from "node:test";
import { forkShop, rowsAt } from "../support/fork-shop.ts";
import { startPostgres, type TestPostgres } from "../support/postgres-server.ts";
import { north, south, TestRegions, until } from "../support/regions.ts";
import { logPiecesOf, type StoredLogPiece } from "../support/stored-log-pieces.ts";

const maxPieceBytes = 64 * 1024;

async function clock(server: TestPostgres): Promise<Date> {
  const [row] = await server.sql("select clock_timestamp() as now");
  return row?.["now"] as Date;
}

async function attachedShop(regions: TestRegions, server: TestPostgres): Promise<void> {
  await server.sql("create table t (id int primary key, note text)");
  await regions.attachShop(server);
  await regions.hasBackups(south, 1);
}

/** Rows that make about 4 MB of log, of many pieces. */
async function writeRows(server: TestPostgres, from: number): Promise<void> {
  const note = "repeat(md5(i::text), 12)";
  await server.sql(`insert into t select i, ${note} from generate_series(${from}, ${from + 7999}) i`);
}

async function piecesIn(regions: TestRegions, cloud: string): Promise<readonly StoredLogPiece[]> {
  return await piecesOf(regions, await regions.store(cloud).keys());
}

/** Those of the keys that are pieces of the shop's log. */
async function piecesOf(regions: TestRegions, keys: readonly string[]): Promise<readonly StoredLogPiece[]> {
  return logPiecesOf((await regions.serviceId("shop")) ?? "", keys);
}

/** @returns what tells the keys that were read in north and stored in south since then: each merges its own */
function sentToSouth(regions: TestRegions): () => readonly string[] {
  const reads = () => regions.store(north).keysOf("get");
  const writes = () => regions.store(south).keysOf("put");
  const [readBefore, writtenBefore] = [reads().length, writes().length];
  return () => {
    const read = new Set(reads().slice(readBefore));
    return writes()
      .slice(writtenBefore)
      .filter((key) => read.has(key));
  };
}

function within(piece: StoredLogPiece, pieces: readonly StoredLogPiece[]): boolean {
  return pieces.some(({ key, start, end }) => key !== piece.key && start <= piece.start && end >= piece.end);
}

test("P2: pieces are stored several at once; when one of them is not, none behind it counts, and the log stays whole", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create({ maxPieceBytes });
  await attachedShop(regions, server);
  let killed = "";
  regions.store(north).interrupt(
    async (_operation, key) => {
      if (killed !== "" || !key.includes("/log/")) return;
      killed = key;
      throw new Error("the process was killed here");
    },
    { operations: ["put"], afterCalls: 5 },
  );
  await writeRows(server, 0);
  const written = await clock(server);
  await regions.reaches(south, written);
  regions.store(north).heal();
  assert.notEqual(killed, "");
  const ranges = await regions.catalog.db.selectFrom("log_range").select(["cloud", "stream"]).execute();
  assert.equal(ranges.length, 2, "one range in each location, without a gap");
  const uri = await forkShop(regions, "whole", { cloud: south });
  assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[8000]]);
});

test("log is merged in each store by itself; forks read what is there, and the other region is sent nothing twice", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create({ maxPieceBytes });
  await attachedShop(regions, server);
  await writeRows(server, 0);
  await writeRows(server, 10_000);
  await server.sql("select pg_switch_wal()");
  await server.sql("insert into t values (-1, 'in the next segment')");
  await regions.reaches(south, await clock(server));
  const copied = await piecesIn(regions, south);
  const before = copied.length;
  assert.ok(before > 70, `${before} pieces`);
  const end =
    copied
      .map((piece) => piece.end)
      .sort()
      .at(-1) ?? "";
  for (const cloud of [north, south]) {
    // An agent looks at once for what there is to merge, then every minute.
    await regions.stopAgent(cloud);
    const sentSince = sentToSouth(regions);
    await regions.startAgent(cloud);
    await until(`log is merged in ${cloud}`, async () => {
      const pieces = await piecesIn(regions, cloud);
      return pieces.filter((piece) => !within(piece, pieces)).length < before / 4;
    });
    // An idle server may have written some log since.
    const again = (await piecesOf(regions, sentSince())).filter(({ start }) => start < end);
    assert.deepEqual(again, []);
    // As after the time that they stay beside what they were merged to.
    const pieces = await piecesIn(regions, cloud);
    for (const piece of pieces) if (within(piece, pieces)) await regions.store(cloud).remove(piece.key);
  }
  await server.sql("insert into t values (-2, 'after that')");
  await regions.reaches(south, await clock(server));
  for (const cloud of [north, south]) {
    const uri = await forkShop(regions, `from-${cloud}`, { cloud });
    assert.deepEqual(await rowsAt(uri, "select count(*)::int from t"), [[16_002]]);
  }
});

test("C6: with old listings of the primary store, the copy waits for new ones, and lacks nothing then", async () => {
  await using server = await startPostgres({ majorVersion: "18" });
  await using regions = await TestRegions.create();
  await attachedShop(regions, server);
  await regions.reaches(south, await clock(server));
  await regions.store(north).staleListings();
  await server.sql("insert into t values (1, 'not listed yet')");
  const written = await clock(server);
  await regions.reaches(north, written);
  const listings = regions.store(north).calls("list");
  await until("the copier has looked", async () => regions.store(north).calls("list") > listings + 2);
  await until("the lag is told", async () => ((await regions.location(south))?.replication_lag_seconds ?? 0) > 0);
  regions.store(north).heal();
  await regions.reaches(south, written);
  await until("the lag is gone", async () => (await regions.location(south))?.replication_lag_seconds === 0);
});
