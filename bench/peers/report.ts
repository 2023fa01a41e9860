import { formatTable } from "../../src/cli/format.ts";
import { verdictColumns } from "../verdict.ts";
import type { LogFigures, SizeFigures } from "./btar-alone.ts";
import type { Comparison } from "./comparison.ts";
import { goals, type Ratios } from "./ratios.ts";

export interface LevelResult {
  readonly level: number;
  readonly ratios: Ratios;
  readonly crossingRatio?: number | undefined;
  readonly medians: Comparison;
}

export interface PeersResult extends LevelResult, Omit<LogFigures, "wal"> {
  readonly peakRssBytes?: number | undefined;
  readonly peakRssBytesByProcess?: Readonly<Record<string, number>> | undefined;
  readonly walMBps?: number | undefined;
  readonly wal?: LogFigures["wal"];
  readonly bySize?: readonly SizeFigures[] | undefined;
  readonly incompressible?: Omit<LevelResult, "crossingRatio"> | undefined;
  readonly floor?: { readonly seconds: number; readonly cpuSeconds: number } | undefined;
  readonly otherLevels: readonly LevelResult[];
}

const fairness = `What the clocks include. btar: from the start of its job to its end, as its API tells; the agent runs already. pgBackRest:
the whole command with its start. Both: the start checkpoint (fast, of a server at rest), and waiting until the log
that completes the backup is stored. A restore: the tool's work with all files synced, and the server's start until
it can be written to. CPU: the tool's processes (btar: the agent that takes the backups) and the server's. Stored: all
files of the backup, without log. Order changes from round to round; everything is written and at rest before each run.
The cluster and both repositories are folders on the same volume.
`;

export function report(result: PeersResult): string {
  const parts = [comparisonTable(result), ...result.otherLevels.map(comparisonTable), incompressibleTable(result)];
  const lines = [...result.otherLevels, result].some(({ medians }) => Object.keys(medians).length > 0)
    ? [fairness]
    : [];
  return [...parts, aloneTable(result), sizesTable(result), ...lines].filter((text) => text !== "").join("\n\n");
}

function comparisonTable({ level, medians, ratios }: Omit<LevelResult, "crossingRatio">): string {
  const rows = goals.flatMap(({ key, title, measure, unit, value, must, aim }) => {
    const of = medians[measure];
    const ratio = ratios[key];
    if (!of || ratio === undefined) return [];
    const text = (number: number) => `${number.toFixed(2)} ${unit}`;
    return [[title, text(value(of.btar)), text(value(of.pgBackRest)), ...verdictColumns(ratio, { must, aim })]];
  });
  if (rows.length === 0) return "";
  return `zstd ${level}\n${formatTable(["figure", "btar", "pgBackRest", "ratio", "must", "aim", ""], rows)}`;
}

function incompressibleTable({ incompressible }: PeersResult): string {
  if (!incompressible) return "";
  return `data that compresses 3:1, ${comparisonTable(incompressible)}`;
}

function aloneTable(result: PeersResult): string {
  const { crossingRatio, peakRssBytesByProcess, logAgeSeconds, logWalBytesPerSecond, wal, floor } = result;
  const rows: string[][] = [];
  const add = (title: string, value: string, goal: string) => rows.push([title, value, goal]);
  if (crossingRatio !== undefined) add("crossing regions, against stored", crossingRatio.toFixed(3), "must 1.05");
  for (const [name, bytes] of Object.entries(peakRssBytesByProcess ?? {})) {
    add(`peak memory, ${name}`, `${megabytes(bytes)} MB`, "must 400, aim 250");
  }
  if (logAgeSeconds) {
    const ages = ({ p50, p99 }: { readonly p50: number; readonly p99: number }) =>
      `p50 ${p50.toFixed(1)} s, p99 ${p99.toFixed(1)} s`;
    add("age of the log, primary", ages(logAgeSeconds.primary), "aim p99 5 s");
    add("age of the log, secondary", ages(logAgeSeconds.secondary), "aim p99 10 s");
    add("WAL written meanwhile", `${((logWalBytesPerSecond ?? 0) / 1e6).toFixed(1)} MB/s`, "");
  }
  if (wal) {
    add("WAL stored, catching up", `${wal.megabytesPerSecond.toFixed(0)} MB/s`, "aim 128");
    add("CPU for it, agent", `${wal.agentCpuSecondsPerGb.toFixed(2)} s per GB`, "");
  }
  if (floor) add("pg_basebackup to nowhere", `${floor.seconds.toFixed(2)} s, CPU ${floor.cpuSeconds.toFixed(2)} s`, "");
  return rows.length === 0 ? "" : formatTable(["btar alone", "", "goal"], rows);
}

function sizesTable({ bySize }: PeersResult): string {
  if (!bySize) return "";
  const rows = bySize.map((size) => [
    `${(size.dataBytes / 1e9).toFixed(2)} GB`,
    `${size.seconds.toFixed(2)} s`,
    `${size.cpuSeconds.toFixed(2)} s`,
    `${megabytes(size.storedBytes)} MB`,
    `${megabytes(size.peakRssBytes)} MB`,
  ]);
  return formatTable(["first backup of", "wall", "CPU", "stored", "peak memory"], rows);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
