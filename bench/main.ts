/**
 * `npm run bench -- NAME`: measures btar on this machine.
 *   backup [--scale 200] [--rounds 3] [--json]   base backup, copy and restore of a pgbench database
 */
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { benchBackup } from "./backup.ts";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    scale: { type: "string", default: "200" },
    rounds: { type: "string", default: "3" },
    help: { type: "boolean", default: false, short: "h" },
  },
});

const usage = "npm run bench -- backup [--scale 200] [--rounds 3] [--json]\n";

if (options.help) {
  process.stdout.write(usage);
} else if (positionals[0] === "backup" && positionals.length === 1) {
  await run();
} else {
  process.stderr.write(`no such benchmark: ${positionals.join(" ") || "(none named)"}\n${usage}`);
  process.exitCode = 2;
}

async function run(): Promise<void> {
  const out = options.json ? process.stderr : process.stdout;
  const machine = {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? "unknown",
    memoryBytes: totalmem(),
    node: process.version,
    zstd: process.versions["zstd"],
    openssl: process.versions["openssl"],
  };
  out.write(`${machine.cores} cores of ${machine.cpu}, Node ${machine.node}, zstd ${machine.zstd}\n`);
  const result = await benchBackup({
    scale: positiveInteger("scale", options.scale),
    rounds: positiveInteger("rounds", options.rounds),
    say: (text) => out.write(`${text}\n`),
  });
  const all = { benchmark: "backup", machine, ...result };
  process.stdout.write(options.json ? `${JSON.stringify(all)}\n` : `${JSON.stringify(all, undefined, 2)}\n`);
}

function positiveInteger(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name} ${text}: give a whole number above 0`);
}
