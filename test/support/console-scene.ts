import { randomUUID } from "node:crypto";
import { changePerson, requirePerson } from "../../src/catalog/people.ts";
import type { BtarConfiguration } from "../../src/contract/configuration.ts";
import { adminEmail } from "../../src/control-plane/bootstrap.ts";
import { hashPassword } from "../../src/platform/password-hash.ts";
import { RepeatedWork } from "../../src/platform/repeated-work.ts";
import { builtConsole } from "./browser.ts";
import { addRecoveredFork } from "./recovered-fork.ts";
import { RunningApi, testConfiguration } from "./running-api.ts";
import { SimulatedAgent, until } from "./simulated-agent.ts";

export const scenePassword = "correct horse battery";
export const sceneEmail = adminEmail;
/** Somebody who may look at the project, and change nothing. */
export const readerEmail = "ines@example.test";

const minute = 60_000;
const hour = 60 * minute;

const clouds = ["aws-eu-west-1", "aws-eu-central-1", "aws-eu-north-1"] as const;
const [home, copy, third] = clouds;

/** An installation with services in every state, as the console is to show them. */
export class ConsoleScene {
  readonly api: RunningApi;
  readonly agent: SimulatedAgent;
  readonly #now = Date.now();
  #nextPort = 20_500;
  #signsOfLife: RepeatedWork | undefined;
  readonly #living = new Set<string>(clouds);

  private constructor(api: RunningApi) {
    this.api = api;
    this.agent = new SimulatedAgent(api);
  }

  static async make(): Promise<ConsoleScene> {
    const configuration: BtarConfiguration = testConfiguration({
      clouds: clouds.map((name) => ({
        name,
        storeUrl: `file:/nowhere/${name}`,
        storeCredentials: undefined,
        description: undefined,
        geo: undefined,
      })),
      services: { listenHost: "127.0.0.1", advertisedHost: "127.0.0.1", ports: { first: 20_000, last: 22_000 } },
    });
    const scene = new ConsoleScene(await RunningApi.start(configuration, builtConsole));
    const admin = await requirePerson(scene.api.catalog.db, adminEmail);
    await changePerson(scene.api.catalog.db, admin, { passwordHash: await hashPassword(scenePassword) });
    await scene.#live();
    scene.#signsOfLife = scene.#startLiving();
    return scene;
  }

  async close(): Promise<void> {
    await this.#signsOfLife?.stop();
    await this.api.close();
  }

  /** Its agent says nothing any more. */
  async loseRegion(cloud: string = home): Promise<void> {
    await this.#signsOfLife?.stop();
    this.#living.delete(cloud);
    await this.agent.register(cloud, { seenAt: new Date(Date.now() - hour) });
    this.#signsOfLife = this.#startLiving();
  }

  /** Services in every state. */
  async furnish(): Promise<void> {
    await this.service("shop", { engine: "pg", copies: [copy] });
    await this.#history("shop", [home, copy]);
    await this.service("orders", { engine: "mysql", copies: [copy, third] });
    await this.#history("orders", [home, copy, third]);
    await this.service("billing", { engine: "pg", copies: [copy] });
    await this.#backup("billing", 3, [home]);
    await this.#copying("billing");
    await this.service("analytics", { engine: "pg", copies: [third] });
    await this.#history("analytics", [home, third]);
    await this.#paused("analytics");
    await this.service("sandbox", { engine: "mysql", copies: [] });
    await this.#backup("sandbox", 5, [home]);
    // Their first ones, which no agent takes, have kept the schedule from asking for others until now.
    for (const name of ["shop", "orders", "billing", "analytics", "sandbox"]) await this.agent.ends(name, ["backup"]);
    await this.#charts("shop", copy);
    await this.#charts("orders", copy);
    await this.#charts("analytics", third);
    await this.#metrics("shop");
    await this.#addPeople();
    await this.#forking("shop", "rehearsal");
    await addRecoveredFork(this, { source: "shop", name: "shop-recovered", clouds: { from: home, to: copy } });
    await this.api.avn("POST", "/project/demo/btar/notifications", {
      ...{
        name: "on-call",
        type: "webhook",
        url: "https://alerts.example.test/btar",
        severities: ["warning", "error"],
      },
    });
  }

  /** Many services, each with a copy. */
  async crowd(count: number): Promise<void> {
    await this.api.catalog.db.transaction().execute(async (trx) => {
      const model = await trx.selectFrom("service").selectAll().where("name", "=", "shop").executeTakeFirstOrThrow();
      for (let number = 0; number < count; number += 1) {
        const id = randomUUID();
        const { forked_from: _origin, ...rest } = model;
        await trx
          .insertInto("service")
          .values({
            ...rest,
            id,
            name: `service-${String(number).padStart(4, "0")}`,
            user_config: JSON.stringify(model.user_config),
            maintenance: JSON.stringify(model.maintenance),
            tags: "{}",
            tech_emails: "[]",
            port: null,
          })
          .execute();
        await trx
          .insertInto("location")
          .values([
            { service_id: id, cloud: home, role: "primary", state: "active", created_at: new Date() },
            { service_id: id, cloud: copy, role: "secondary", state: "active", created_at: new Date() },
          ])
          .execute();
      }
    });
  }

