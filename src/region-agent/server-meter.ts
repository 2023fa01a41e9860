import { loadavg } from "node:os";
import type { Insertable } from "kysely";
import type { MetricSampleTable } from "../catalog/backup-tables.ts";
import { describeError } from "../domain/errors.ts";
import { findPlan } from "../domain/plan.ts";
import { diskBytesOf } from "../platform/directory-size.ts";
import { type ProcessUsage, processTreeUsage } from "../platform/process-usage.ts";
import type { AgentEnvironment } from "./environment.ts";
import type { ObservedService } from "./server-observation.ts";
import { serverDirectory } from "./service-context.ts";

const mib = 1024 * 1024;

/** Of all time, so much goes into looking at the files of a server, at most. */
const filesShare = 1 / 200;

interface Measured {
  readonly pid: number;
  readonly atMs: number;
  readonly usage: ProcessUsage;
}

interface MeasuredFiles {
  readonly bytes: number;
  readonly measureAgainAtMs: number;
}

/** Measures what managed servers of this host need. What cannot be measured is null. */
export class ServerMeter {
  readonly #env: Pick<AgentEnvironment, "engines" | "cloud" | "configuration" | "logger">;
  readonly #earlier = new Map<string, Measured>();
  readonly #files = new Map<string, MeasuredFiles>();

  constructor(env: Pick<AgentEnvironment, "engines" | "cloud" | "configuration" | "logger">) {
    this.#env = env;
  }

  /** Whether a service's server was measured before. */
  knows(serviceId: string): boolean {
    return this.#files.has(serviceId);
  }

  /** Measures servers that should run; rates are those since the last time. */
  async measure(services: readonly ObservedService[]): Promise<readonly Insertable<MetricSampleTable>[]> {
    const pids = await this.#pidsOf(services);
    const usages = await processTreeUsage([...pids.values()]);
    const now = new Date();
    const samples: Insertable<MetricSampleTable>[] = [];
    for (const service of services) {
      const pid = pids.get(service.id);
      if (pid === undefined) continue;
      const usage = usages.get(pid);
      samples.push({
        service_id: service.id,
        at: now,
        ...this.#processMetrics(service, pid, { now, usage }),
        disk_usage: percent(await this.#fileBytes(service), service.disk_space_mb * mib),
        load_average: rounded(loadavg()[0]),
      });
    }
    this.#forget(services);
    return samples;
  }

  async #pidsOf(services: readonly ObservedService[]): Promise<ReadonlyMap<string, number>> {
    const pids = new Map<string, number>();
    for (const { id, engine } of services) {
      const status = await this.#env.engines.of(engine).server.status(this.#directory(id));
      if (status.state === "running") pids.set(id, status.pid);
    }
    return pids;
  }

  #processMetrics(
    service: ObservedService,
    pid: number,
    { now, usage }: { readonly now: Date; readonly usage: ProcessUsage | undefined },
  ) {
    const before = this.#earlier.get(service.id);
    if (usage) this.#earlier.set(service.id, { pid, atMs: now.getTime(), usage });
    // A server that was started anew counts from 0.
    const earlier = before?.pid === pid ? before : undefined;
    const seconds = earlier ? (now.getTime() - earlier.atMs) / 1000 : 0;
    const rate = (value: (of: ProcessUsage) => number | undefined): number | undefined => {
      const [then, since] = [earlier && value(earlier.usage), usage && value(usage)];
      if (then === undefined || since === undefined || seconds <= 0) return undefined;
      return Math.max(0, since - then) / seconds;
    };
    const plan = findPlan(service.plan);
    return {
      cpu_usage: percent(
        rate(({ cpuSeconds }) => cpuSeconds),
        plan?.cpuCount,
      ),
      mem_usage: percent(usage?.memoryBytes, plan && plan.memoryMb * mib),
      diskio_read: rounded(rate(({ readBytes }) => readBytes)),
      diskio_writes: rounded(rate(({ writtenBytes }) => writtenBytes)),
    };
  }

  /** Of many files the sizes are looked at more rarely, so that it costs little; until then the last ones count. */
  async #fileBytes({ id, name }: ObservedService): Promise<number | undefined> {
    const known = this.#files.get(id);
    const startedAtMs = Date.now();
    if (known && startedAtMs < known.measureAgainAtMs) return known.bytes;
    try {
      const bytes = await diskBytesOf(this.#directory(id));
      const measureAgainAtMs = startedAtMs + (Date.now() - startedAtMs) / filesShare;
      this.#files.set(id, { bytes, measureAgainAtMs });
      return bytes;
    } catch (error) {
      this.#env.logger.warn({ service: name, reason: describeError(error) }, "a server's files cannot be measured");
      return undefined;
    }
  }

  #directory(serviceId: string): string {
    return serverDirectory(this.#env, serviceId);
  }

  #forget(services: readonly ObservedService[]): void {
    const ids = new Set(services.map(({ id }) => id));
    for (const known of [this.#earlier, this.#files]) {
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    }
  }
}

function percent(value: number | undefined, whole: number | undefined): number | null {
  return value === undefined || whole === undefined || whole === 0 ? null : rounded((value / whole) * 100);
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value * 1000) / 1000;
}
