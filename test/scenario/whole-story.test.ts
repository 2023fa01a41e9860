/** The whole life of a backup to another region, from the creation of a service to the end of all that is stored of it. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Static } from "typebox";
import type { backupAnswer, reportAnswer } from "../../src/contract/backups.ts";
import type { deletedServicesAnswer } from "../../src/contract/deleted-services.ts";
import type { jobAnswer } from "../../src/contract/jobs.ts";
import type { lostRangeAnswer } from "../../src/contract/lost-range.ts";
import type { serviceAnswer } from "../../src/contract/services.ts";
import type { statusAnswer } from "../../src/contract/status.ts";
import type { EngineName } from "../../src/domain/engine-name.ts";
import { askForFork, rowsAt } from "../support/fork-shop.ts";
import { mysqlBasedir } from "../support/mysql-server.ts";
import { east, north, south, TestRegions, until } from "../support/regions.ts";
import { testEachEngine } from "../support/shops.ts";

const services = "/project/demo/service";
const lagObjectiveSeconds = 2;
/** Beyond the grace times. */
const weekMs = 7 * 86_400_000;

testEachEngine(
  "E1, C6, M1, L1, L4, R1, F2, F4, F5, R2, D1, D2, D3: a service lives with its backup in another region, and loses its own",
  async (engine) => {
    if (engine === "mysql") await mysqlBasedir(); // agents look for MySQL when they start
    await using regions = await TestRegions.create({ clouds: [north, south, east], limits: { lagObjectiveSeconds } });
    const story = new Story(regions, engine);
    await story.begins();
    await story.changesCloud();
    await story.fallsBehind();
    await story.losesItsRegion();
    await story.regionReturns();
    await story.isDeletedAndRestored();
    await story.isDisabled();
    await story.ends();
  },
);

class Story {
  readonly #regions: TestRegions;
  readonly #engine: EngineName;
  /** Of the shop, and of its fork. */
  #uri = "";
  #forkUri = "";
  #userPassword = "";
  #nextRow = 1;

  constructor(regions: TestRegions, engine: EngineName) {
    this.#regions = regions;
    this.#engine = engine;
  }

  async begins(): Promise<void> {
    await this.#ask("POST", "", {
      ...{ service_name: "shop", service_type: this.#engine, plan: "startup-4", cloud: north },
      user_config: { additional_backup_regions: [south] },
    });
    this.#uri = await this.#runs("shop");
    await rowsAt(this.#uri, "CREATE TABLE t (id int PRIMARY KEY)");
    const { user } = await this.#ask<{ user: { password: string } }>("POST", "/shop/user", { username: "app" });
    this.#userPassword = user.password;
    await this.#addRow();
    await this.#regions.hasBackups(south, 1);
    const { backup } = await this.#ask<Static<typeof backupAnswer>>("POST", "/shop/backups");
    await this.#regions.hasBackups(south, 2);
    const shown = await this.#ask<Static<typeof backupAnswer>>("GET", `/shop/backups/${backup.backup_name}`);
    assert.deepEqual(
      shown.backup.locations.map(({ cloud, state }) => [cloud, state]),
      [
        [north, "complete"],
        [south, "complete"],
      ],
    );
  }

  /** M1: make before break. */
  async changesCloud(): Promise<void> {
    const regions = this.#regions;
    regions.store(east).stall({ operations: ["put"], afterCalls: 1 });
    await this.#copyTo("shop", [east]);
    const added = await this.#addRow();
    await regions.reaches(south, added);
    assert.equal((await regions.location(south))?.state, "retiring");
    regions.store(east).heal();
    await until("the old cloud has made way", async () => (await regions.location(south))?.state === "deleting");
    assert.equal((await regions.location(east))?.complete_backups, 2);
    await regions.reaches(east, added);
  }

