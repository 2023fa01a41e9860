import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { ApiClient, type BackupAnswer, type ServiceAnswer } from "../support/api-client.ts";
import type { EngineName } from "../../src/domain/engine-name.ts";
import { countAt, rowsAt } from "../support/fork-shop.ts";
import { freePorts } from "../support/free-ports.ts";
import { type JobView, type LocationView, until } from "../support/regions.ts";
import { RunningBtar } from "../support/running-btar.ts";
import { testEachEngine } from "../support/shops.ts";

const project = "/project/demo";
const shop = `${project}/service/shop`;
const token = `kill${"0".repeat(40)}`;

async function serviceUri(api: ApiClient, name: string): Promise<string> {
  let uri = "";
  await until(`${name} runs`, async () => {
    const { service } = await api.request<{ service: ServiceAnswer }>("GET", `${project}/service/${name}`);
    uri = service.service_uri ?? "";
    return service.state === "RUNNING";
  });
  return uri;
}

/** @param phase that it is in, if that matters */
async function untilJobRuns(api: ApiClient, kind: string, phase?: string): Promise<void> {
  await until(`a job of kind ${kind} runs`, async () => {
    const { jobs } = await api.request<{ jobs: readonly JobView[] }>("GET", `${project}/jobs?open=true`);
    return jobs.some((job) => {
      return job.kind === kind && job.state === "running" && (phase === undefined || job.progress?.phase === phase);
    });
  });
}

const rowCount = 300_000;

const statements: Readonly<Record<EngineName, { rows: (table: string) => string; readonly startedAt: string }>> = {
  pg: {
    rows: (table) => `create table ${table} as select i, md5(i::text) as note from generate_series(1, ${rowCount}) i`,
    startedAt: "select pg_postmaster_start_time()",
  },
  mysql: {
    rows: (table) => `create table ${table} as
      with recursive n (i) as (select 1 union all select i + 1 from n where i < ${rowCount})
      select /*+ SET_VAR(cte_max_recursion_depth = 1000000) */ i, sha2(i, 256) as note from n`,
    // Seconds since it started are whole, and so is this, nearly.
    startedAt: `select round((unix_timestamp(now(6)) - variable_value) / 30) from performance_schema.global_status
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

async function completeBackups(api: ApiClient): Promise<readonly BackupAnswer[]> {
  return (await api.request<{ backups: readonly BackupAnswer[] }>("GET", `${shop}/backups`)).backups;
}

testEachEngine(
  "after kill -9 of btar during a backup, a copy and a fork, each goes on, nothing is half visible, the service never stopped",
  async (engine) => {
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
      const { rows, startedAt } = statements[engine];
      const started = await rowsAt(uri, startedAt);
      await rowsAt(uri, rows("t"));
      await until("the first backup is complete", async () => (await completeBackups(api)).length === 1);

      await api.request("POST", `${shop}/backups`);
      await untilJobRuns(api, "backup");
      await again();
      await until("the backup is complete", async () => (await completeBackups(api)).length === 2);

      await untilJobRuns(api, "copy");
      await again();
      await until("both copies are complete", async () => {
        const backups = await completeBackups(api);
        return backups.every(({ locations }) => locations.every(({ state }) => state === "complete"));
      });

      await rowsAt(uri, rows("to_be_replayed"));
      await untilCopied(api);
      await api.request("POST", `${project}/service`, {
        service_name: "forked",
        cloud: "local-south",
        user_config: { service_to_fork_from: "shop" },
      });
      // Progress is told once a second: what PostgreSQL does in less is not seen.
      for (const phase of engine === "pg" ? [undefined] : [undefined, "replaying the log"]) {
        await untilJobRuns(api, "fork", phase);
        await again();
      }
      const forked = await serviceUri(api, "forked");
      for (const table of ["t", "to_be_replayed"]) assert.equal(await countAt(forked, table), rowCount);
      assert.deepEqual(await rowsAt(uri, startedAt), started);
      assert.equal((await completeBackups(api)).length, 2);
    } finally {
      await btar.stop();
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    }
  },
);
