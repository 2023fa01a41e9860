import { setTimeout as sleep } from "node:timers/promises";
import { type MeasuredBtar, north, project, south } from "./measured-btar.ts";
import { quantile, rounded } from "./statistics.ts";

const lookMs = 200;

interface Protection {
  readonly locations: readonly { readonly cloud: string; readonly log: { readonly end: string } | null }[];
}

/** Seconds. */
export interface Age {
  readonly p50: number;
  readonly p99: number;
}

export interface LogAges {
  readonly primary: Age;
  readonly secondary: Age;
}

/** Up to which position, read as a number, each location has the log; 0: it has none. */
export async function storedEnds(
  btar: MeasuredBtar,
  service: string,
): Promise<{ readonly primary: bigint; readonly secondary: bigint }> {
  const { locations } = await btar.api.request<Protection>("GET", `${project}/service/${service}/btar`);
  const end = (cloud: string) => BigInt(`0x${locations.find((at) => at.cloud === cloud)?.log?.end ?? "0"}`);
  return { primary: end(north), secondary: end(south) };
}

/**
 * How old the newest log of each location is while `load` goes on: the time since the server flushed the first byte
 * that is not stored yet. Looked at five times a second.
 * @param options.flushed up to where the server has flushed its log, as a number that compares like stored positions
 */
export async function measureLogAge(options: {
  readonly btar: MeasuredBtar;
  readonly service: string;
  readonly flushed: () => Promise<bigint>;
  readonly load: () => Promise<unknown>;
  readonly signal: AbortSignal;
}): Promise<LogAges> {
  const { btar, service, flushed, signal } = options;
  const ages = { primary: new AgeSamples(), secondary: new AgeSamples() };
  let hasEnded = false;
  const load = options.load().finally(() => {
    hasEnded = true;
  });
  const watching = (async () => {
    while (!hasEnded) {
      const position = await flushed();
      const at = performance.now();
      const ends = await storedEnds(btar, service);
      ages.primary.look(at, position, ends.primary);
      ages.secondary.look(at, position, ends.secondary);
      await sleep(lookMs, undefined, { signal });
    }
  })();
  await Promise.all([load, watching]);
  return { primary: ages.primary.result(), secondary: ages.secondary.result() };
}

class AgeSamples {
  /** What was flushed when, oldest first; the first one is the newest that is stored. */
  readonly #flushed: { readonly at: number; readonly position: bigint }[] = [];
  readonly #seconds: number[] = [];

  look(at: number, flushed: bigint, stored: bigint): void {
    this.#flushed.push({ at, position: flushed });
    for (let next = this.#flushed[1]; next && next.position <= stored; next = this.#flushed[1]) this.#flushed.shift();
    const newestStored = this.#flushed[0];
    if (newestStored) this.#seconds.push(flushed <= stored ? 0 : (at - newestStored.at) / 1000);
  }

  result(): Age {
    return { p50: rounded(quantile(this.#seconds, 0.5)), p99: rounded(quantile(this.#seconds, 0.99)) };
  }
}
