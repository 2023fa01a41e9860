/** `npm run bench -- NAME`: measures btar on this machine. */
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { benchBackup } from "./backup.ts";
import { chosenParts } from "./chosen-parts.ts";
import { benchFleet } from "./fleet/fleet.ts";
import { benchMysql } from "./mysql/mysql.ts";
import { parts as mysqlParts } from "./mysql/options.ts";
import { report as mysqlReport } from "./mysql/report.ts";
import { parts as peersParts } from "./peers/options.ts";
import { benchPeers } from "./peers/peers.ts";
import { report as peersReport } from "./peers/report.ts";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    scale: { type: "string", default: "200" },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
    level: { type: "string" },
    "log-seconds": { type: "string", default: "300" },
    sizes: { type: "string" },
    services: { type: "string", default: "1000" },
    "idle-seconds": { type: "string", default: "60" },
    help: { type: "boolean", default: false, short: "h" },
  },
});

const usage = `npm run bench -- NAME [options]

backup   base backup, copy and restore of a managed service with pgbench's tables
peers    btar against pgBackRest 2.60 on one PostgreSQL 18 cluster, and btar alone; Debian or Ubuntu.
mysql    btar against MySQL's own clone and mysqldump on one MySQL 9.7 server with sysbench's tables, the age of its
         log, and its replay against a replica's; Debian or Ubuntu.
         Programs come from Debian's packages, into .cache/servers; nothing is installed on the system.
fleet    a control plane that knows of many services: lists, single services, and what it costs while nobody asks

  --rounds N        rounds that count, after one that does not (default 3)
  --json            one JSON object on standard output, progress on standard error
backup and peers:
  --scale N         pgbench's scale; 200 is 3 GB (default 200)
peers and mysql:
  --only PARTS      some of ${peersParts.join(",")};
                    mysql: ${mysqlParts.join(",")}
  --log-seconds N   how long the age of the log is watched under load (default 300)
  --sizes GB,…      peers: databases whose first backup is measured (default 1,3,10)
                    mysql: tables that all is measured with; log and replay with the first (default 1,3)
fleet:
  --services N      how many services there are (default 1000)
  --idle-seconds N  how long the idle server is watched (default 60)
peers only:
  --level N         zstd level of both; by default 3, and then 1 for a second table

All of it is done below $TMPDIR, which needs 25 GB of room for peers and mysql, and removed at the end, also after
Ctrl-C.
`;

const benchmarks: Readonly<Record<string, (run: Run) => Promise<object>>> = {
  backup: runBackup,
  peers: runPeers,
  mysql: runMysql,
  fleet: runFleet,
};

const [name = "", ...more] = positionals;
const benchmark = more.length === 0 && Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (options.help) {
  process.stdout.write(usage);
} else if (benchmark) {
  await run(name, benchmark);
} else {
  process.stderr.write(`no such benchmark: ${positionals.join(" ") || "(none named)"}\n\n${usage}`);
  process.exitCode = 2;
}

interface Run {
  readonly rounds: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

async function run(title: string, measure: (run: Run) => Promise<object>): Promise<void> {
  const out = options.json ? process.stderr : process.stdout;
  const say = (text: string) => void out.write(`${text}\n`);
  const machine = {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? "unknown",
    memoryBytes: totalmem(),
    node: process.version,
    zstd: process.versions["zstd"],
    openssl: process.versions["openssl"],
  };
  say(`${machine.cores} cores of ${machine.cpu}, Node ${machine.node}, zstd ${machine.zstd}`);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  try {
    const result = await measure({ rounds: positiveInteger("rounds", options.rounds), say, signal: stop.signal });
    if (options.json) process.stdout.write(`${JSON.stringify({ benchmark: title, machine, ...result })}\n`);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    say("stopped; everything is removed");
    process.exitCode = 130;
  }
}

async function runBackup(shared: Run): Promise<object> {
  const result = await benchBackup({ ...shared, scale: positiveInteger("scale", options.scale) });
  if (!options.json) shared.say(JSON.stringify(result, undefined, 2));
  return result;
}

async function runPeers(shared: Run): Promise<object> {
  const result = await benchPeers({
    ...shared,
    parts: chosenParts(options.only, peersParts),
    scale: positiveInteger("scale", options.scale),
    levels: options.level === undefined ? [3, 1] : [positiveInteger("level", options.level)],
    logSeconds: positiveInteger("log-seconds", options["log-seconds"]),
    sizes: sizes("1,3,10"),
  });
  shared.say(`\n${peersReport(result)}`);
  return result;
}

async function runMysql(shared: Run): Promise<object> {
  const result = await benchMysql({
    ...shared,
    parts: chosenParts(options.only, mysqlParts),
    logSeconds: positiveInteger("log-seconds", options["log-seconds"]),
    sizes: sizes("1,3"),
  });
  shared.say(`\n${mysqlReport(result)}`);
  return result;
}

async function runFleet(shared: Run): Promise<object> {
  return await benchFleet({
    ...shared,
    count: positiveInteger("services", options.services),
    idleSeconds: positiveInteger("idle-seconds", options["idle-seconds"]),
  });
}

function sizes(standard: string): readonly number[] {
  return (options.sizes ?? standard).split(",").map((size) => {
    if (Number(size) > 0) return Number(size);
    throw new Error(`--sizes ${size}: give numbers of GB above 0`);
  });
}

function positiveInteger(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${option} ${text}: give a whole number above 0`);
}
