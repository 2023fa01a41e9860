import { rm } from "node:fs/promises";
import { join } from "node:path";
import { inBenchDirectory } from "../bench-directory.ts";
import { runProgram } from "../programs.ts";
import { btarStarter } from "../start-btar.ts";
import { Btar } from "./btar.ts";
import { type Bench, fillWithHashes, fillWithPgbench, measureFloor, measureLog, measureSizes } from "./btar-alone.ts";
import { Cluster } from "./cluster.ts";
import { type ComparedPart, compare, comparedParts } from "./comparison.ts";
import type { PeersBenchOptions } from "./options.ts";
import { PgBackRest } from "./pgbackrest.ts";
import { installPrograms } from "./programs.ts";
import { crossingRatio, ratiosOf } from "./ratios.ts";
import type { LevelResult, PeersResult } from "./report.ts";

const transactions = 40_000;

/** btar against pgBackRest on one PostgreSQL 18 cluster, and figures of btar alone. */
export async function benchPeers(options: PeersBenchOptions): Promise<PeersResult> {
  const { say, signal } = options;
  say("installing pgBackRest and PostgreSQL 18 below .cache/servers, unless they are there");
  const programs = await installPrograms(signal);
  const versions = [
    await runProgram(programs.pgbackrest, ["version"], { signal }),
    await runProgram(join(programs.postgres, "postgres"), ["--version"], { signal }),
  ];
  return await inBenchDirectory(async (directory) => {
    say(`${versions.map((version) => version.trim()).join(", ")}; all of it in ${directory}`);
    return await runParts({ ...options, programs, directory, startBtar: btarStarter({ directory, signal }) });
  });
}

type PeersBench = Bench & PeersBenchOptions;

async function runParts(bench: PeersBench): Promise<PeersResult> {
  const { parts, levels } = bench;
  const [level = 3, ...others] = levels;
  const compared = new Set(comparedParts.filter((part) => parts.has(part)));
  const onCluster = compared.size > 0 || ["log", "wal", "floor"].some((part) => parts.has(part as "log"));
  let main: ComparedResult = { level, ratios: {}, medians: {} };
  const otherLevels: LevelResult[] = [];
  let alone = {};
  if (onCluster) {
    bench.say(`filling a cluster with pgbench's tables, scale ${bench.scale}`);
    await using cluster = await Cluster.create(join(bench.directory, "cluster"), bench.programs, bench.signal);
    await fillWithPgbench(cluster, bench.scale);
    if (compared.size > 0) {
      main = await compareAt(bench, { cluster, level, parts: compared });
      for (const other of others) otherLevels.push(await compareAt(bench, { cluster, level: other, parts: compared }));
    }
    alone = await measureAlone(bench, cluster);
  }
  const bySize = parts.has("sizes") ? await measureSizes(bench, bench.sizes) : undefined;
  const incompressible = parts.has("incompressible") ? await compareIncompressible(bench, level) : undefined;
  return { ...main, ...alone, bySize, incompressible, otherLevels };
}

type ComparedResult = LevelResult & Pick<PeersResult, "peakRssBytes" | "peakRssBytesByProcess">;

async function compareAt(
  bench: PeersBench,
  request: { readonly cluster: Cluster; readonly level: number; readonly parts: ReadonlySet<ComparedPart> },
): Promise<ComparedResult> {
  const { cluster, level, parts } = request;
  const { programs, signal } = bench;
  bench.say(`btar and pgBackRest with zstd ${level}`);
  const directory = join(bench.directory, `pgbackrest-${level}`);
  const pgBackRest = await PgBackRest.create({ cluster, programs, directory, level, signal });
  await using server = await bench.startBtar(`btar-${level}`, [`backups: { compression_level: ${level} }`]);
  const btar = new Btar(server, cluster);
  const medians = await compare({ ...bench, cluster, parts, transactions, tools: [btar, pgBackRest] });
  const peakRssBytesByProcess = await server.peakMemory();
  await btar.detach();
  await pgBackRest.end();
  await server[Symbol.asyncDispose]();
  for (const left of [directory, join(bench.directory, `btar-${level}`)]) {
    await rm(left, { recursive: true, force: true, maxRetries: 3 });
  }
  return {
    level,
    ratios: ratiosOf(medians),
    crossingRatio: crossingRatio(medians),
    medians,
    peakRssBytes: Math.max(...Object.values(peakRssBytesByProcess)),
    peakRssBytesByProcess,
  };
}

async function compareIncompressible(bench: PeersBench, level: number): Promise<PeersResult["incompressible"]> {
  bench.say("filling a cluster with data that compresses 3:1");
  await using cluster = await Cluster.create(join(bench.directory, "hashes"), bench.programs, bench.signal);
  await fillWithHashes(cluster, bench.scale);
  const { ratios, medians } = await compareAt(bench, { cluster, level, parts: new Set(["full"]) });
  return { level, ratios, medians };
}

async function measureAlone(bench: PeersBench, cluster: Cluster): Promise<Partial<PeersResult>> {
  const { parts } = bench;
  const floor = parts.has("floor") ? await measureFloor(bench, cluster) : undefined;
  if (!parts.has("log") && !parts.has("wal")) return { floor };
  const ageSeconds = parts.has("log") ? bench.logSeconds : undefined;
  const log = await measureLog(bench, { cluster, ageSeconds, hasRate: parts.has("wal") });
  return { floor, ...log, walMBps: log.wal?.megabytesPerSecond };
}
