import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ApiClient, type BackupAnswer, type ServiceAnswer } from "../support/api-client.ts";
import type { EngineName } from "../../src/domain/engine-name.ts";
import { countAt, rowsAt } from "../support/fork-shop.ts";
import { freePorts } from "../support/free-ports.ts";
import { mysqlBasedir } from "../support/mysql-server.ts";
import { type JobView, type LocationView, until } from "../support/regions.ts";
import { RunningBtar } from "../support/running-btar.ts";
import { testEachEngine } from "../support/shops.ts";

const project = "/project/demo";
const shop = `${project}/service/shop`;
const token = `kill${"0".repeat(40)}`;

async function serviceOf(api: ApiClient, name: string): Promise<ServiceAnswer> {
  return (await api.request<{ service: ServiceAnswer }>("GET", `${project}/service/${name}`)).service;
}

async function serviceUri(api: ApiClient, name: string): Promise<string> {
  let uri = "";
  await until(`${name} runs`, async () => {
    const service = await serviceOf(api, name);
    uri = service.service_uri ?? "";
    return service.state === "RUNNING";
  });
  return uri;
}

/** Work that is met while it runs. */
interface MetWork {
  readonly kind: string;
  /** That it is in, if that matters. */
  readonly phase?: string | undefined;
  /** Whether all of it has ended, so that it cannot be met any more. */
  readonly isOver: () => Promise<boolean>;
  readonly askAgain: () => Promise<void>;
}

/** Waits until a job of a kind is seen running. One that has ended before anybody has looked is asked for again. */
async function meet(api: ApiClient, { kind, phase, isOver, askAgain }: MetWork): Promise<void> {
  const isRunning = async () => {
    const { jobs } = await api.request<{ jobs: readonly JobView[] }>("GET", `${project}/jobs?open=true`);
    return jobs.some((job) => {
      return job.kind === kind && job.state === "running" && (phase === undefined || job.progress?.phase === phase);
    });
  };
  for (;;) {
    let isMet = false;
    await until(`a job of kind ${kind} runs`, async () => {
      isMet = await isRunning();
      return isMet || (await isOver());
    });
    if (isMet) return;
    await askAgain();
  }
}

const rowCount = 300_000;

const statements: Readonly<Record<EngineName, { rows: (table: string) => string; readonly startedSeconds: string }>> = {
  pg: {
    rows: (table) => `create table ${table} as select i, md5(i::text) as note from generate_series(1, ${rowCount}) i`,
    startedSeconds: "select extract(epoch from pg_postmaster_start_time())",
  },
  mysql: {
    rows: (table) => `create table ${table} as
      with recursive n (i) as (select 1 union all select i + 1 from n where i < ${rowCount})
      select /*+ SET_VAR(cte_max_recursion_depth = 1000000) */ i, sha2(i, 256) as note from n`,
    startedSeconds: `select unix_timestamp(now(6)) - variable_value from performance_schema.global_status
      where variable_name = 'Uptime'`,
  },
};

/** Waits until the second region holds all of now. */
async function untilCopied(api: ApiClient): Promise<void> {
  const now = new Date();
  await until("the copy reaches now", async () => {
    const { locations } = await api.request<{ locations: readonly LocationView[] }>("GET", `${shop}/btar`);
    const window = locations.find(({ cloud }) => cloud === "local-south")?.recovery_window;
    return window !== null && window !== undefined && new Date(window.latest_at) > now;
  });
}

/** The first base backup, which is taken by itself, and those that were asked for. */
class AskedBackups {
  readonly #api: ApiClient;
  #count = 1;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  async one(): Promise<void> {
    await this.#api.request("POST", `${shop}/backups`);
    this.#count += 1;
  }

  /** Each is there, and none besides. */
  async areComplete(): Promise<boolean> {
    const { length } = await this.#complete();
    assert.ok(length <= this.#count, `${length} base backups`);
    return length === this.#count;
  }

  async areCopied(): Promise<boolean> {
    const backups = await this.#complete();
    return backups.every(({ locations }) => locations.every(({ state }) => state === "complete"));
  }

  async #complete(): Promise<readonly BackupAnswer[]> {
    return (await this.#api.request<{ backups: readonly BackupAnswer[] }>("GET", `${shop}/backups`)).backups;
  }
}

testEachEngine(
  "after kill -9 of btar during a backup, a copy and a fork, each goes on, nothing is half visible, the service never stopped",
  async (engine) => {
    if (engine === "mysql") await mysqlBasedir(); // btar only looks for it
    const directory = await mkdtemp(path.join(tmpdir(), "btar-test-kill-"));
    const [port] = await freePorts(1);
    const [firstServicePort] = await freePorts(100);
    const place = { directory, port, token, firstServicePort };
    let btar = await RunningBtar.start(place);
    const again = async () => {
      await btar.kill();
      btar = await RunningBtar.start(place);
    };
    try {
      const api = new ApiClient(btar.url, token);
      await api.request("POST", `${project}/service`, {
        service_name: "shop",
        service_type: engine,
        plan: "hobbyist",
        cloud: "local-north",
        user_config: { additional_backup_regions: ["local-south"] },
      });
      const uri = await serviceUri(api, "shop");
      const { rows, startedSeconds } = statements[engine];
      const started = async () => Number((await rowsAt(uri, startedSeconds))[0]?.[0]);
      const startedBefore = await started();
      await rowsAt(uri, rows("t"));
      const asked = new AskedBackups(api);
      await until("the first backup is complete", async () => await asked.areComplete());

      await asked.one();
      await meet(api, {
        kind: "backup",
        isOver: async () => await asked.areComplete(),
        askAgain: async () => await asked.one(),
      });
      await again();
      await until("the backup is complete", async () => await asked.areComplete());

      await meet(api, {
        kind: "copy",
        isOver: async () => await asked.areCopied(),
        askAgain: async () => {
          await asked.one();
          await until("one more is complete", async () => await asked.areComplete());
        },
      });
      await again();
      await until("all copies are complete", async () => await asked.areCopied());

      await rowsAt(uri, rows("to_be_replayed"));
      await untilCopied(api);
      const forks: string[] = [];
      const fork = async () => {
        forks.push(`forked-${forks.length}`);
        await api.request("POST", `${project}/service`, {
          service_name: forks.at(-1),
          cloud: "local-south",
          user_config: { service_to_fork_from: "shop" },
        });
      };
      await fork();
      // Progress is told once a second: what PostgreSQL does in less is not seen.
      for (const phase of engine === "pg" ? [undefined] : [undefined, "replaying the log"]) {
        const isOver = async () => (await serviceOf(api, forks.at(-1) ?? "")).state === "RUNNING";
        await meet(api, { kind: "fork", phase, isOver, askAgain: fork });
        await again();
      }
      const forked = await serviceUri(api, forks.at(-1) ?? "");
      for (const table of ["t", "to_be_replayed"]) assert.equal(await countAt(forked, table), rowCount);
      // What MySQL tells of it is whole seconds. A restart would have been much later.
      const difference = (await started()) - startedBefore;
      assert.ok(Math.abs(difference) < 3, `it was started ${difference} s later`);
      assert.ok(await asked.areComplete());
    } finally {
      await btar.stop();
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    }
  },
);
