import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { ApiClient, type BackupAnswer, eventually, type ServiceAnswer } from "../test/support/api-client.ts";
import { RunningBtar } from "../test/support/running-btar.ts";
import { withoutSslMode } from "../demo/writes.ts";
import { loadPgbench } from "./pgbench-data.ts";
import { type CpuReading, cpuOfTree, cpuSeconds, peakMemoryBytes } from "./process-figures.ts";

export interface BackupBenchOptions {
  /** pgbench scale: 100 000 accounts each, about 15 MB. */
  readonly scale: number;
  readonly rounds: number;
  readonly say: (text: string) => void;
}

interface Phase {
  readonly seconds: number;
  /** CPU seconds of btar's agent of the cloud that works. */
  readonly agentCpuSeconds: number;
  /** CPU seconds of the database server meanwhile. */
  readonly serverCpuSeconds: number;
}

const project = "/project/demo";

/** Base backup, copy and restore of a pgbench database, with the real processes; medians over rounds. */
export async function benchBackup(options: BackupBenchOptions): Promise<Record<string, unknown>> {
  const directory = await mkdtemp(join(tmpdir(), "btar-bench-"));
  const token = `bench${"0".repeat(40)}`;
  const server = await RunningBtar.start({ directory, port: 18080, token, firstServicePort: 22000 });
  try {
    const api = new ApiClient(server.url, token);
    options.say("creating a PostgreSQL 18 service");
    const uri = await createService(api);
    const dataBytes = await load(uri, options);
    const rounds: Round[] = [];
    // The first round warms caches up, and is not counted.
    for (let round = 0; round <= options.rounds; round += 1) {
      const figures = await runRound({ api, server, directory, round });
      options.say(`round ${round}${round === 0 ? " (warm-up)" : ""}: ${describe(figures)}`);
      if (round > 0) rounds.push(figures);
    }
    const agents = await agentPids(api);
    const gb = dataBytes / 1e9;
    return {
      scale: options.scale,
      databaseBytes: dataBytes,
      backup: phaseFigures(
        rounds.map((round) => round.backup),
        gb,
      ),
      copy: phaseFigures(
        rounds.map((round) => round.copy),
        gb,
      ),
      restore: phaseFigures(
        rounds.map((round) => round.restore),
        gb,
      ),
      storedBytes: median(rounds.map((round) => round.storedBytes)),
      peakMemoryBytes: {
        agentNorth: peakMemoryBytes(agents["local-north"] ?? 0),
        agentSouth: peakMemoryBytes(agents["local-south"] ?? 0),
        controlPlane: peakMemoryBytes(await server.nodePid()),
      },
    };
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface Round {
  readonly backup: Phase;
  readonly copy: Phase;
  readonly restore: Phase;
  readonly storedBytes: number;
}

async function createService(api: ApiClient): Promise<string> {
  await api.request("POST", `${project}/service`, {
    service_name: "bench",
    service_type: "pg",
    cloud: "local-north",
    plan: "startup-4",
    user_config: { pg_version: "18", additional_backup_regions: ["local-south"] },
  });
  return await eventually("the service runs", async () => {
    const { service } = await api.request<{ service: ServiceAnswer }>("GET", `${project}/service/bench`);
    return service.state === "RUNNING" ? (service.service_uri ?? undefined) : undefined;
  });
}

async function load(uri: string, options: BackupBenchOptions): Promise<number> {
  const client = new pg.Client({ connectionString: withoutSslMode(uri), ssl: { rejectUnauthorized: false } });
  await client.connect();
  try {
    options.say(`loading pgbench tables, scale ${options.scale}`);
    await loadPgbench(client, options.scale);
    const size = await client.query<{ bytes: string }>(
      "select sum(pg_database_size(datname)) as bytes from pg_database",
    );
    return Number(size.rows[0]?.bytes);
  } finally {
    await client.end();
  }
}

async function runRound(request: {
  readonly api: ApiClient;
  readonly server: RunningBtar;
  readonly directory: string;
  readonly round: number;
}): Promise<Round> {
  const { api, server, directory, round } = request;
  const agents = await agentPids(api);
  const before = readings(agents, await postmasterPid(api, server));
  const path = `${project}/service/bench/backups`;
  const asked = await api.request<{ backup: { backup_name: string } }>("POST", path);
  const name = asked.backup.backup_name;
  const find = async (role: string) => {
    const { backup } = await api.request<{ backup: BackupAnswer }>("GET", `${path}/${name}`);
    const location = backup.locations.find((at) => at.role === role);
    if (location?.state === "failed") throw new Error(`backup ${name} failed in ${location.cloud}`);
    return location?.state === "complete" ? { backup, location } : undefined;
  };
  const primary = await eventually("the backup is complete", () => find("primary"));
  const afterBackup = readings(agents, await postmasterPid(api, server));
  const secondary = await eventually("the copy is complete", () => find("secondary"));
  const afterCopy = readings(agents, 0);
  const target = join(directory, `restored-${round}`);
  await mkdir(target, { recursive: true });
  const startedAt = Date.now();
  await restore(api, target, name);
  const restoreSeconds = (Date.now() - startedAt) / 1000;
  const afterRestore = readings(agents, 0);
  await rm(target, { recursive: true, force: true });
  const cpu = (from: Readings, to: Readings, key: keyof Readings) => cpuSeconds(from[key], to[key]);
  return {
    backup: {
      seconds: between(primary.location.started_at, primary.location.completed_at),
      agentCpuSeconds: cpu(before, afterBackup, "north"),
      serverCpuSeconds: cpu(before, afterBackup, "server"),
    },
    copy: {
      seconds: between(secondary.location.started_at, secondary.location.completed_at),
      agentCpuSeconds: cpu(afterBackup, afterCopy, "south"),
      serverCpuSeconds: 0,
    },
    restore: {
      seconds: restoreSeconds,
      agentCpuSeconds: cpu(afterCopy, afterRestore, "south"),
      serverCpuSeconds: 0,
    },
    storedBytes: primary.backup.stored_size,
  };
}

async function restore(api: ApiClient, directory: string, backup: string): Promise<void> {
  const asked = await api.request<{ job: { id: string } }>("POST", `${project}/service/bench/restore`, {
    location: "local-south",
    backup_name: backup,
    directory,
  });
  await eventually("the restore has ended", async () => {
    const { job } = await api.request<{ job: { state: string; trouble: string | null } }>(
      "GET",
      `${project}/jobs/${asked.job.id}`,
    );
    if (job.state === "failed") throw new Error(`the restore failed: ${job.trouble}`);
    return job.state === "complete" ? true : undefined;
  });
}

interface Readings {
  readonly north: CpuReading;
  readonly south: CpuReading;
  readonly server: CpuReading;
}

function readings(agents: Readonly<Record<string, number>>, postmaster: number): Readings {
  return {
    north: cpuOfTree(agents["local-north"] ?? 0),
    south: cpuOfTree(agents["local-south"] ?? 0),
    server: cpuOfTree(postmaster),
  };
}

async function agentPids(api: ApiClient): Promise<Readonly<Record<string, number>>> {
  const status = await api.request<{
    clouds: readonly { cloud_name: string; agents: readonly { pid: number }[] }[];
  }>("GET", `${project}/btar/status`);
  return Object.fromEntries(status.clouds.map(({ cloud_name, agents }) => [cloud_name, agents[0]?.pid ?? 0]));
}

async function postmasterPid(api: ApiClient, server: RunningBtar): Promise<number> {
  const { service } = await api.request<{ service: { service_id: string } }>("GET", `${project}/service/bench`);
  const file = join(server.cloudDirectory("local-north"), "services", service.service_id, "data", "postmaster.pid");
  return Number(readFileSync(file, "utf8").split("\n")[0]);
}

function phaseFigures(phases: readonly Phase[], gb: number): Record<string, number> {
  const seconds = median(phases.map((phase) => phase.seconds));
  const round = (value: number) => Number(value.toFixed(3));
  return {
    seconds: round(seconds),
    mbPerSecond: round((gb * 1000) / seconds),
    agentCpuSecondsPerGb: round(median(phases.map((phase) => phase.agentCpuSeconds)) / gb),
    serverCpuSecondsPerGb: round(median(phases.map((phase) => phase.serverCpuSeconds)) / gb),
  };
}

function describe(round: Round): string {
  const phase = ({ seconds, agentCpuSeconds, serverCpuSeconds }: Phase) =>
    `${seconds.toFixed(2)} s (CPU ${agentCpuSeconds.toFixed(1)} + ${serverCpuSeconds.toFixed(1)} s)`;
  return `backup ${phase(round.backup)}, copy ${phase(round.copy)}, restore ${phase(round.restore)}`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const high = sorted[Math.floor(middle)] ?? 0;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? 0) + high) / 2 : high;
}

function between(from: string | null, to: string | null): number {
  return from === null || to === null ? Number.NaN : (Date.parse(to) - Date.parse(from)) / 1000;
}
