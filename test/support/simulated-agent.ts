import { requestBaseBackup } from "../../src/catalog/backups.ts";
import type { Catalog, CatalogDatabase } from "../../src/catalog/catalog.ts";
import type { JobQueue } from "../../src/catalog/job-queue.ts";
import type { BtarConfiguration } from "../../src/contract/configuration.ts";

interface SimulatedPlace {
  readonly catalog: Catalog;
  readonly jobs: JobQueue;
  readonly configuration: Pick<BtarConfiguration, "clouds">;
}

/** What region agents write into the catalog, without any of their work. */
export class SimulatedAgent {
  readonly #api: SimulatedPlace;

  constructor(api: SimulatedPlace) {
    this.#api = api;
  }

  /** Registers as an agent of a cloud. */
  async register(
    cloud: string,
    options: {
      /** Of PostgreSQL. */
      readonly versions?: readonly string[];
      readonly mysqlVersions?: readonly string[];
      readonly seenAt?: Date;
    } = {},
  ): Promise<void> {
    const { versions = ["14", "15", "16", "17", "18"], mysqlVersions = ["9.7"], seenAt = new Date() } = options;
    const values = {
      cloud,
      host: "test",
      pid: process.pid,
      version: "0.0.0",
      engines: JSON.stringify({ pg: versions, mysql: mysqlVersions }),
      started_at: seenAt,
      seen_at: seenAt,
    };
    await this.#api.catalog.db
      .insertInto("agent")
      .values({ id: `${cloud}@test`, ...values })
      .onConflict((conflict) => conflict.column("id").doUpdateSet(values))
      .execute();
  }

  /** Registers as agents of all clouds that answer for as long as a test lasts. */
  async registerAll(): Promise<void> {
    const seenAt = new Date(Date.now() + 3_600_000);
    for (const { name } of this.#api.configuration.clouds) await this.register(name, { seenAt });
  }

  async serviceId(name: string): Promise<string> {
    const row = await this.#api.catalog.db
      .selectFrom("service")
      .select("id")
      .where("name", "=", name)
      .orderBy("created_at", "desc")
      .limit(1)
      .executeTakeFirstOrThrow();
    return row.id;
  }

  /**
   * Ends the jobs of a service as done, and shows it as running. When it is new, its first base backup is under way from
   * then on; while it is, none is asked for by schedule.
   */
  async runs(name: string): Promise<void> {
    const { catalog, jobs } = this.#api;
    const id = await this.serviceId(name);
    await this.ends(name, ["provision", "fork", "apply"]);
    await catalog.db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom("service").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
      await trx
        .updateTable("service")
        .set({ state: "RUNNING", agent_id: `${row.cloud}@test`, applied_generation: row.generation })
        .where("id", "=", id)
        .execute();
      if (row.agent_id === null) await requestBaseBackup(trx, jobs, row, "first");
    });
  }

  async isOff(name: string): Promise<void> {
    await this.ends(name, ["apply"]);
    await this.#api.catalog.db
      .updateTable("service")
      .set((eb) => ({ state: "POWEROFF" as const, applied_generation: eb.ref("generation") }))
      .where("id", "=", await this.serviceId(name))
      .execute();
  }

  /** Ends the open jobs of these kinds. */
  async ends(name: string, kinds: readonly string[], state: "complete" | "failed" = "complete"): Promise<void> {
    await this.#api.catalog.db
      .updateTable("job")
      .set({ state, finished_at: new Date() })
      .where("service_id", "=", await this.serviceId(name))
      .where("kind", "in", kinds)
      .where("state", "in", ["queued", "running", "waiting"])
      .execute();
  }

  /** Ends the removal of all deleted services: their ports are free again. */
  async removesAll(): Promise<void> {
    await this.#api.catalog.db
      .updateTable("job")
      .set({ state: "complete", finished_at: new Date() })
      .where("kind", "=", "remove")
      .execute();
  }

  /** A base backup, complete in the clouds named, with log that reaches from `from` to `until` in each of them. */
  async backup(name: string, backup: SimulatedBackup): Promise<void> {
    const serviceId = await this.serviceId(name);
    // At once: a scheduler that looks in between would ask for copies of what is about to be there.
    await this.#api.catalog.db.transaction().execute((trx) => insertBackup(trx, serviceId, backup));
  }

  /** Jobs of a kind for a service, oldest first. */
  async jobs(name: string, kind: string) {
    return await this.#api.catalog.db
      .selectFrom("job")
      .selectAll()
      .where("service_id", "=", await this.serviceId(name))
      .where("kind", "=", kind)
      .orderBy("created_at")
      .execute();
  }
}

interface SimulatedBackup {
  readonly id: string;
  readonly from: Date;
  readonly until: Date;
  /** The first is the primary's. */
  readonly clouds: readonly string[];
  /** Transactions that it holds (MySQL). */
  readonly gtids?: string;
}

async function insertBackup(
  db: CatalogDatabase,
  service_id: string,
  { id, from, until, clouds, gtids }: SimulatedBackup,
): Promise<void> {
  await db
    .insertInto("base_backup")
    .values({
      id,
      service_id,
      state: "complete",
      reason: "schedule",
      engine_version: "18.4",
      started_at: from,
      consistent_at: from,
      completed_at: from,
      log_stream: "7-00000001",
      log_start: position(from),
      log_end: position(from),
      gtids_at_least: gtids ?? null,
      gtids_at_most: gtids ?? null,
      data_bytes: 31_415_926,
      stored_bytes: 1_000_000,
      file_count: 1000,
    })
    .execute();
  for (const [index, cloud] of clouds.entries()) {
    await db
      .insertInto("backup_location")
      .values({
        backup_id: id,
        service_id,
        cloud,
        role: index === 0 ? "primary" : "secondary",
        state: "complete",
        done_bytes: 1_000_000,
        total_bytes: 1_000_000,
        sent_bytes: 1_000_000,
        started_at: from,
        completed_at: from,
      })
      .execute();
    await db
      .insertInto("log_range")
      .values({
        service_id,
        cloud,
        stream: "7-00000001",
        start_position: position(from),
        end_position: position(until),
        newest_commit_micros: String(until.getTime() * 1000),
        covered_until: until,
        stored_at: until,
        piece_count: 1,
        stored_bytes: 1000,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

/** Positions are sortable texts; here they are times. */
function position(at: Date): string {
  return String(at.getTime()).padStart(16, "0");
}

/** Waits for a condition that the scheduler brings about; the deadline is far beyond what it takes. */
export async function until<T>(what: string, condition: () => Promise<T | undefined | false>): Promise<T> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    const result = await condition();
    if (result !== undefined && result !== false) return result;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within a minute`);
}
