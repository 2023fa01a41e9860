import { rename } from "node:fs/promises";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { ApiClient, type BackupAnswer, type ServiceAnswer, eventually } from "../test/support/api-client.ts";
import { digests, loadCities } from "./dataset.ts";
import type { RunningBtar } from "../test/support/running-btar.ts";
import type { Telling } from "./telling.ts";
import { type AcknowledgedWrite, WriteStream, withoutSslMode } from "./writes.ts";

/** What the demonstration measured; printed as JSON with `--json`. */
export interface DemoResult {
  readonly ok: boolean;
  readonly engine: "pg";
  readonly rows: number;
  readonly digestAtTEqual: boolean;
  readonly latestConsistent: boolean;
  readonly rpoSeconds: number;
  readonly rtoSeconds: number;
  readonly baseBackupBytes: number;
  readonly storedBytes: number;
  readonly copiedBytes: number;
  readonly backupSeconds: number;
  readonly copySeconds: number;
  readonly forks: readonly { readonly name: string; readonly uri: string; readonly rtoSeconds: number }[];
}

const project = "/project/demo";

interface Fork {
  readonly name: string;
  readonly uri: string;
  readonly rtoSeconds: number;
}

/** A service lives, is backed up to another region, loses its region, and comes back twice. */
export async function tellStory(server: RunningBtar, telling: Telling): Promise<DemoResult> {
  const api = new ApiClient(server.url, server.token);
  const uri = await createShop(api, telling);
  const writes = await WriteStream.start(uri);
  try {
    const rows = await telling.step(
      "loading the cities of the world",
      async (show) =>
        await withClient(uri, (client) => loadCities(client, (done, total) => show(`${done} of ${total} rows`))),
    );
    const backup = await backUp(api, telling);
    const noted = await noteMoment(writes, telling);
    await telling.step("writing on, the log following", async () => await waitForWrites(writes, 300));
    await waitForCopy(api, noted.at, telling);
    const lost = await loseNorth(api, server, writes, telling);
    const atT = await fork(api, telling, { name: "shop-at-T", at: noted.at });
    const latest = await fork(api, telling, { name: "shop-latest" });
    const digestAtTEqual = await compareDigests(atT, noted.digests, telling);
    const found = await checkLatest(latest, telling);
    const rpoSeconds = Math.max(0, (lost.at.getTime() - found.at.getTime()) / 1000);
    return {
      ok: digestAtTEqual && found.isConsistent,
      engine: "pg",
      rows: rows + found.id,
      digestAtTEqual,
      latestConsistent: found.isConsistent,
      rpoSeconds,
      rtoSeconds: Math.max(atT.rtoSeconds, latest.rtoSeconds),
      baseBackupBytes: backup.baseBackupBytes,
      storedBytes: backup.storedBytes,
      copiedBytes: backup.copiedBytes,
      backupSeconds: backup.backupSeconds,
      copySeconds: backup.copySeconds,
      forks: [atT, latest],
    };
  } finally {
    await writes.stop();
  }
}

async function createShop(api: ApiClient, telling: Telling): Promise<string> {
  return await telling.step("creating service shop in local-north, with backup to local-south", async (show) => {
    await api.request("POST", `${project}/service`, {
      service_name: "shop",
      service_type: "pg",
      cloud: "local-north",
      plan: "startup-4",
      user_config: { additional_backup_regions: ["local-south"] },
    });
    const service = await runningService(api, "shop", show);
    return service.service_uri ?? "";
  });
}

async function runningService(api: ApiClient, name: string, show: (text: string) => void): Promise<ServiceAnswer> {
  return await eventually(`${name} runs`, async () => {
    const { service } = await api.request<{ service: ServiceAnswer }>("GET", `${project}/service/${name}`);
    show(service.state);
    return service.state === "RUNNING" ? service : undefined;
  });
}

interface BackupFigures {
  readonly baseBackupBytes: number;
  readonly storedBytes: number;
  readonly copiedBytes: number;
  readonly backupSeconds: number;
  readonly copySeconds: number;
}

async function backUp(api: ApiClient, telling: Telling): Promise<BackupFigures> {
  return await telling.step("taking a base backup, and copying it to local-south", async (show) => {
    const path = `${project}/service/shop/backups`;
    // The first backup starts by itself, with the service; this one holds the data.
    const asked = await api.request<{ backup: { backup_name: string } }>("POST", path);
    const name = asked.backup.backup_name;
    return await eventually(`backup ${name} is complete in both clouds`, async () => {
      const { backup } = await api.request<{ backup: BackupAnswer }>("GET", `${path}/${encodeURIComponent(name)}`);
      show(backup.locations.map(({ cloud, state }) => `${cloud}: ${state}`).join(", "));
      const [primary, secondary] = ["primary", "secondary"].map((role) =>
        backup.locations.find((at) => at.role === role),
      );
      if (primary?.state !== "complete" || secondary?.state !== "complete") return undefined;
      return {
        baseBackupBytes: backup.data_size,
        storedBytes: backup.stored_size,
        copiedBytes: secondary.sent_bytes,
        backupSeconds: secondsBetween(primary.started_at, primary.completed_at),
        copySeconds: secondsBetween(secondary.started_at, secondary.completed_at),
      };
    });
  });
}

interface NotedMoment {
  readonly at: string;
  readonly digests: Readonly<Record<string, string>>;
}

