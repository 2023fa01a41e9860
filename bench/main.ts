/** `npm run bench -- NAME`: measures btar on this machine. */
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { benchBackup } from "./backup.ts";
import { chosenParts, parts } from "./peers/options.ts";
import { benchPeers } from "./peers/peers.ts";
import { report } from "./peers/report.ts";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    scale: { type: "string", default: "200" },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
    level: { type: "string" },
    "log-seconds": { type: "string", default: "300" },
    sizes: { type: "string", default: "1,3,10" },
    help: { type: "boolean", default: false, short: "h" },
  },
});

const usage = `npm run bench -- NAME [options]

backup   base backup, copy and restore of a managed service with pgbench's tables
peers    btar against pgBackRest 2.60 on one PostgreSQL 18 cluster, and btar alone; Debian or Ubuntu.
         Programs come from Debian's packages, into .cache/servers; nothing is installed on the system.

  --scale N         pgbench's scale; 200 is 3 GB (default 200)
  --rounds N        rounds that count, after one that does not (default 3)
  --json            one JSON object on standard output, progress on standard error
peers only:
  --only PARTS      some of ${parts.join(",")}
  --level N         zstd level of both; by default 3, and then 1 for a second table
  --log-seconds N   how long the age of the log is watched under load (default 300)
  --sizes GB,…      databases whose first backup is measured (default 1,3,10)

All of it is done below $TMPDIR, which needs 25 GB of room for peers, and removed at the end, also after Ctrl-C.
`;

if (options.help) {
  process.stdout.write(usage);
} else if (positionals.length === 1 && (positionals[0] === "backup" || positionals[0] === "peers")) {
  await run(positionals[0]);
} else {
  process.stderr.write(`no such benchmark: ${positionals.join(" ") || "(none named)"}\n\n${usage}`);
  process.exitCode = 2;
}

async function run(benchmark: "backup" | "peers"): Promise<void> {
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
  const scale = positiveInteger("scale", options.scale);
  const rounds = positiveInteger("rounds", options.rounds);
  if (benchmark === "backup") {
    const result = { benchmark, machine, ...(await benchBackup({ scale, rounds, say })) };
    process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${JSON.stringify(result, undefined, 2)}\n`);
    return;
  }
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  try {
    const result = await benchPeers({
      parts: chosenParts(options.only),
      scale,
      rounds,
      levels: options.level === undefined ? [3, 1] : [positiveInteger("level", options.level)],
      logSeconds: positiveInteger("log-seconds", options["log-seconds"]),
      sizes: options.sizes.split(",").map((size) => positiveInteger("sizes", size)),
      say,
      signal: stop.signal,
    });
    say(`\n${report(result)}`);
    if (options.json) process.stdout.write(`${JSON.stringify({ benchmark, machine, ...result })}\n`);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    say("stopped; everything is removed");
    process.exitCode = 130;
  }
}

function positiveInteger(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name} ${text}: give a whole number above 0`);
}