  async fallsBehind(): Promise<void> {
    const regions = this.#regions;
    regions.store(east).stall({ operations: ["put"] });
    await this.#addRow();
    const lag = async () => (await regions.location(east))?.replication_lag_seconds ?? 0;
    await until("the lag rises", async () => (await lag()) > lagObjectiveSeconds);
    await regions.sampleLag();
    await until("it is told", async () => (await this.#told("location_behind")).length > 0);
    regions.store(east).heal();
    await until("the lag is gone", async () => (await lag()) === 0);
    await regions.sampleLag();
    await until("that is told, too", async () => (await this.#told("location_caught_up")).length > 0);
    const { metrics } = await this.#ask<Static<typeof reportAnswer>>("POST", "/shop/backup_to_another_region/report", {
      period: "hour",
    });
    const rows = metrics.replication_lag?.data.rows ?? [];
    assert.ok(rows.some((row) => row.some((value) => typeof value === "number" && value > lagObjectiveSeconds)));
  }

  /** What is written after the link has failed is in the lost region alone; some of it only on the server. */
  async losesItsRegion(): Promise<void> {
    const regions = this.#regions;
    await this.#addRow();
    const [target, rows] = [await momentAfterAll(), rowsUpTo(this.#nextRow)];
    await regions.reaches(east, await this.#addRow());
    await regions.stopAgent(east);
    await this.#addRow();
    await regions.reaches(north, await this.#addRow());
    regions.store(north).failWith("STORE_FULL", { operations: ["put"] });
    await this.#addRow();
    await regions.stopAgent(north);
    regions.store(north).failWith("STORE_UNREACHABLE");
    await regions.startAgent(east);

    // R1: what that means is told.
    await until("the loss is told", async () => (await this.#told("cloud_down")).some((text) => text.includes("shop")));
    const { clouds } = await regions.api.request<Static<typeof statusAnswer>>("GET", "/project/demo/btar/status");
    const [lost] = clouds.find(({ cloud_name }) => cloud_name === north)?.affected ?? [];
    assert.deepEqual([lost?.service_name, lost?.role, lost?.restorable[0]?.cloud], ["shop", "primary", east]);

    await askForFork(regions, "survivor", { cloud: east, at: target.toISOString() });
    this.#forkUri = await this.#runs("survivor");
    assert.deepEqual(await idsAt(this.#forkUri), rows, "F4: all up to T, and nothing else");
    await regions.hasBackups(east, 1, "survivor");
    await this.#copyTo("survivor", [south]);
    await rowsAt(this.#forkUri, "INSERT INTO t VALUES (1000)");
    await regions.hasBackups(south, 1, "survivor");
    await regions.reaches(south, new Date(), "survivor");
  }

  async regionReturns(): Promise<void> {
    const regions = this.#regions;
    regions.store(north).heal();
    await regions.startAgent(north);
    await until("its server answers", async () => (await this.#isAnswering()) === true);
    const { job } = await this.#ask<Static<typeof jobAnswer>>("POST", "/survivor/btar/lost_range", {});
    await until("it was looked what the fork lacks", async () => {
      const ended = (await regions.jobs("survivor")).find(({ id }) => id === job.id);
      assert.notEqual(ended?.state, "failed", ended?.trouble ?? "");
      return ended?.state === "complete";
    });
    const { lost_range: found } = await this.#ask<Static<typeof lostRangeAnswer>>("GET", "/survivor/btar/lost_range");
    assert.deepEqual([found.state, found.transactions, found.gaps], ["present", 4, []], JSON.stringify(found.tables));
    assert.match(found.tables.find(({ kind }) => kind === "table")?.name ?? "", /\bt$/);

    // R2: all goes on by itself.
    const added = await this.#addRow();
    await regions.reaches(north, added);
    await regions.reaches(east, added);
    assert.deepEqual(await this.#told("log_gap"), []);
  }

  /** The same service again, with its backups, copies, users and address. */
  async isDeletedAndRestored(): Promise<void> {
    const regions = this.#regions;
    const id = await regions.serviceId("shop");
    const complete = (await regions.location(east))?.complete_backups ?? 0;
    await this.#ask("DELETE", "/shop");
    const { services: deleted } = await regions.api.request<Static<typeof deletedServicesAnswer>>(
      "GET",
      "/project/demo/btar/deleted_services",
    );
    assert.deepEqual(
      deleted.map(({ service_id }) => service_id),
      [id],
    );
    assert.ok(new Date(deleted[0]?.backups_until ?? 0) > new Date());
    await until("its server is gone", async () =>
      (await regions.jobs()).every(({ kind, state }) => kind !== "remove" || state === "complete"),
    );
    const copies = await this.#copyCount();
    await this.#ask("POST", "/shop/btar/undelete");
    assert.equal(await this.#runs("shop"), this.#uri, "clients go on as before");
    assert.deepEqual(await idsAt(this.#uri), rowsUpTo(this.#nextRow));
    await this.#connectsAsUser();
    await regions.reaches(east, await this.#addRow());
    await regions.hasBackups(east, complete + 1);
    assert.equal(await regions.serviceId("shop"), id);
    assert.equal(await this.#copyCount(), copies + 1, "what was copied before is not copied again");
    await askForFork(regions, "later", { cloud: east });
    assert.deepEqual(await idsAt(await this.#runs("later")), rowsUpTo(this.#nextRow));
    for (const kind of ["log_gap", "database_replaced", "history_changed", "location_removed"]) {
      assert.deepEqual(await this.#told(kind), [], kind);
    }
  }

  /** D1, D2: taken back without copying; then the copies go, and the primary backup stays. */
  async isDisabled(): Promise<void> {
    const regions = this.#regions;
    const copies = await this.#copyCount();
    const complete = (await regions.location(east))?.complete_backups;
    await this.#copyTo("shop", []);
    assert.equal((await regions.location(east))?.state, "deleting");
    await this.#copyTo("shop", [east]);
    await regions.reaches(east, await this.#addRow());
    assert.equal((await regions.location(east))?.complete_backups, complete);
    assert.equal(await this.#copyCount(), copies);

    await this.#copyTo("shop", []);
    await regions.catalog.db
      .updateTable("location")
      .set({ delete_after: new Date() })
      .where("state", "=", "deleting")
      .execute();
    const id = (await regions.serviceId("shop")) ?? "";
    for (const cloud of [south, east]) {
      await until(`nothing is left in ${cloud}`, async () => (await regions.location(cloud)) === undefined);
      assert.deepEqual(await regions.store(cloud).keys(id), []);
    }
    assert.ok(((await regions.location(north))?.complete_backups ?? 0) >= 2);
  }

  /** D3: all that is stored of it goes, and the fork has its own. */
  async ends(): Promise<void> {
    const regions = this.#regions;
    const id = (await regions.serviceId("shop")) ?? "";
    await this.#ask("DELETE", "/shop");
    await regions.catalog.db
      .updateTable("service")
      .set({ deleted_at: new Date(Date.now() - weekMs) })
      .where("id", "=", id)
      .execute();
    await until("the service is forgotten", async () => (await regions.serviceId("shop")) === undefined);
    assert.deepEqual(await regions.store(north).keys(id), []);
    assert.ok((await idsAt(this.#forkUri)).includes(1000));
    assert.equal((await regions.location(east, "survivor"))?.complete_backups, 1);
  }

  /** One transaction, one row. @returns a moment after it */
  async #addRow(): Promise<Date> {
    await rowsAt(this.#uri, `INSERT INTO t VALUES (${this.#nextRow})`);
    this.#nextRow += 1;
    return new Date();
  }

  async #copyTo(service: string, clouds: readonly string[]): Promise<void> {
    await this.#ask("PUT", `/${service}`, { user_config: { additional_backup_regions: clouds } });
  }

  async #connectsAsUser(): Promise<void> {
    const url = new URL(this.#uri);
    url.username = "app";
    url.password = this.#userPassword;
    if (this.#engine === "mysql") url.pathname = "/information_schema"; // it has no rights to others
    assert.equal((await rowsAt(url.toString(), "SELECT 1")).length, 1);
  }

  async #copyCount(): Promise<number> {
    return (await this.#regions.jobs()).filter(({ kind }) => kind === "copy").length;
  }

  async #isAnswering(): Promise<boolean> {
    return await rowsAt(this.#uri, "SELECT 1").then(
      () => true,
      () => false,
    );
  }

  /** Waits until the service runs. @returns the URI of its server */
  async #runs(name: string): Promise<string> {
    let uri = "";
    await until(`${name} runs`, async () => {
      const { service } = await this.#ask<Static<typeof serviceAnswer>>("GET", `/${name}`);
      uri = service.service_uri ?? "";
      return service.state === "RUNNING";
    });
    return uri;
  }

  async #told(kind: string): Promise<readonly string[]> {
    const events = await this.#regions.events();
    return events.filter(({ event_type }) => event_type === kind).map(({ event_desc }) => event_desc);
  }

  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    return await this.#regions.api.request<T>(method, `${services}${path}`, body);
  }
}

async function idsAt(uri: string): Promise<readonly number[]> {
  return (await rowsAt(uri, "SELECT id FROM t ORDER BY id")).map(([id]) => Number(id));
}

/** Those before the next one. */
function rowsUpTo(next: number): readonly number[] {
  return Array.from({ length: next - 1 }, (_, index) => index + 1);
}

/** A moment, to the millisecond, that lies behind all that was committed, and before all that will be. */
async function momentAfterAll(): Promise<Date> {
  const at = new Date(Date.now() + 1);
  while (Date.now() <= at.getTime()) await delay(1);
  return at;
}
