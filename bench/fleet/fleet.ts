import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BtarProcess } from "../../test/support/btar-process.ts";
import { freePorts } from "../../test/support/free-ports.ts";
import { startPostgres } from "../../test/support/postgres-server.ts";
import { inBenchDirectory } from "../bench-directory.ts";
import { cpuSecondsOfTree, peakMemoryBytes } from "../process-figures.ts";
import { median, quantile, rounded } from "../statistics.ts";
import { insertFleet, primary, secondary } from "./fleet-rows.ts";
import { MeasuringClient, type TimedAnswer } from "./measuring-client.ts";

const project = "demo";
const base = `/v1/project/${project}`;
const token = `bench${"0".repeat(40)}`;
const requestsAtOnce = 50;
const gets = 5000;
const settleMs = 15_000;
const answersBeforeMeasuring = 5;

export interface FleetBenchOptions {
  readonly rounds: number;
  readonly count: number;
  readonly idleSeconds: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** A control plane that knows of many services: what its answers take, and what it costs while nobody asks. */
export async function benchFleet(options: FleetBenchOptions) {
  return await inBenchDirectory(async (directory) => {
    await using postgres = await startPostgres({ majorVersion: "18" });
    const { host, port, user, database } = postgres.address;
    const databaseUrl = `postgres://${user}@${host}:${port}/${database}`;
    const server = await startServer(directory, databaseUrl);
    const stop = () => server.process.signal("SIGTERM");
    options.signal.addEventListener("abort", stop, { once: true });
    try {
      const masterKey = await readMasterKey(directory);
      const names = await insertFleet({ databaseUrl, masterKey, project, count: options.count });
      await postgres.sql("vacuum analyze");
      options.say(`${names.length} services; the server settles`);
      await sleep(settleMs, undefined, { signal: options.signal });
      return await measure(server, names, options);
    } finally {
      stop();
      await server.process.ended();
    }
  });
}

interface FleetServer {
  readonly url: string;
  readonly process: BtarProcess;
}

async function startServer(directory: string, databaseUrl: string): Promise<FleetServer> {
  const [port] = await freePorts(1);
  const lines = [
    `listen: 127.0.0.1:${port}`,
    `data_dir: ${join(directory, "data")}`,
    "clouds:",
    ...[primary, secondary].map((cloud) => `  ${cloud}: { store: "file:${join(directory, cloud)}" }`),
  ];
  await writeFile(join(directory, "btar.yaml"), `${lines.join("\n")}\n`);
  const environment = { BTAR_DATABASE_URL: databaseUrl, BTAR_ADMIN_TOKEN: token };
  const server = new BtarProcess(["server"], { directory, environment });
  await server.says("btar serves");
  return { url: `http://127.0.0.1:${port}`, process: server };
}

async function readMasterKey(directory: string): Promise<Buffer> {
  return Buffer.from((await readFile(join(directory, "data", "keys", "master.key"), "utf8")).trim(), "hex");
}

async function measure(server: FleetServer, names: readonly string[], options: FleetBenchOptions) {
  const { say, rounds, idleSeconds } = options;
  const cpuBefore = cpuSecondsOfTree(server.process.pid);
  await sleep(idleSeconds * 1000, undefined, { signal: options.signal });
  const idleCpuShare = (cpuSecondsOfTree(server.process.pid) - cpuBefore) / idleSeconds;
  say(`idle: ${(idleCpuShare * 100).toFixed(2)} % of a core`);

  const clients = await Promise.all(
    Array.from({ length: requestsAtOnce }, async () => await MeasuringClient.open(new URL(server.url), token)),
  );
  try {
    const [client] = clients;
    if (!client) throw new Error("there is no client");
    const list = await repeated(rounds * 10, async () => await client.get(`${base}/service`));
    say(`list of ${names.length}: ${list.medianMs} ms, of ${(list.bytes / 1e6).toFixed(1)} MB`);
    const status = await repeated(rounds * 10, async () => await client.get(`${base}/btar/status`));
    say(`status of ${names.length}: ${status.medianMs} ms`);

    const single = await getsAtOnce(clients, names, rounds);
    say(`single get, ${requestsAtOnce} at once: p50 ${single.p50Ms} ms, p99 ${single.p99Ms} ms`);
    const memoryBytes = peakMemoryBytes(server.process.pid);
    say(`peak memory: ${(memoryBytes / 1e6).toFixed(0)} MB`);
    return {
      services: names.length,
      idleCpuShare: rounded(idleCpuShare),
      list,
      status,
      single,
      peakRssBytes: memoryBytes,
    };
  } finally {
    for (const client of clients) client.close();
  }
}

async function repeated(times: number, ask: () => Promise<TimedAnswer>) {
  for (let at = 0; at < answersBeforeMeasuring; at += 1) await ask();
  const answers: TimedAnswer[] = [];
  for (let at = 0; at < times; at += 1) answers.push(await ask());
  return { medianMs: rounded(median(answers.map(({ ms }) => ms))), bytes: answers[0]?.bytes ?? 0 };
}

/** So many clients at once, each asking for one service after the other; medians of the rounds. */
async function getsAtOnce(clients: readonly MeasuringClient[], names: readonly string[], rounds: number) {
  const run = async () => {
    const times: number[] = [];
    let next = 0;
    const ask = async (client: MeasuringClient) => {
      for (let at = next++; at < gets; at = next++) {
        times.push((await client.get(`${base}/service/${names[(at * 37) % names.length]}`)).ms);
      }
    };
    await Promise.all(clients.map(ask));
    return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
  };
  await run(); // the first requests compile what the next ones run
  const results: Awaited<ReturnType<typeof run>>[] = [];
  for (let at = 0; at < rounds; at += 1) results.push(await run());
  return {
    p50Ms: rounded(median(results.map(({ p50 }) => p50))),
    p99Ms: rounded(median(results.map(({ p99 }) => p99))),
    p99MsOfRounds: results.map(({ p99 }) => rounded(p99)),
  };
}