/** Between two writes: so the digests are those of exactly this moment. */
async function noteMoment(writes: WriteStream, telling: Telling): Promise<NotedMoment> {
  return await telling.step("noting a time T and a digest of every table", async (show) => {
    await waitForWrites(writes, 100);
    return await writes.between(async (client) => {
      const now = await client.query<{ at: string }>(
        `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
      );
      const at = now.rows[0]?.at ?? "";
      show(at);
      return { at, digests: await digests(client) };
    });
  });
}

async function waitForWrites(writes: WriteStream, count: number): Promise<void> {
  const until = (writes.last?.id ?? 0) + count;
  await eventually(`write ${until}`, async () => {
    if (writes.failure !== undefined) throw writes.failure;
    return (writes.last?.id ?? 0) >= until ? true : undefined;
  });
}

interface Protection {
  readonly locations: readonly {
    readonly cloud: string;
    readonly recovery_window: { readonly latest_at: string } | null;
  }[];
}

async function waitForCopy(api: ApiClient, at: string, telling: Telling): Promise<void> {
  await telling.step("waiting until the copy in local-south reaches beyond T", async (show) => {
    await eventually("the copy reaches T", async () => {
      const protection = await api.request<Protection>("GET", `${project}/service/shop/btar`);
      const latest = protection.locations.find(({ cloud }) => cloud === "local-south")?.recovery_window?.latest_at;
      if (latest !== undefined) show(`reaches ${latest}`);
      return latest !== undefined && Date.parse(latest) > Date.parse(at) + 1000 ? true : undefined;
    });
  });
}

interface Status {
  readonly clouds: readonly { readonly cloud_name: string; readonly agents: readonly { readonly pid: number }[] }[];
}

/** No warning, no clean end: processes killed, everything of the region out of reach. */
async function loseNorth(
  api: ApiClient,
  server: RunningBtar,
  writes: WriteStream,
  telling: Telling,
): Promise<AcknowledgedWrite> {
  return await telling.step("losing local-north: agent, service, data and store", async () => {
    const directory = server.cloudDirectory("local-north");
    const { service } = await api.request<{ service: { service_id: string } }>("GET", `${project}/service/shop`);
    const postmaster = await readFile(
      join(directory, "services", service.service_id, "data", "postmaster.pid"),
      "utf8",
    );
    const status = await api.request<Status>("GET", `${project}/btar/status`);
    const agents = status.clouds.find(({ cloud_name }) => cloud_name === "local-north")?.agents ?? [];
    for (const { pid } of agents) process.kill(pid, "SIGKILL");
    process.kill(Number(postmaster.split("\n")[0]), "SIGKILL");
    await rename(directory, join(server.directory, "lost-north"));
    await writes.ended();
    if (!writes.last) throw new Error("nothing was written before the region was lost");
    return writes.last;
  });
}

async function fork(
  api: ApiClient,
  telling: Telling,
  wanted: { readonly name: string; readonly at?: string },
): Promise<Fork> {
  const when = wanted.at ?? "the end of the recovery window";
  return await telling.step(`forking shop to ${wanted.name} in local-south, at ${when}`, async (show) => {
    const startedAt = Date.now();
    await api.request("POST", `${project}/service`, {
      service_name: wanted.name.toLowerCase(),
      service_type: "pg",
      cloud: "local-south",
      plan: "startup-4",
      user_config: {
        service_to_fork_from: "shop",
        ...(wanted.at === undefined ? {} : { recovery_target_time: wanted.at }),
      },
    });
    const { service_uri } = await runningService(api, wanted.name.toLowerCase(), show);
    const uri = service_uri ?? "";
    await withClient(uri, async (client) => await client.query("select 1"));
    return { name: wanted.name.toLowerCase(), uri, rtoSeconds: (Date.now() - startedAt) / 1000 };
  });
}

async function compareDigests(
  fork: Fork,
  expected: Readonly<Record<string, string>>,
  telling: Telling,
): Promise<boolean> {
  return await telling.step("comparing the digests at T", async (show) => {
    const found = await withClient(fork.uri, digests);
    const names = new Set([...Object.keys(found), ...Object.keys(expected)]);
    const differing = [...names].filter((name) => found[name] !== expected[name]);
    show(differing.length === 0 ? `${names.size} tables are equal` : `these differ: ${differing.join(", ")}`);
    return differing.length === 0;
  });
}

interface FoundWrites extends AcknowledgedWrite {
  /** Every write up to the newest is there once, and the total beside them agrees. */
  readonly isConsistent: boolean;
}

async function checkLatest(fork: Fork, telling: Telling): Promise<FoundWrites> {
  return await telling.step("checking that shop-latest holds every write, none torn", async (show) => {
    return await withClient(fork.uri, async (client) => {
      const result = await client.query<{ newest: string; count: string; total: string; at: Date }>(
        `select max(id) as newest, count(*) as count, max(at) as at, (select writes from totals) as total from writes`,
      );
      const row = result.rows[0];
      const [newest, count, total] = [Number(row?.newest), Number(row?.count), Number(row?.total)];
      show(`${count} writes`);
      return {
        id: newest,
        at: row?.at ?? new Date(0),
        isConsistent: newest > 0 && newest === count && count === total,
      };
    });
  });
}

async function withClient<T>(uri: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: withoutSslMode(uri), ssl: { rejectUnauthorized: false } });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function secondsBetween(from: string | null, to: string | null): number {
  return from === null || to === null ? 0 : Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}
