import { rm } from "node:fs/promises";
import { join } from "node:path";
import { AttachedService } from "../attached-service.ts";
import { inBenchDirectory } from "../bench-directory.ts";
import { runProgram } from "../programs.ts";
import { btarStarter, type StartBtar } from "../start-btar.ts";
import { measureBinlogAge } from "./binlog.ts";
import { CloneTool } from "./clone-tool.ts";
import { type ComparedPart, type Comparison, compare, comparedParts } from "./comparison.ts";
import { DumpTool } from "./dump-tool.ts";
import type { MysqlBenchOptions } from "./options.ts";
import { installPrograms, type Programs } from "./programs.ts";
import { waitUntilQuiet } from "./quiet.ts";
import { ratiosOf } from "./ratios.ts";
import { measureReplay } from "./replay.ts";
import type { MysqlResult, SizeResult } from "./report.ts";
import { MysqlServer } from "./server.ts";
import { fillTables } from "./sysbench-data.ts";

type MysqlBench = MysqlBenchOptions & {
  readonly programs: Programs;
  readonly directory: string;
  readonly startBtar: StartBtar;
};

/** btar against MySQL's own clone and dump, and its log and replay, with tables like sysbench's. */
export async function benchMysql(options: MysqlBenchOptions): Promise<MysqlResult> {
  const { say, signal } = options;
  say("installing MySQL 9.7 and zstd below .cache/servers, unless they are there");
  const programs = await installPrograms(signal);
  const version = await runProgram(join(programs.basedir, "bin/mysqld"), ["--no-defaults", "--version"], { signal });
  return await inBenchDirectory(async (directory) => {
    say(`${/Ver .*/.exec(version)?.[0] ?? version}; all of it in ${directory}`);
    return await runParts({ ...options, programs, directory, startBtar: btarStarter({ directory, signal }) });
  });
}

async function runParts(bench: MysqlBench): Promise<MysqlResult> {
  const { parts, sizes } = bench;
  const compared = new Set(comparedParts.filter((part) => parts.has(part)));
  const bySize: SizeResult[] = [];
  let alone: AloneFigures = { peaks: {} };
  for (const [index, gigabytes] of sizes.entries()) {
    const isFirst = index === 0;
    if (compared.size === 0 && !isFirst) break;
    bench.say(`filling a server with ${gigabytes} GB`);
    const dataDirectory = join(bench.directory, "source");
    await using server = await MysqlServer.create({ ...bench, dataDirectory });
    await fillTables(server, gigabytes);
    const clone = { ...bench, donor: server, directory: join(bench.directory, "recipient") };
    await using recipient = await CloneTool.create(clone);
    const place = { server, gigabytes, clone: recipient };
    if (compared.size > 0) bySize.push(await compareSize(bench, { ...place, parts: compared }));
    if (isFirst && (parts.has("log") || parts.has("replay"))) alone = await measureAlone(bench, place);
  }
  return resultOf(bySize, alone);
}

interface Place {
  readonly server: MysqlServer;
  readonly gigabytes: number;
  readonly clone: CloneTool;
}

async function compareSize(
  bench: MysqlBench,
  place: Place & { readonly parts: ReadonlySet<ComparedPart> },
): Promise<SizeResult> {
  const { server, gigabytes } = place;
  const directory = join(bench.directory, "compared");
  const dump = await DumpTool.create({ ...bench, source: server, directory });
  await using btar = await bench.startBtar("btar-compared");
  const medians: Comparison = await compare({ ...bench, ...place, btar, dump, directory });
  const peaks = await btar.peakMemory();
  await btar[Symbol.asyncDispose]();
  for (const left of [directory, join(bench.directory, "btar-compared")]) await removed(left);
  return { gigabytes, ratios: ratiosOf(medians), medians, peakRssBytesByProcess: peaks };
}

type AloneFigures = Pick<MysqlResult, "logAgeSeconds" | "logTransactionsPerSecond" | "replayTps" | "replicaTps"> & {
  readonly peaks: Readonly<Record<string, number>>;
};

async function measureAlone(bench: MysqlBench, place: Place): Promise<AloneFigures> {
  const { parts, say, signal, logSeconds } = bench;
  const { server } = place;
  await using btar = await bench.startBtar("btar-alone");
  let figures: Omit<AloneFigures, "peaks"> = {};
  if (parts.has("log")) {
    const service = new AttachedService(btar, server);
    await service.full();
    await waitUntilQuiet(server, signal);
    say(`watching the log for ${logSeconds} s under four writers`);
    const watched = { ...place, btar, service: service.name, seconds: logSeconds, signal };
    const { transactionsPerSecond, ...logAgeSeconds } = await measureBinlogAge(watched);
    figures = { logAgeSeconds, logTransactionsPerSecond: transactionsPerSecond };
    await service.detach();
  }
  if (parts.has("replay")) {
    say("replaying the log, in a fork and in a replica");
    const rates = await measureReplay({ ...bench, ...place, btar, directory: join(bench.directory, "replay") });
    figures = { ...figures, ...rates };
  }
  const peaks = await btar.peakMemory();
  await btar[Symbol.asyncDispose]();
  for (const left of ["replay", "btar-alone"]) await removed(join(bench.directory, left));
  return { ...figures, peaks };
}

/** The largest size's figures are the run's. */
function resultOf(bySize: readonly SizeResult[], { peaks, ...alone }: AloneFigures): MysqlResult {
  const everyPeak = [peaks, ...bySize.map((size) => size.peakRssBytesByProcess)].flatMap((each) => Object.values(each));
  return {
    ratios: bySize.at(-1)?.ratios ?? {},
    ...alone,
    peakRssBytes: Math.max(...everyPeak),
    peakRssBytesByProcess: peaks,
    bySize,
  };
}

async function removed(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}
