import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { AttachedService } from "../attached-service.ts";
import type { MeasuredBtar } from "../measured-btar.ts";
import { runProgram } from "../programs.ts";
import { waitFor } from "../quiet.ts";
import { median, rounded } from "../statistics.ts";
import { waitUntilStored } from "./binlog.ts";
import type { CloneTool } from "./clone-tool.ts";
import { deleteFork, fork, type ForkProgress } from "./forks.ts";
import type { Programs } from "./programs.ts";
import { waitUntilQuiet } from "./quiet.ts";
import { MysqlServer } from "./server.ts";
import { write } from "./writers.ts";

/** So many that a replay takes ten seconds and more: a fork tells once a second how far it is. */
const transactions = 30_000;

export interface ReplayOptions {
  readonly server: MysqlServer;
  readonly gigabytes: number;
  readonly btar: MeasuredBtar;
  readonly clone: CloneTool;
  readonly programs: Programs;
  /** For the replica. */
  readonly directory: string;
  readonly rounds: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Transactions a second. */
export interface ReplayRates {
  readonly replayTps: number;
  readonly replicaTps: number;
}

/**
 * How fast a fork and a replica of the server's own apply the same binary logs to files of the same moment. The replica
 * runs as it comes, with all it needs received before.
 */
export async function measureReplay(options: ReplayOptions): Promise<ReplayRates> {
  const { server, gigabytes, btar, clone, directory, rounds, say, signal } = options;
  const service = new AttachedService(btar, server);
  await service.full();
  const cloned = join(directory, "clone");
  await clone.cloneTo(cloned);
  say(`  writing ${transactions} transactions`);
  await server.sql("set global sync_binlog = 0; set global innodb_flush_log_at_trx_commit = 2");
  await write(server, { transactions, gigabytes, signal });
  await server.sql("set global sync_binlog = 1; set global innodb_flush_log_at_trx_commit = 1");
  await waitUntilStored({ btar, service: service.name, server, signal });
  const rates = { fork: [] as number[], replica: [] as number[] };
  // The first round warms caches up, and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    await waitUntilQuiet(server, signal);
    const forked = await fork(btar, service.name, `replayed-${round}`);
    await deleteFork(btar, forked);
    const ofFork = rateOf(forked.replayed);
    await waitUntilQuiet(server, signal);
    const ofReplica = await replicaRate(options, cloned);
    say(`  fork ${ofFork.toFixed(0)}, replica ${ofReplica.toFixed(0)} transactions per second`);
    if (round === 0) continue;
    rates.fork.push(ofFork);
    rates.replica.push(ofReplica);
  }
  await service.detach();
  return { replayTps: rounded(median(rates.fork)), replicaTps: rounded(median(rates.replica)) };
}

/** From the first time that a fork told of its replay to the last. */
function rateOf(told: readonly ForkProgress[]): number {
  const [first, last] = [told[0], told.at(-1)];
  if (!first || !last || first === last) throw new Error("the fork told less than twice how far its replay was");
  return (last.transactions - first.transactions) / ((last.atMs - first.atMs) / 1000);
}

async function replicaRate(options: ReplayOptions, cloned: string): Promise<number> {
  const { server, programs, directory, signal } = options;
  const dataDirectory = join(directory, "replica");
  // By the server's user, to whom the clone belongs.
  await runProgram("cp", ["-a", cloned, dataDirectory], { signal });
  await using replica = await MysqlServer.start({ dataDirectory, programs, signal });
  await replica.sql(
    `change replication source to source_host = '127.0.0.1', source_port = ${server.port}, source_user = 'root',
       source_password = '', source_auto_position = 1, get_source_public_key = 1;
     start replica io_thread`,
  );
  const wanted = (await server.text("select @@global.gtid_executed")).replaceAll("\n", "");
  const hasReceived = async () =>
    (await replica.text(
      `select gtid_subset('${wanted}', concat(received_transaction_set, ',', @@global.gtid_executed))
       from performance_schema.replication_connection_status`,
    )) === "1";
  await waitFor("the replica has received the binary log", hasReceived, { signal });
  const startedAt = performance.now();
  await replica.sql("start replica sql_thread");
  await replica.sql(`select wait_for_executed_gtid_set('${wanted}')`);
  return transactions / ((performance.now() - startedAt) / 1000);
}
