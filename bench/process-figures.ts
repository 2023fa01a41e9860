import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const ticksPerSecond = 100; // USER_HZ, the same on all Linux systems

interface ProcessStat {
  readonly parent: number;
  readonly ownSeconds: number;
  /** Of children that have ended and were waited for. */
  readonly endedChildrenSeconds: number;
}

/** CPU seconds of a process and everything below it, dead ones included. A process that is gone counts nothing. */
export function cpuSecondsOfTree(pid: number): number {
  if (pid === 0) return 0;
  const all = new Map<number, ProcessStat>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? readStat(Number(name)) : undefined;
    if (stat) all.set(Number(name), stat);
  }
  const isBelow = (candidate: number): boolean => {
    for (let at: number | undefined = candidate; at !== undefined && at > 1; at = all.get(at)?.parent) {
      if (at === pid) return true;
    }
    return false;
  };
  let seconds = 0;
  for (const [member, stat] of all) if (isBelow(member)) seconds += stat.ownSeconds + stat.endedChildrenSeconds;
  return seconds;
}

/** CPU seconds of all programs that this process has run to their end, and of what they ran. */
export function cpuSecondsOfEndedChildren(): number {
  return readStat(process.pid)?.endedChildrenSeconds ?? 0;
}

/** The most memory that a process has had resident so far, or since `forgetPeakMemory`. */
export function peakMemoryBytes(pid: number): number {
  if (pid === 0) return 0;
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(match?.[1] ?? 0) * 1024;
}

/** The peak begins at what is resident now. */
export function forgetPeakMemory(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5"); // proc_pid_clear_refs(5)
}

function readStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // ended between listing and reading
  }
  // The program's name is in parentheses, and may hold spaces.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const seconds = (field: number) => Number(fields[field]) / ticksPerSecond;
  return {
    parent: Number(fields[1]),
    ownSeconds: seconds(11) + seconds(12),
    endedChildrenSeconds: seconds(13) + seconds(14),
  };
}
