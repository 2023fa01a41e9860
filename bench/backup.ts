import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { withoutSslMode } from "../demo/postgres.ts";
import { eventually, type ServiceAnswer } from "../test/support/api-client.ts";
import { inBenchDirectory } from "./bench-directory.ts";
import { type MeasuredBtar, north, project, south } from "./measured-btar.ts";
import { loadPgbench } from "./pgbench-data.ts";
import { cpuSecondsOfTree } from "./process-figures.ts";
import { btarStarter } from "./start-btar.ts";
import { median, rounded } from "./statistics.ts";

export interface BackupBenchOptions {
  /** pgbench scale: 100 000 accounts each, about 15 MB. */
  readonly scale: number;
  readonly rounds: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

interface Phase {
  readonly seconds: number;
  /** CPU seconds of btar's agent of the cloud that works. */
  readonly agentCpuSeconds: number;
  /** CPU seconds of the database server meanwhile. */
  readonly serverCpuSeconds: number;
}

interface Round {
  readonly backup: Phase;
  readonly copy: Phase;
  readonly restore: Phase;
  readonly storedBytes: number;
}

/** Base backup, copy and restore of a pgbench database, with the real processes; medians over rounds. */
export async function benchBackup(options: BackupBenchOptions): Promise<Record<string, unknown>> {
  return await inBenchDirectory(async (directory) => {
    await using btar = await btarStarter({ ...options, directory })("btar");
    options.say("creating a PostgreSQL 18 service");
    const uri = await createService(btar);
    const dataBytes = await load(uri, options);
    const rounds: Round[] = [];
    // The first round warms caches up, and is not counted.
    for (let round = 0; round <= options.rounds; round += 1) {
      const figures = await runRound(btar, join(directory, `restored-${round}`));
      options.say(`round ${round}${round === 0 ? " (warm-up)" : ""}: ${describe(figures)}`);
      if (round > 0) rounds.push(figures);
    }
    const figuresOf = (phase: "backup" | "copy" | "restore") =>
      phaseFigures(
        rounds.map((round) => round[phase]),
        dataBytes / 1e9,
      );
    return {
      scale: options.scale,
      databaseBytes: dataBytes,
      backup: figuresOf("backup"),
      copy: figuresOf("copy"),
      restore: figuresOf("restore"),
      storedBytes: median(rounds.map((round) => round.storedBytes)),
      peakMemoryBytes: await btar.peakMemory(),
    };
  });
}

async function createService({ api }: MeasuredBtar): Promise<string> {
  await api.request("POST", `${project}/service`, {
    service_name: "bench",
    service_type: "pg",
    cloud: north,
    plan: "startup-4",
    user_config: { pg_version: "18", additional_backup_regions: [south] },
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

async function runRound(btar: MeasuredBtar, target: string): Promise<Round> {
  const pids = { ...(await btar.pids()), postmaster: await postmasterPid(btar) };
  const read = () => ({
    agentNorth: cpuSecondsOfTree(pids.agentNorth),
    agentSouth: cpuSecondsOfTree(pids.agentSouth),
    server: cpuSecondsOfTree(pids.postmaster),
  });
  const before = read();
  const name = await btar.askForBackup("bench");
  const primary = await btar.completeBackup("bench", name, "primary");
  const afterBackup = read();
  const secondary = await btar.completeBackup("bench", name, "secondary");
  const afterCopy = read();
  const restoreSeconds = await btar.restore("bench", { location: south, backup: name, directory: target });
  const afterRestore = read();
  await rm(target, { recursive: true, force: true });
  return {
    backup: {
      seconds: primary.seconds,
      agentCpuSeconds: afterBackup.agentNorth - before.agentNorth,
      serverCpuSeconds: afterBackup.server - before.server,
    },
    copy: {
      seconds: secondary.seconds,
      agentCpuSeconds: afterCopy.agentSouth - afterBackup.agentSouth,
      serverCpuSeconds: 0,
    },
    restore: {
      seconds: restoreSeconds,
      agentCpuSeconds: afterRestore.agentSouth - afterCopy.agentSouth,
      serverCpuSeconds: 0,
    },
    storedBytes: primary.backup.stored_size,
  };
}

async function postmasterPid({ api, server }: MeasuredBtar): Promise<number> {
  const { service } = await api.request<{ service: { service_id: string } }>("GET", `${project}/service/bench`);
  const file = join(server.cloudDirectory(north), "services", service.service_id, "data", "postmaster.pid");
  return Number(readFileSync(file, "utf8").split("\n")[0]);
}

function phaseFigures(phases: readonly Phase[], gb: number): Record<string, number> {
  const seconds = median(phases.map((phase) => phase.seconds));
  return {
    seconds: rounded(seconds),
    mbPerSecond: rounded((gb * 1000) / seconds),
    agentCpuSecondsPerGb: rounded(median(phases.map((phase) => phase.agentCpuSeconds)) / gb),
    serverCpuSecondsPerGb: rounded(median(phases.map((phase) => phase.serverCpuSeconds)) / gb),
  };
}

function describe(round: Round): string {
  const phase = ({ seconds, agentCpuSeconds, serverCpuSeconds }: Phase) =>
    `${seconds.toFixed(2)} s (CPU ${agentCpuSeconds.toFixed(1)} + ${serverCpuSeconds.toFixed(1)} s)`;
  return `backup ${phase(round.backup)}, copy ${phase(round.copy)}, restore ${phase(round.restore)}`;
}
