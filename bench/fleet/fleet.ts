import { readFile, writeFile } from "node:fs/promises";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { BtarProcess } from "../../test/support/btar-process.ts";
import { freePorts, startPostgres } from "../../test/support/postgres-server.ts";
import { inBenchDirectory } from "../bench-directory.ts";
import { cpuSecondsOfTree, peakMemoryBytes } from "../process-figures.ts";
import { median, quantile, rounded } from "../statistics.ts";
import { insertFleet, primary, secondary } from "./fleet-rows.ts";

const project = "demo";
const token = `bench${"0".repeat(40)}`;
const requestsAtOnce = 50;
const gets = 2000;
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
  return { url: `http://127.0.0.1:${port}/v1/project/${project}`, process: server };
}

async function readMasterKey(directory: string): Promise<Buffer> {
  return Buffer.from((await readFile(join(directory, "data", "keys", "master.key"), "utf8")).trim(), "hex");
}

async function measure(server: FleetServer, names: readonly string[], options: FleetBenchOptions) {
  const { say, rounds, idleSeconds } = options;
  const http = new Agent({ keepAlive: true, maxSockets: requestsAtOnce });
  const timed = async (path: string) => await answerMs(`${server.url}${path}`, http);
  try {
    const cpuBefore = cpuSecondsOfTree(server.process.pid);
    await sleep(idleSeconds * 1000, undefined, { signal: options.signal });
    const idleCpuShare = (cpuSecondsOfTree(server.process.pid) - cpuBefore) / idleSeconds;
    say(`idle: ${(idleCpuShare * 100).toFixed(2)} % of a core`);

    const list = await repeated(rounds * 10, async () => await timed("/service"));
    say(`list of ${names.length}: ${list.medianMs} ms, of ${(list.bytes / 1e6).toFixed(1)} MB`);
    const status = await repeated(rounds * 10, async () => await timed("/btar/status"));
    say(`status of ${names.length}: ${status.medianMs} ms`);

    const single = await getsAtOnce(names, timed);
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
    http.destroy();
  }
}

interface TimedAnswer {
  readonly ms: number;
  readonly bytes: number;
}

async function repeated(times: number, ask: () => Promise<TimedAnswer>) {
  for (let at = 0; at < answersBeforeMeasuring; at += 1) await ask();
  const answers: TimedAnswer[] = [];
  for (let at = 0; at < times; at += 1) answers.push(await ask());
  return { medianMs: rounded(median(answers.map(({ ms }) => ms))), bytes: answers[0]?.bytes ?? 0 };
}

/** So many clients at once, each asking for one service after the other. */
async function getsAtOnce(names: readonly string[], timed: (path: string) => Promise<TimedAnswer>) {
  const run = async () => {
    const times: number[] = [];
    let next = 0;
    const client = async () => {
      for (let at = next++; at < gets; at = next++) {
        times.push((await timed(`/service/${names[(at * 37) % names.length]}`)).ms);
      }
    };
    await Promise.all(Array.from({ length: requestsAtOnce }, client));
    return times;
  };
  await run(); // the first requests compile what the next ones run
  const times = await run();
  return { p50Ms: rounded(quantile(times, 0.5)), p99Ms: rounded(quantile(times, 0.99)) };
}

async function answerMs(url: string, agent: Agent): Promise<TimedAnswer> {
  const startedAt = performance.now();
  return await new Promise((resolve, reject) => {
    const request = get(url, { agent, headers: { authorization: `aivenv1 ${token}` } }, (answer) => {
      let bytes = 0;
      answer.on("data", (part: Buffer) => {
        bytes += part.length;
      });
      answer.on("error", reject);
      answer.on("end", () => {
        if (answer.statusCode === 200) resolve({ ms: performance.now() - startedAt, bytes });
        else reject(new Error(`${url} was answered with ${answer.statusCode}`));
      });
    });
    request.on("error", reject);
  });
}