  /** A service that runs. */
  async service(
    name: string,
    options: { readonly engine: "pg" | "mysql"; readonly copies: readonly string[] },
  ): Promise<void> {
    const { engine, copies } = options;
    const answer = await this.api.avn("POST", "/project/demo/service", {
      service_name: name,
      service_type: engine,
      plan: "business-8",
      cloud: home,
      user_config: {
        ...(copies.length === 0 ? {} : { additional_backup_regions: copies }),
        ...{ backup_hour: new Date(this.#now - 10 * hour).getUTCHours(), backup_minute: 0 }, // none is due
      },
    });
    if (answer.status !== 200) throw new Error(answer.text);
    await this.agent.runs(name);
    const { db } = this.api.catalog;
    const id = await this.agent.serviceId(name);
    this.#nextPort += 1;
    await db.deleteFrom("base_backup").where("service_id", "=", id).execute(); // its first one
    await db.updateTable("service").set({ host: "10.20.0.7", port: this.#nextPort }).where("id", "=", id).execute();
    await db
      .insertInto("service_database")
      .values([{ service_id: id, name: `${name}_production`, created_at: new Date() }])
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  #startLiving(): RepeatedWork {
    const signs = new RepeatedWork(() => this.#live(), {
      everyMs: 5000,
      onFailure: (reason) => process.emitWarning(reason),
    });
    signs.start();
    return signs;
  }

  async #live(): Promise<void> {
    for (const cloud of this.#living) await this.agent.register(cloud);
  }

  async #history(name: string, places: readonly string[]): Promise<void> {
    for (const hoursAgo of [46, 34, 22, 10]) await this.#backup(name, hoursAgo, places);
    await this.api.catalog.db
      .updateTable("location")
      .set({ verified_until: new Date(this.#now - 20 * minute) })
      .where("service_id", "=", await this.agent.serviceId(name))
      .execute();
    await this.api.catalog.db
      .insertInto("verification")
      .values(
        await Promise.all(
          places.map(async (cloud) => ({
            service_id: await this.agent.serviceId(name),
            cloud,
            structure_at: new Date(this.#now - 2 * hour),
            structure_objects: 812,
            data_after: null,
            data_round_started_at: new Date(this.#now - 240 * hour),
            data_verified_at: new Date(this.#now - 30 * hour),
            job_id: null,
            job_bytes: 0,
          })),
        ),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  async #backup(name: string, hoursAgo: number, places: readonly string[]): Promise<string> {
    const from = new Date(this.#now - hoursAgo * hour);
    const id = `${from.toISOString().slice(0, 19).replaceAll(":", "-")}Z-${randomUUID().slice(0, 4)}`;
    const { db } = this.api.catalog;
    await this.agent.backup(name, { id, from, until: new Date(this.#now), clouds: places });
    const grown = 48_300_000_000 + (48 - hoursAgo) * 310_000_000;
    await db
      .updateTable("base_backup")
      .set({ data_bytes: grown, stored_bytes: Math.round(grown / (hoursAgo > 40 ? 3 : 60)), file_count: 2143 })
      .where("id", "=", id)
      .execute();
    return id;
  }

  async #copying(name: string): Promise<void> {
    const { db } = this.api.catalog;
    const service_id = await this.agent.serviceId(name);
    const backup = await db
      .selectFrom("base_backup")
      .select("id")
      .where("service_id", "=", service_id)
      .where("state", "=", "complete")
      .orderBy("id", "desc")
      .executeTakeFirstOrThrow();
    const bytes = { done_bytes: 6_400_000_000, total_bytes: 16_100_000_000, sent_bytes: 6_400_000_000 };
    const started_at = new Date(this.#now - 4 * minute);
    // By the scheduler.
    await until(`a copy of ${name} is asked for`, async () => (await this.agent.jobs(name, "copy")).length > 0);
    await db
      .updateTable("backup_location")
      .set({ state: "copying", ...bytes, started_at })
      .where("backup_id", "=", backup.id)
      .where("cloud", "=", copy)
      .execute();
    const [job] = await this.agent.jobs(name, "copy");
    const progress = {
      phase: "copying packs",
      done: bytes.done_bytes,
      total: bytes.total_bytes,
      unit: "bytes" as const,
    };
    await db
      .updateTable("job")
      .set({ state: "running", started_at, progress: JSON.stringify(progress) })
      .where("id", "=", job?.id ?? "")
      .execute();
  }

  async #paused(name: string): Promise<void> {
    await this.api.catalog.db
      .updateTable("location")
      .set({
        is_paused: true,
        pause_reason: "the link is being moved",
        oldest_missing_at: new Date(this.#now - 42 * minute),
      })
      .where("service_id", "=", await this.agent.serviceId(name))
      .where("role", "=", "secondary")
      .execute();
    await this.api.catalog.db
      .updateTable("log_range")
      .set({ covered_until: new Date(this.#now - 42 * minute) })
      .where("service_id", "=", await this.agent.serviceId(name))
      .where("cloud", "=", third)
      .execute();
  }

  async #charts(name: string, cloud: string): Promise<void> {
    const service_id = await this.agent.serviceId(name);
    const samples = Array.from({ length: 120 }, (_, index) => {
      const wave = Math.abs(Math.sin(index / 9)) * 4 + (index % 17 === 0 ? 9 : 0);
      return {
        service_id,
        cloud,
        at: new Date(this.#now - (120 - index) * 30_000),
        lag_seconds: name === "analytics" ? Math.max(0, (index - 36) * 30) : wave,
        rpo_seconds: name === "analytics" ? Math.max(3, (index - 36) * 30) : wave + 3,
      };
    });
    await this.api.catalog.db.insertInto("lag_sample").values(samples).execute();
    await this.#traffic(service_id, cloud);
  }

  /** Log as it arrives at a copy all the time; base backups within the day. */
  async #traffic(service_id: string, cloud: string): Promise<void> {
    const { db } = this.api.catalog;
    const sample = (minutesAgo: number, log_bytes: number, backup_bytes: number) => ({
      ...{ service_id, cloud, log_bytes, backup_bytes, held_bytes: log_bytes + backup_bytes, lacking_bytes: 0 },
      at: new Date(this.#now - minutesAgo * minute),
    });
    const [before, log_bytes_total, backup_bytes_total] = [48_000_000_000, 61_500_000_000, 3_900_000_000];
    await db
      .insertInto("store_sample")
      .values([
        sample(1500, before, 0),
        sample(61, 60_800_000_000, 3_900_000_000),
        sample(2, 61_460_000_000, 3_900_000_000),
      ])
      .execute();
    await db
      .updateTable("location")
      .set({ log_bytes_total, backup_bytes_total })
      .where("service_id", "=", service_id)
      .where("cloud", "=", cloud)
      .execute();
  }

  async #metrics(name: string): Promise<void> {
    const service_id = await this.agent.serviceId(name);
    const samples = Array.from({ length: 120 }, (_, index) => ({
      service_id,
      at: new Date(this.#now - (120 - index) * 30_000),
      cpu_usage: 24 + 12 * Math.sin(index / 8) + (index % 11),
      mem_usage: 61 + index / 40,
      disk_usage: 43 + index / 200,
      diskio_read: 2_400_000 + 900_000 * Math.sin(index / 5),
      diskio_writes: 5_200_000 + 2_100_000 * Math.cos(index / 7),
      load_average: 1.1 + 0.4 * Math.sin(index / 10),
    }));
    await this.api.catalog.db.insertInto("metric_sample").values(samples).execute();
  }

  /** A fork that replays its log. */
  async #forking(source: string, name: string): Promise<void> {
    const answer = await this.api.avn("POST", "/project/demo/service", {
      service_name: name,
      cloud: copy,
      user_config: { service_to_fork_from: source },
    });
    if (answer.status !== 200) throw new Error(answer.text);
    const progress = {
      phase: "replaying the log",
      done: 0.62,
      total: 1,
      unit: "fraction",
      detail: "5/8A2F0C18 of 5/C1000000",
      since: new Date(Date.now() - 80_000).toISOString(),
      doneBefore: 0,
    };
    await this.api.catalog.db
      .updateTable("job")
      .set({ state: "running", started_at: new Date(Date.now() - 3 * minute), progress: JSON.stringify(progress) })
      .where("service_id", "=", await this.agent.serviceId(name))
      .where("kind", "=", "fork")
      .execute();
  }

  async #addPeople(): Promise<void> {
    for (const [email, real_name] of [
      ["nadia@example.test", "Nadia Okafor"],
      ["jon@example.test", "Jon Lindqvist"],
    ]) {
      await this.api.avn("POST", "/btar/user", { email, real_name });
    }
    await this.api.avn("POST", "/btar/user", {
      ...{ email: readerEmail, real_name: "Ines Marquez", password: scenePassword },
    });
    await this.api.avn("POST", "/project/demo/invite", { user_email: readerEmail, member_type: "read_only" });
  }
}
