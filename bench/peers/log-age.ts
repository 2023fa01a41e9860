import { setTimeout as sleep } from "node:timers/promises";
import { type Lsn, parseLsn } from "../../src/domain/lsn.ts";
import { type MeasuredBtar, north, project, south } from "../measured-btar.ts";
import { quantile, rounded } from "../statistics.ts";
import type { Cluster } from "./cluster.ts";

const lookMs = 200;

interface Protection {
  readonly locations: readonly { readonly cloud: string; readonly log: { readonly end: string } | null }[];
}

export interface Age {
  readonly p50: number;
  readonly p99: number;
}

/** Up to which position each location has the log; 0: it has none. */
export async function storedEnds(
  btar: MeasuredBtar,
  service: string,
): Promise<{ readonly primary: Lsn; readonly secondary: Lsn }> {
  const { locations } = await btar.api.request<Protection>("GET", `${project}/service/${service}/btar`);
  const end = (cloud: string) => BigInt(`0x${locations.find((at) => at.cloud === cloud)?.log?.end ?? "0"}`);
  return { primary: end(north), secondary: end(south) };
}

export async function flushedPosition(cluster: Cluster): Promise<Lsn> {
  return parseLsn(await cluster.text("select pg_current_wal_flush_lsn()"));
}

/**
 * How old the newest log of each location is while pgbench writes with four clients: the time since the server flushed
 * the first byte that is not stored yet. Looked at five times a second.
 */
export async function measureLogAge(options: {
  readonly btar: MeasuredBtar;
  readonly service: string;
  readonly cluster: Cluster;
  readonly seconds: number;
  readonly signal: AbortSignal;
}): Promise<{ readonly primary: Age; readonly secondary: Age; readonly walBytesPerSecond: number }> {
  const { btar, service, cluster, seconds, signal } = options;
  const ages = { primary: new AgeSamples(), secondary: new AgeSamples() };
  const first = await flushedPosition(cluster);
  let hasEnded = false;
  const load = cluster.run("pgbench", ["-c", "4", "-j", "2", "-T", String(seconds)]).finally(() => {
    hasEnded = true;
  });
  const watching = (async () => {
    while (!hasEnded) {
      const flushed = await flushedPosition(cluster);
      const at = performance.now();
      const ends = await storedEnds(btar, service);
      ages.primary.look(at, flushed, ends.primary);
      ages.secondary.look(at, flushed, ends.secondary);
      await sleep(lookMs, undefined, { signal });
    }
  })();
  await Promise.all([load, watching]);
  const written = (await flushedPosition(cluster)) - first;
  return {
    primary: ages.primary.result(),
    secondary: ages.secondary.result(),
    walBytesPerSecond: Math.round(Number(written) / seconds),
  };
}

class AgeSamples {
  /** What was flushed when, oldest first; the first one is the newest that is stored. */
  readonly #flushed: { readonly at: number; readonly position: Lsn }[] = [];
  readonly #seconds: number[] = [];

  look(at: number, flushed: Lsn, stored: Lsn): void {
    this.#flushed.push({ at, position: flushed });
    for (let next = this.#flushed[1]; next && next.position <= stored; next = this.#flushed[1]) this.#flushed.shift();
    const newestStored = this.#flushed[0];
    if (newestStored) this.#seconds.push(flushed <= stored ? 0 : (at - newestStored.at) / 1000);
  }

  result(): Age {
    return { p50: rounded(quantile(this.#seconds, 0.5)), p99: rounded(quantile(this.#seconds, 0.99)) };
  }
}
