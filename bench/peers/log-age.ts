import { type Lsn, parseLsn } from "../../src/domain/lsn.ts";
import { type LogAges, measureLogAge } from "../log-age.ts";
import type { MeasuredBtar } from "../measured-btar.ts";
import type { Cluster } from "./cluster.ts";

export async function flushedPosition(cluster: Cluster): Promise<Lsn> {
  return parseLsn(await cluster.text("select pg_current_wal_flush_lsn()"));
}

/** The age of each location's log while pgbench writes with four clients. */
export async function measureLogAgeUnderPgbench(options: {
  readonly btar: MeasuredBtar;
  readonly service: string;
  readonly cluster: Cluster;
  readonly seconds: number;
  readonly signal: AbortSignal;
}): Promise<LogAges & { readonly walBytesPerSecond: number }> {
  const { cluster, seconds } = options;
  const first = await flushedPosition(cluster);
  const ages = await measureLogAge({
    ...options,
    flushed: () => flushedPosition(cluster),
    load: () => cluster.run("pgbench", ["-c", "4", "-j", "2", "-T", String(seconds)]),
  });
  const written = (await flushedPosition(cluster)) - first;
  return { ...ages, walBytesPerSecond: Math.round(Number(written) / seconds) };
}
