import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Static } from "typebox";
import type { lostRangeAnswer } from "../../src/contract/lost-range.ts";
import type { EngineName } from "../../src/domain/engine-name.ts";
import type { ToldTransaction } from "../../src/region-agent/lost-range/transaction-list.ts";
import { widestPieces } from "../../src/repository/log-cover.ts";
import { countAt, forkShop } from "../support/fork-shop.ts";
import { mysqlBasedir } from "../support/mysql-server.ts";
import { startPostgres } from "../support/postgres-server.ts";
import { type JobView, north, south, TestRegions, until } from "../support/regions.ts";
import { type Shop, startShop, testEachEngine } from "../support/shops.ts";
import { logPiecesOf, type StoredLogPiece } from "../support/stored-log-pieces.ts";

const run = promisify(execFile);
const services = "/project/demo/service";

type LostRange = Static<typeof lostRangeAnswer>["lost_range"];

interface Summary {
  readonly transactions: number;
  readonly transactionList: readonly ToldTransaction[];
  readonly gaps: readonly { readonly what: string; readonly objects: readonly string[] }[];
}

async function lostRange(regions: TestRegions, fork: string): Promise<LostRange> {
  return (await regions.api.request<{ lost_range: LostRange }>("GET", `${services}/${fork}/btar/lost_range`))
    .lost_range;
}

/** Looks what a fork lacks. @returns the job, which has ended */
async function look(regions: TestRegions, fork: string, directory?: string): Promise<JobView> {
  const body = directory === undefined ? {} : { directory };
  const { job } = await regions.api.request<{ job: JobView }>("POST", `${services}/${fork}/btar/lost_range`, body);
  let ended: JobView | undefined;
  await until("the job has ended", async () => {
    ended = (await regions.jobs(fork)).find(({ id }) => id === job.id);
    return ended?.state === "complete" || ended?.state === "failed";
  });
  assert.ok(ended);
  return ended;
}

async function found(regions: TestRegions, fork: string): Promise<LostRange> {
  const job = await look(regions, fork);
  assert.equal(job.trouble, null);
  return await lostRange(regions, fork);
}

/** What is written to `t`, transaction by transaction, as whoever writes knows it. */
class Writer {
  readonly #shop: Shop;
  #next = 1;

  constructor(shop: Shop) {
    this.#shop = shop;
  }

