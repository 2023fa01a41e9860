import { setTimeout as sleep } from "node:timers/promises";
import type { Lsn } from "../../src/domain/lsn.ts";
import { cpuSecondsOfTree } from "../process-figures.ts";
import { storedEnds } from "../log-age.ts";
import type { MeasuredBtar } from "../measured-btar.ts";
import { rounded } from "../statistics.ts";
import type { Cluster } from "./cluster.ts";
import { flushedPosition } from "./log-age.ts";

const lookMs = 50;
const deadlineMs = 600_000;

export interface WalRate {
  readonly walBytes: number;
  readonly seconds: number;
  readonly megabytesPerSecond: number;
  readonly agentCpuSecondsPerGb: number;
}

/** Writes WAL while btar is down: rows, as a busy server would. */
export async function writeBacklog(cluster: Cluster, scale: number): Promise<void> {
  await cluster.sql("create table backlog (like pgbench_accounts)");
  await cluster.sql(`insert into backlog select * from pgbench_accounts where aid <= ${scale * 100_000}`);
  await cluster.sql("checkpoint");
}

/**
 * How fast the log is stored when there is more of it than can be: btar has just started, and the server holds back
 * what it missed. From the first bytes that are stored to the last.
 * @param target the position that ends it
 */
export async function measureCatchUp(options: {
  readonly btar: MeasuredBtar;
  readonly service: string;
  /** Up to where the log was stored before. */
  readonly stored: Lsn;
  readonly cluster: Cluster;
  readonly signal: AbortSignal;
}): Promise<WalRate> {
  const { btar, service, stored, cluster, signal } = options;
  const target = await flushedPosition(cluster);
  const { agentNorth } = await btar.pids();
  const primaryEnd = async () => (await storedEnds(btar, service)).primary;
  const first = await reached(primaryEnd, (end) => end > stored, signal);
  const cpuBefore = cpuSecondsOfTree(agentNorth);
  const last = await reached(primaryEnd, (end) => end >= target, signal);
  const walBytes = Number(last.end - first.end);
  const seconds = (last.at - first.at) / 1000;
  return {
    walBytes,
    seconds: rounded(seconds),
    megabytesPerSecond: rounded(walBytes / 1e6 / seconds),
    agentCpuSecondsPerGb: rounded((cpuSecondsOfTree(agentNorth) - cpuBefore) / (walBytes / 1e9)),
  };
}

async function reached(
  read: () => Promise<Lsn>,
  isThere: (end: Lsn) => boolean,
  signal: AbortSignal,
): Promise<{ readonly end: Lsn; readonly at: number }> {
  for (const deadline = Date.now() + deadlineMs; Date.now() < deadline; await sleep(lookMs, undefined, { signal })) {
    const end = await read();
    if (isThere(end)) return { end, at: performance.now() };
  }
  throw new Error("the log is not stored after 10 minutes");
}
