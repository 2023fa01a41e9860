import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { ApiClient, type BackupAnswer, type ServiceAnswer } from "../support/api-client.ts";
import { rowsAt } from "../support/fork-shop.ts";
import { freePort } from "../support/postgres-server.ts";
import { type JobView, until } from "../support/regions.ts";
import { RunningBtar } from "../support/running-btar.ts";

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

async function untilJobRuns(api: ApiClient, kind: string): Promise<void> {
  await until(`a job of kind ${kind} runs`, async () => {
    const { jobs } = await api.request<{ jobs: readonly JobView[] }>("GET", `${project}/jobs?open=true`);
    return jobs.some((job) => job.kind === kind && job.state === "running");
  });
}

async function completeBackups(api: ApiClient): Promise<readonly BackupAnswer[]> {
  return (await api.request<{ backups: readonly BackupAnswer[] }>("GET", `${shop}/backups`)).backups;
}

test("after kill -9 of btar during a backup, a copy and a fork, each goes on, nothing is half visible, the service never stopped", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "btar-test-kill-"));
  const place = {
    directory,
    port: await freePort(),
    token,
    firstServicePort: 25_000 + Math.floor(Math.random() * 4000),
  };
  let btar = await RunningBtar.start(place);
  const again = async () => {
    await btar.kill();
    btar = await RunningBtar.start(place);
  };
  try {
    const api = new ApiClient(btar.url, token);
    await api.request("POST", `${project}/service`, {
      service_name: "shop",
      service_type: "pg",
      plan: "hobbyist",
      cloud: "local-north",
      user_config: { additional_backup_regions: ["local-south"] },
    });
    const uri = await serviceUri(api, "shop");
    await rowsAt(uri, "create table t as select i, md5(i::text) as note from generate_series(1, 600000) i");
    const [[startedAt] = []] = await rowsAt(uri, "select pg_postmaster_start_time()");
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

    await api.request("POST", `${project}/service`, {
      service_name: "forked",
      service_type: "pg",
      plan: "hobbyist",
      cloud: "local-south",
      user_config: { service_to_fork_from: "shop" },
    });
    await untilJobRuns(api, "fork");
    await again();
    const forked = await serviceUri(api, "forked");
    assert.deepEqual(await rowsAt(forked, "select count(*)::int from t"), [[600_000]]);
    assert.deepEqual(await rowsAt(uri, "select pg_postmaster_start_time()"), [[startedAt]]);
    assert.equal((await completeBackups(api)).length, 2);
  } finally {
    await btar.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
});
