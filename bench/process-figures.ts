import { readdirSync, readFileSync } from "node:fs";

/** CPU seconds of a process and its children, dead ones included, at one moment. */
export interface CpuReading {
  readonly seconds: number;
}

const ticksPerSecond = 100; // USER_HZ, the same on all Linux systems

/** Reads a process and everything below it from /proc. A process that is gone counts nothing. */
export function cpuOfTree(pid: number): CpuReading {
  if (pid === 0) return { seconds: 0 };
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
    if (stat) parents.set(Number(name), stat.parent);
  }
  const isBelow = (candidate: number): boolean => {
    for (let at: number | undefined = candidate; at !== undefined && at > 1; at = parents.get(at)) {
      if (at === pid) return true;
    }
    return false;
  };
  const members = [...parents.keys()].filter(isBelow);
  return { seconds: members.reduce((sum, member) => sum + (readStat(member)?.seconds ?? 0), 0) };
}

export function cpuSeconds(from: CpuReading, to: CpuReading): number {
  return Math.max(0, to.seconds - from.seconds);
}

/** The most memory that a process has had resident so far. */
export function peakMemoryBytes(pid: number): number {
  if (pid === 0) return 0;
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? 0) * 1024;
}

function readStat(pid: number): { readonly parent: number; readonly seconds: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // ended between listing and reading
  }
  // The program's name is in parentheses, and may hold spaces.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { parent: Number(fields[1]), seconds: ticks / ticksPerSecond };
}
