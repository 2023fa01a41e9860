import { formatTable } from "../../src/cli/format.ts";
import type { LogAges } from "../log-age.ts";
import { verdictColumns } from "../verdict.ts";
import type { Comparison } from "./comparison.ts";
import { goals, type Ratios, sidesOf } from "./ratios.ts";

export interface SizeResult {
  /** Of the tables. */
  readonly gigabytes: number;
  readonly ratios: Ratios;
  readonly medians: Comparison;
  readonly peakRssBytesByProcess: Readonly<Record<string, number>>;
}

export interface MysqlResult {
  readonly ratios: Ratios;
  readonly logAgeSeconds?: LogAges;
  readonly logTransactionsPerSecond?: number;
  readonly replayTps?: number;
  readonly replicaTps?: number;
  /** The most of any process of btar's, in any part. */
  readonly peakRssBytes: number;
  /** While the log was watched and replayed. */
  readonly peakRssBytesByProcess: Readonly<Record<string, number>>;
  readonly bySize: readonly SizeResult[];
}

const fairness = `What the clocks include. btar: from the start of its job to its end, as its API tells, with the wait for the log that
completes the backup; everything is compressed, sealed and synced. clone: the statement, of a second server that runs
already, into a directory on the same volume. dump: mysqldump --single-transaction | zstd into a file. A restore: from the
request for a fork until a client's query is answered. A reload: zstd -d | mysql into an empty server that runs
already. CPU: the tool's processes (btar: the agent that takes the backups; clone: the second server) and the source's,
or, of a reload, the server's that it goes to. Order changes from round to round; all is at rest before each run.
`;

export function report(result: MysqlResult): string {
  const tables = [...result.bySize.map(sizeTable), aloneTable(result)];
  if (result.bySize.length > 0) tables.push(fairness);
  return tables.filter((text) => text !== "").join("\n\n");
}

function sizeTable({ gigabytes, medians, peakRssBytesByProcess }: SizeResult): string {
  const rows = goals.flatMap((goal) => {
    const sides = sidesOf(goal, medians);
    if (!sides) return [];
    const text = (value: number) => `${value.toFixed(2)} ${goal.unit}`;
    const ratio = sides.ours / sides.theirs;
    const verdict = goal.limits ? verdictColumns(ratio, goal.limits) : [ratio.toFixed(2), "", "", ""];
    return [[goal.title, text(sides.ours), goal.againstName, text(sides.theirs), ...verdict]];
  });
  const peaks = Object.entries(peakRssBytesByProcess).map(([name, bytes]) => `${name} ${megabytes(bytes)} MB`);
  const table = formatTable(["figure", "btar", "against", "", "ratio", "must", "aim", ""], rows);
  return `tables of ${gigabytes} GB\n${table}\npeak memory: ${peaks.join(", ")}`;
}

function aloneTable(result: MysqlResult): string {
  const { logAgeSeconds, logTransactionsPerSecond, replayTps, replicaTps, peakRssBytes } = result;
  const rows: string[][] = [];
  const add = (title: string, value: string, goal: string) => rows.push([title, value, goal]);
  if (logAgeSeconds) {
    const ages = ({ p50, p99 }: LogAges["primary"]) => `p50 ${p50.toFixed(1)} s, p99 ${p99.toFixed(1)} s`;
    add("age of the log, primary", ages(logAgeSeconds.primary), "p99 5 s");
    add("age of the log, secondary", ages(logAgeSeconds.secondary), "p99 10 s");
    add("transactions meanwhile", `${logTransactionsPerSecond} per second`, "");
  }
  if (replayTps !== undefined) add("replay in a fork", `${replayTps.toFixed(0)} transactions per second`, "");
  if (replicaTps !== undefined) add("in a replica", `${replicaTps.toFixed(0)} transactions per second`, "");
  add("peak memory of any process", `${megabytes(peakRssBytes)} MB`, "must 400");
  return formatTable(["btar alone", "", "goal"], rows);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
