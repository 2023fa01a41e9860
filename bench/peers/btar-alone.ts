import { rm } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type Age, storedEnds } from "../log-age.ts";
import { cpuSecondsOfTree } from "../process-figures.ts";
import type { StartBtar } from "../start-btar.ts";
import { median, rounded } from "../statistics.ts";
import { Btar } from "./btar.ts";
import { Cluster } from "./cluster.ts";
import { flushedPosition, measureLogAgeUnderPgbench } from "./log-age.ts";
import type { Programs } from "./programs.ts";
import { waitUntilQuiet } from "./quiet.ts";
import { measureCatchUp, type WalRate, writeBacklog } from "./wal-rate.ts";

/** What the parts need that measure no other tool. */
export interface Bench {
  readonly programs: Programs;
  readonly directory: string;
  readonly scale: number;
  readonly rounds: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
  readonly startBtar: StartBtar;
}

/** Files of a database of this many GB are about this scale of pgbench. */
const scalePerGb = 63;

export interface SizeFigures {
  readonly gigabytes: number;
  readonly dataBytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly storedBytes: number;
  readonly peakRssBytes: number;
}

/** A first backup of each size, each by a btar that has just started, so that its peak of memory is that backup's. */
export async function measureSizes(bench: Bench, sizes: readonly number[]): Promise<readonly SizeFigures[]> {
  const figures: SizeFigures[] = [];
  for (const gigabytes of sizes) {
    const name = `${gigabytes}-gb`;
    bench.say(`filling a cluster of ${gigabytes} GB`);
    await using cluster = await Cluster.create(join(bench.directory, name), bench.programs, bench.signal);
    await fillWithPgbench(cluster, Math.max(1, Math.round(gigabytes * scalePerGb)));
    await using btar = await bench.startBtar(`btar-${name}`);
    const tool = new Btar(btar, cluster);
    await waitUntilQuiet(cluster, bench.signal);
    const run = await tool.full();
    const result = {
      gigabytes,
      dataBytes: await cluster.dataBytes(),
      seconds: rounded(run.seconds),
      cpuSeconds: rounded(run.toolCpuSeconds + run.serverCpuSeconds),
      storedBytes: run.storedBytes,
      peakRssBytes: Math.max(...Object.values(await btar.peakMemory())),
    };
    bench.say(`  ${gigabytes} GB: ${result.seconds} s, CPU ${result.cpuSeconds} s`);
    figures.push(result);
    await cluster[Symbol.asyncDispose]();
    await btar[Symbol.asyncDispose]();
    for (const left of [name, `btar-${name}`]) await removeBelow(bench.directory, left);
  }
  return figures;
}

export interface LogFigures {
  readonly logAgeSeconds?: { readonly primary: Age; readonly secondary: Age };
  readonly logWalBytesPerSecond?: number;
  readonly wal?: WalRate;
}

/** Age of the stored log under load, and the rate of the pipeline when it has to catch up. */
export async function measureLog(
  bench: Bench,
  options: { readonly cluster: Cluster; readonly ageSeconds: number | undefined; readonly hasRate: boolean },
): Promise<LogFigures> {
  const { cluster, ageSeconds } = options;
  const { say, signal } = bench;
  let btar = await bench.startBtar("btar-log");
  try {
    const tool = new Btar(btar, cluster);
    await tool.full();
    await waitUntilQuiet(cluster, signal);
    let figures: LogFigures = {};
    if (ageSeconds !== undefined) {
      say(`watching the log for ${ageSeconds} s under pgbench -c 4`);
      const request = { btar, service: tool.service, cluster, seconds: ageSeconds, signal };
      const { primary, secondary, walBytesPerSecond } = await measureLogAgeUnderPgbench(request);
      figures = { logAgeSeconds: { primary, secondary }, logWalBytesPerSecond: walBytesPerSecond };
      await waitUntilQuiet(cluster, signal);
    }
    if (options.hasRate) {
      const stored = (await storedEnds(btar, tool.service)).primary;
      await btar[Symbol.asyncDispose]();
      say("writing WAL while btar is down");
      const from = await flushedPosition(cluster);
      await writeBacklog(cluster, bench.scale);
      await waitUntilQuiet(cluster, signal);
      say(`  ${(Number((await flushedPosition(cluster)) - from) / 1e6).toFixed(0)} MB; btar catches up`);
      btar = await bench.startBtar("btar-log");
      const wal = await measureCatchUp({ btar, service: tool.service, stored, cluster, signal });
      say(`  ${wal.megabytesPerSecond.toFixed(0)} MB/s`);
      figures = { ...figures, wal };
    }
    return figures;
  } finally {
    await btar[Symbol.asyncDispose]();
    await removeBelow(bench.directory, "btar-log");
  }
}

/** `pg_basebackup` that throws everything away: what the server needs to send, whoever receives. */
export async function measureFloor(
  bench: Bench,
  cluster: Cluster,
): Promise<{ readonly seconds: number; readonly cpuSeconds: number }> {
  const runs: { readonly seconds: number; readonly cpuSeconds: number }[] = [];
  for (let round = 0; round <= bench.rounds; round += 1) {
    await waitUntilQuiet(cluster, bench.signal);
    // All that runs below this process; btar is not among it in this part, or at rest.
    const cpuBefore = cpuSecondsOfTree(process.pid);
    const startedAt = performance.now();
    const args = ["-D", "-", "-F", "tar", "-X", "none", "-c", "fast"];
    await cluster.run("pg_basebackup", args, { isOutputDropped: true });
    const seconds = rounded((performance.now() - startedAt) / 1000);
    const cpuSeconds = rounded(cpuSecondsOfTree(process.pid) - cpuBefore);
    bench.say(`  pg_basebackup to nowhere: ${seconds} s, CPU ${cpuSeconds} s`);
    if (round > 0) runs.push({ seconds, cpuSeconds });
  }
  return { seconds: median(runs.map((run) => run.seconds)), cpuSeconds: median(runs.map((run) => run.cpuSeconds)) };
}

export async function fillWithPgbench(cluster: Cluster, scale: number): Promise<void> {
  await cluster.load(() => cluster.run("pgbench", ["-i", "-q", "-s", String(scale)]));
}

/** As large as pgbench's tables of that scale, of rows that zstd makes three times smaller. */
export async function fillWithHashes(cluster: Cluster, scale: number): Promise<void> {
  const rows = scale * 100_000;
  await cluster.load(() =>
    cluster.sql(
      `create table hashes as
         select n as id, md5(n::text) as one, md5((-n)::text) as two, repeat(' ', 28) as filler
         from generate_series(1, ${rows}) n`,
    ),
  );
}

async function removeBelow(directory: string, name: string): Promise<void> {
  await rm(join(directory, name), { recursive: true, force: true, maxRetries: 3 });
}
