import { type EventLoopUtilization, performance } from "node:perf_hooks";
import type { AgentFigures } from "../domain/agent-figures.ts";
import { MeasuredObjectStore } from "../object-store/measured-object-store.ts";
import type { ObjectStore } from "../object-store/object-store.ts";

const microsPerSecond = 1e6;

/** Measures this agent's process, and the stores that it works with. */
export class AgentMeter {
  /** By cloud; the agent's work is to go through these. */
  readonly stores: ReadonlyMap<string, ObjectStore>;
  readonly #measured: ReadonlyMap<string, MeasuredObjectStore>;
  #before: EventLoopUtilization = performance.eventLoopUtilization();

  constructor(stores: ReadonlyMap<string, ObjectStore>) {
    this.#measured = new Map([...stores].map(([cloud, store]) => [cloud, new MeasuredObjectStore(store)]));
    this.stores = this.#measured;
  }

  /** What was measured so far. */
  figures(): AgentFigures {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#before);
    this.#before = now;
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    return {
      process: {
        cpuSeconds: (user + system) / microsPerSecond,
        ...{ residentBytes: rss, heapBytes: heapUsed, busyShare: Number.isFinite(utilization) ? utilization : 0 },
      },
      stores: Object.fromEntries([...this.#measured].map(([cloud, store]) => [cloud, store.figures])),
    };
  }
}
