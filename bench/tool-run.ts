import { performance } from "node:perf_hooks";
import { cpuSecondsOfEndedChildren, cpuSecondsOfTree } from "./process-figures.ts";

/** What one run of a tool took. */
export interface ToolRun {
  readonly seconds: number;
  /** CPU seconds of the tool's processes. */
  readonly toolCpuSeconds: number;
  /** CPU seconds of the database server and what it started meanwhile. */
  readonly serverCpuSeconds: number;
}

/** Runs programs of a tool to their end, which is all that this process starts meanwhile. */
export async function timedPrograms(serverPid: number, run: () => Promise<unknown>): Promise<ToolRun> {
  const [tool, server] = [cpuSecondsOfEndedChildren(), cpuSecondsOfTree(serverPid)];
  const startedAt = performance.now();
  await run();
  return {
    seconds: (performance.now() - startedAt) / 1000,
    toolCpuSeconds: cpuSecondsOfEndedChildren() - tool,
    serverCpuSeconds: cpuSecondsOfTree(serverPid) - server,
  };
}

export function describeRun(run: ToolRun): string {
  return `${run.seconds.toFixed(2)} s, CPU ${run.toolCpuSeconds.toFixed(2)} + ${run.serverCpuSeconds.toFixed(2)} s`;
}
