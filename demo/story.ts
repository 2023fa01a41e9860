import { ApiClient, type BackupAnswer, type ServiceAnswer, eventually } from "../test/support/api-client.ts";
import type { RunningBtar } from "../test/support/running-btar.ts";
import { citiesOfTheWorld } from "./cities.ts";
import { project, Region } from "./region.ts";
import type { Digests, ShopConnection, ShopDatabase } from "./shop-database.ts";
import type { Telling } from "./telling.ts";
import { type AcknowledgedWrite, WriteStream } from "./writes.ts";

/** What the story measured; printed as JSON with `--json`. */
export interface StoryResult {
  readonly ok: boolean;
  readonly engine: ShopDatabase["engine"];
  readonly rows: number;
  readonly digestAtTEqual: boolean;
  readonly latestConsistent: boolean;
  readonly rpoSeconds: number;
  /** The longest of the forks. */
  readonly rtoSeconds: number;
  readonly baseBackupBytes: number;
  readonly storedBytes: number;
  readonly copiedBytes: number;
  readonly backupSeconds: number;
  readonly copySeconds: number;
  readonly forks: readonly Fork[];
}

interface Fork {
  readonly name: string;
  readonly uri: string;
  /** From when it was asked for to the first query answered. */
  readonly rtoSeconds: number;
}

interface BackupFigures {
  readonly baseBackupBytes: number;
  readonly storedBytes: number;
  readonly copiedBytes: number;
  readonly backupSeconds: number;
  readonly copySeconds: number;
}

interface NotedMoment {
  readonly at: string;
  readonly digests: Digests;
}

interface Protection {
  readonly locations: readonly {
    readonly cloud: string;
    readonly recovery_window: { readonly latest_at: string } | null;
  }[];
}

const rowsPerStatement = 5000;

/** A service lives, is backed up to another region, loses its region, and comes back twice. */
export class Story {
  readonly #api: ApiClient;
  readonly #north: Region;
  readonly #database: ShopDatabase;
  readonly #telling: Telling;
  /** Of all engines whose servers may run in the region that is lost. */
  readonly #pidFiles: readonly string[];

  constructor(parts: {
    readonly server: RunningBtar;
    readonly database: ShopDatabase;
    readonly pidFiles: readonly string[];
    readonly telling: Telling;
  }) {
    this.#api = new ApiClient(parts.server.url, parts.server.token);
    this.#north = new Region("local-north", { api: this.#api, server: parts.server });
    this.#database = parts.database;
    this.#pidFiles = parts.pidFiles;
    this.#telling = parts.telling;
  }

  /** At its end local-north is lost. */
  async tell(): Promise<StoryResult> {
    const { engine, serviceName } = this.#database;
    const uri = await this.#createShop();
    const writes = await this.#beginToWrite(uri);
    try {
      const rows = await this.#loadCities(uri);
      const backup = await this.#backUp();
      const noted = await this.#noteMoment(writes);
      await this.#telling.step("writing on, the log following", () => writes.more(300));
      await this.#waitForCopy(noted.at);
      const lost = await this.#loseNorth(writes);
      const atT = await this.#fork({ name: `${serviceName}-at-t`, at: noted.at });
      const latest = await this.#fork({ name: `${serviceName}-latest` });
      const digestAtTEqual = await this.#compareDigests(atT, noted.digests);
      const found = await this.#checkLatest(latest);
      return {
        ok: digestAtTEqual && found.isConsistent,
        engine,
        rows: rows + found.id,
        digestAtTEqual,
        latestConsistent: found.isConsistent,
        rpoSeconds: Math.max(0, (lost.at.getTime() - found.at.getTime()) / 1000),
        rtoSeconds: Math.max(atT.rtoSeconds, latest.rtoSeconds),
        ...backup,
        forks: [atT, latest],
      };
    } finally {
      await writes.stop();
    }
  }

  /** What stands and runs there goes on by itself; so another story can be told. */
  async bringNorthBack(): Promise<void> {
    await this.#telling.step("bringing local-north back", () => this.#north.comeBack());
  }