  /** @returns the numbers of rows that each transaction changed: inserted, updated, deleted */
  async write(count: number): Promise<readonly (readonly [number, number, number])[]> {
    const written: [number, number, number][] = [];
    for (let index = 0; index < count; index += 1) {
      const [from, rows] = [this.#next, 1 + (index % 3)];
      this.#next += rows;
      if (index % 4 === 3) {
        await this.#shop.sql(`UPDATE t SET note = 'changed' WHERE id = ${from - 1}`);
        this.#next -= rows;
        written.push([0, 1, 0]);
      } else if (index % 4 === 2) {
        await this.#shop.sql(`DELETE FROM t WHERE id = ${from - 2}`);
        this.#next -= rows;
        written.push([0, 0, 1]);
      } else {
        await this.#shop.addRows(from, rows);
        written.push([rows, 0, 0]);
      }
    }
    return written;
  }
}

/** The object that is read for a piece: what that has been merged to meanwhile, or itself. */
async function readFor(pieces: readonly StoredLogPiece[], piece: StoredLogPiece | undefined): Promise<string> {
  assert.ok(piece);
  for await (const { key, start, end } of widestPieces(pieces))
    if (start <= piece.start && end >= piece.end) return key;
  throw new Error(`nothing holds ${piece.key}`);
}

function rowsOfT({ tables }: ToldTransaction): readonly number[] | undefined {
  const t = tables.find(({ name, kind }) => kind === "table" && name.endsWith(".t"));
  return t && [t.inserts, t.updates, t.deletes];
}

/** Lets what is stored in a cloud reach the end of what the server has. */
async function stores(regions: TestRegions, cloud: string, shop: Shop): Promise<void> {
  await regions.reaches(cloud, await shop.clock());
}

/** The rows of the lost server, by the extracted log alone, laid over a restore of what the copy has. */
async function replayedCount(regions: TestRegions, engine: EngineName, lost: string): Promise<number> {
  const directory = path.join(regions.directory, "restored");
  const { job } = await regions.api.request<{ job: JobView }>("POST", `${services}/shop/restore`, {
    location: south,
    directory,
  });
  await until("the files are restored", async () => {
    const restored = (await regions.jobs()).find(({ id }) => id === job.id);
    assert.notEqual(restored?.state, "failed", restored?.trouble ?? "");
    return restored?.state === "complete";
  });
  assert.equal(engine, "pg");
  await cp(path.join(lost, "wal"), path.join(directory, "pg_wal"), { recursive: true });
  await using server = await startPostgres({
    majorVersion: "18",
    dataDirectory: directory,
    hba: ["host all all 127.0.0.1/32 trust"],
  });
  await until("the log is replayed", async () => {
    const [row] = await server.sql("SELECT pg_is_in_recovery() AS is_in_recovery");
    return row?.["is_in_recovery"] === false;
  });
  const [row] = await server.sql("SELECT count(*)::int AS count FROM t");
  return Number(row?.["count"]);
}

async function gtidsOf(lost: string): Promise<readonly string[]> {
  const names = (await readdir(path.join(lost, "binlog"))).sort();
  const program = path.join(await mysqlBasedir(), "bin/mysqlbinlog");
  const files = names.map((name) => path.join(lost, "binlog", name));
  const { stdout } = await run(program, ["--no-defaults", "--verify-binlog-checksum", ...files]);
  return [...stdout.matchAll(/GTID_NEXT= '([0-9a-f-]+:\d+)'/g)].map(([, gtid]) => gtid ?? "");
}

testEachEngine(
  "R2: when the lost region is back, what never reached the fork is told to the transaction, and extracted",
  async (engine) => {
    const shop = await startShop(engine);
    await using regions = await TestRegions.create();
    try {
      const writer = new Writer(shop);
      await writer.write(5);
      await regions.attachShop(shop);
      await regions.hasBackups(south, 1);
      await writer.write(5);
      await stores(regions, south, shop);

      // The link fails, then the store takes no more, then the whole region is gone.
      await regions.stopAgent(south);
      const stored = await writer.write(20);
      await stores(regions, north, shop);
      regions.store(north).failWith("STORE_FULL", { operations: ["put"] });
      const unstored = await writer.write(6);
      await shop.crash();
      await regions.stopAgent(north);
      regions.store(north).failWith("STORE_UNREACHABLE");
      await regions.startAgent(south);
      const survivor = await forkShop(regions, "survivor", { cloud: south });
      await regions.hasBackups(south, 1, "survivor");
      const down = await lostRange(regions, "survivor");
      assert.deepEqual([down.state, down.transactions], ["unreachable", null]);
      assert.match(
        down.explanation,
        /^local-north does not answer \(no agent answers\).* commits until 20\S+Z are known/,
      );
      assert.ok((down.store_newest_commit_time ?? "") > (down.fork_last_commit_time ?? "9"));
      assert.notEqual(down.store_end?.position, down.fork_end.position);

      // The copy back is asked for while the first cloud is gone, and made when it is back.
      await regions.api.request("PUT", `${services}/survivor`, {
        user_config: { additional_backup_regions: [north] },
      });

      // It is back; its store takes nothing yet, so that the server alone has what was written last.
      regions.store(north).heal();
      regions.store(north).failWith("STORE_FULL", { operations: ["put"] });
      await shop.start();
      await regions.startAgent(north);
      await until("nobody has looked yet", async () => (await lostRange(regions, "survivor")).state === "unknown");
      const lost = path.join(regions.directory, "lost");
      const job = await look(regions, "survivor", lost);
      assert.equal(job.trouble, null);
      const present = await lostRange(regions, "survivor");
      assert.deepEqual(
        [present.state, present.transactions, present.transactions_on_server_only, present.partial_transactions],
        ["present", 26, 6, 0],
      );
      assert.deepEqual([present.gaps, present.server_trouble, present.names_trouble], [[], null, null]);
      assert.deepEqual([present.transactions_after_fork, present.stored_since, present.directory], [0, false, lost]);
      assert.ok((present.store_bytes ?? 0) > 0 && (present.server_bytes ?? 0) > 0);
      const summary: Summary = JSON.parse(await readFile(path.join(lost, "summary.json"), "utf8"));
      assert.deepEqual(summary.transactionList.map(rowsOfT), [...stored, ...unstored]);
      assert.deepEqual(
        summary.transactionList.map(({ from }) => from),
        [...stored.map(() => "store"), ...unstored.map(() => "server")],
      );
      const times = summary.transactionList.map(({ committedAt }) => committedAt);
      assert.deepEqual(times, [...times].sort());
      assert.deepEqual([times[0], times.at(-1)], [present.first_commit_time, present.last_commit_time]);
      const text = await readFile(path.join(lost, "summary.txt"), "utf8");
      assert.match(text, /^26 transactions of shop are not in survivor\.$/m);
      assert.match(text, /^6 of them are not in the store, only on the server of shop\.$/m);
      assert.equal(text.split("\n").filter((line) => /^20\S+Z  /.test(line)).length, 26);
      const [{ count } = {}] = await shop.sql("SELECT count(*) AS count FROM t");
      if (engine === "pg") assert.equal(await replayedCount(regions, engine, lost), Number(count));
      else
        assert.deepEqual(
          await gtidsOf(lost),
          summary.transactionList.map(({ id }) => id),
        );
      assert.match((await look(regions, "survivor", lost)).trouble ?? "", /is not empty/);

      // All goes on by itself; what the old server is written now is told apart.
      regions.store(north).heal();
      await writer.write(2);
      await shop.sql("CREATE ROLE somebody");
      if (engine === "pg") await shop.sql("ANALYZE"); // what it counts of catalogs needs TOAST
      await stores(regions, north, shop);
      await regions.hasBackups(north, 1, "survivor");
      const later = await found(regions, "survivor");
      assert.deepEqual([later.transactions, later.account_transactions, later.transactions_on_server_only], [28, 1, 0]);
      assert.equal(later.transactions_after_fork, 2);
      assert.ok(await countAt(survivor));

      // Log that is damaged is named, and the rest is told all the same. By then it is copied.
      await stores(regions, south, shop);
      const id = (await regions.serviceId("shop")) ?? "";
      const pieces = logPiecesOf(id, await regions.store(north).keys());
      const behind = pieces.filter(({ start }) => start >= present.fork_end.position);
      const damaged = await readFor(pieces, behind[1]);
      await regions.store(north).flipByte(damaged);
      const holed = await found(regions, "survivor");
      assert.deepEqual([holed.state, holed.gaps.length, holed.gaps[0]?.objects], ["present", 1, [damaged]]);
      assert.ok((holed.transactions ?? 28) - (holed.partial_transactions ?? 0) < 28, "those in part aside");

      // A fork of all there is lacks nothing.
      await forkShop(regions, "complete", { cloud: south });
      const none = await found(regions, "complete");
      assert.deepEqual([none.state, none.transactions, none.gaps], ["none", 0, []]);
      assert.match(none.explanation, /^nothing was lost: complete holds all that shop had committed/);

      await refusals(regions);
      await regions.api.request("DELETE", `${services}/shop`);
      const deleted = await found(regions, "survivor");
      assert.deepEqual([deleted.source_deleted, deleted.server_trouble], [true, "shop was deleted"]);
      await regions.catalog.db.deleteFrom("location").where("service_id", "=", id).execute();
      assert.equal((await lostRange(regions, "survivor")).state, "gone");
    } finally {
      await shop[Symbol.asyncDispose]();
    }
  },
);

async function refusals(regions: TestRegions): Promise<void> {
  const lost = (service: string, body?: object) =>
    regions.api.request(body ? "POST" : "GET", `${services}/${service}/btar/lost_range`, body);
  await assert.rejects(lost("shop"), /Service shop is no fork/);
  await assert.rejects(lost("shop", {}), /Service shop is no fork/);
  await assert.rejects(lost("nobody"), /nobody/);
  await assert.rejects(lost("survivor", { directory: "relative" }), /directory/);
  await assert.rejects(lost("survivor", { directory: 7 }), /directory/);
  await assert.rejects(lost("survivor", { where: "/tmp" }), /where/);
  assert.match((await look(regions, "survivor", "/proc/none/at/all")).trouble ?? "", /does not exist on the host/);
}