  async #createShop(): Promise<string> {
    const { engine, serviceName } = this.#database;
    const title = `creating service ${serviceName} in local-north, with backup to local-south`;
    return await this.#telling.step(title, async (show) => {
      await this.#api.request("POST", `${project}/service`, {
        service_name: serviceName,
        service_type: engine,
        cloud: "local-north",
        plan: "startup-4",
        user_config: { additional_backup_regions: ["local-south"] },
      });
      return (await this.#runningService(serviceName, show)).service_uri ?? "";
    });
  }

  async #runningService(name: string, show: (text: string) => void): Promise<ServiceAnswer> {
    return await eventually(`${name} runs`, async () => {
      const { service } = await this.#api.request<{ service: ServiceAnswer }>("GET", `${project}/service/${name}`);
      show(service.state);
      return service.state === "RUNNING" ? service : undefined;
    });
  }

  async #beginToWrite(uri: string): Promise<WriteStream> {
    const connection = await this.#database.connect(uri);
    await connection.createTables();
    return new WriteStream(connection);
  }

  async #loadCities(uri: string): Promise<number> {
    return await this.#telling.step("loading the cities of the world", async (show) => {
      const cities = citiesOfTheWorld();
      return await this.#connected(uri, async (connection) => {
        for (let at = 0; at < cities.length; at += rowsPerStatement) {
          await connection.insertCities(cities.slice(at, at + rowsPerStatement));
          show(`${Math.min(at + rowsPerStatement, cities.length)} of ${cities.length} rows`);
        }
        return await connection.indexCities();
      });
    });
  }

  async #backUp(): Promise<BackupFigures> {
    return await this.#telling.step("taking a base backup, and copying it to local-south", async (show) => {
      const path = `${project}/service/${this.#database.serviceName}/backups`;
      // The first backup starts by itself, with the service; this one holds the data.
      const asked = await this.#api.request<{ backup: { backup_name: string } }>("POST", path);
      const name = asked.backup.backup_name;
      return await eventually(`backup ${name} is complete in both clouds`, async () => {
        const answer = await this.#api.request<{ backup: BackupAnswer }>("GET", `${path}/${encodeURIComponent(name)}`);
        show(answer.backup.locations.map(({ cloud, state }) => `${cloud}: ${state}`).join(", "));
        return figuresOf(answer.backup);
      });
    });
  }

  /** Between two writes: so the digests are those of exactly this moment. */
  async #noteMoment(writes: WriteStream): Promise<NotedMoment> {
    return await this.#telling.step("noting a time T and a digest of every table", async (show) => {
      await writes.more(100);
      return await writes.between(async (connection) => {
        const at = await connection.now();
        show(at);
        return { at, digests: await connection.digests() };
      });
    });
  }

  async #waitForCopy(at: string): Promise<void> {
    await this.#telling.step("waiting until the copy in local-south reaches beyond T", async (show) => {
      await eventually("the copy reaches T", async () => {
        const path = `${project}/service/${this.#database.serviceName}/btar`;
        const { locations } = await this.#api.request<Protection>("GET", path);
        const latest = locations.find(({ cloud }) => cloud === "local-south")?.recovery_window?.latest_at;
        if (latest !== undefined) show(`reaches ${latest}`);
        return latest !== undefined && Date.parse(latest) > Date.parse(at) + 1000 ? true : undefined;
      });
    });
  }

  async #loseNorth(writes: WriteStream): Promise<AcknowledgedWrite> {
    return await this.#telling.step("losing local-north: agent, service, data and store", async () => {
      await this.#north.lose(this.#pidFiles);
      await writes.ended();
      if (!writes.last) throw new Error("nothing was written before the region was lost");
      return writes.last;
    });
  }

  async #fork({ name, at }: { readonly name: string; readonly at?: string }): Promise<Fork> {
    const { engine, serviceName } = this.#database;
    const title = `forking ${serviceName} to ${name} in local-south, at ${at ?? "the end of the recovery window"}`;
    return await this.#telling.step(title, async (show) => {
      const startedAt = Date.now();
      await this.#api.request("POST", `${project}/service`, {
        service_name: name,
        service_type: engine,
        cloud: "local-south",
        plan: "startup-4",
        user_config: {
          service_to_fork_from: serviceName,
          ...(at === undefined ? {} : { recovery_target_time: at }),
        },
      });
      const uri = (await this.#runningService(name, show)).service_uri ?? "";
      await this.#connected(uri, (connection) => connection.now());
      return { name, uri, rtoSeconds: (Date.now() - startedAt) / 1000 };
    });
  }

  async #compareDigests(fork: Fork, expected: Digests): Promise<boolean> {
    return await this.#telling.step("comparing the digests at T", async (show) => {
      const found = await this.#connected(fork.uri, (connection) => connection.digests());
      const names = new Set([...Object.keys(found), ...Object.keys(expected)]);
      const differing = [...names].filter((name) => found[name] !== expected[name]);
      show(differing.length === 0 ? `${names.size} tables are equal` : `these differ: ${differing.join(", ")}`);
      return differing.length === 0;
    });
  }

  /** Consistent: every write up to the newest is there once, and the total beside them agrees. */
  async #checkLatest(fork: Fork): Promise<AcknowledgedWrite & { readonly isConsistent: boolean }> {
    return await this.#telling.step(`checking that ${fork.name} holds every write, none torn`, async (show) => {
      const found = await this.#connected(fork.uri, (connection) => connection.foundWrites());
      const { newestId, count, total, newestAt } = found;
      show(`${count} writes`);
      return { id: newestId, at: newestAt, isConsistent: newestId > 0 && newestId === count && count === total };
    });
  }

  async #connected<T>(uri: string, work: (connection: ShopConnection) => Promise<T>): Promise<T> {
    const connection = await this.#database.connect(uri);
    try {
      return await work(connection);
    } finally {
      await connection.end();
    }
  }
}

/** Undefined until the backup is complete in both clouds. */
function figuresOf(backup: BackupAnswer): BackupFigures | undefined {
  const [primary, secondary] = ["primary", "secondary"].map((role) => backup.locations.find((at) => at.role === role));
  if (primary?.state !== "complete" || secondary?.state !== "complete") return undefined;
  return {
    baseBackupBytes: backup.data_size,
    storedBytes: backup.stored_size,
    copiedBytes: secondary.sent_bytes,
    backupSeconds: secondsBetween(primary.started_at, primary.completed_at),
    copySeconds: secondsBetween(secondary.started_at, secondary.completed_at),
  };
}

function secondsBetween(from: string | null, to: string | null): number {
  return from === null || to === null ? 0 : Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}
