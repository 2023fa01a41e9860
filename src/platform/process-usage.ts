import { readdir } from "node:fs/promises";
import { isErrno } from "./errno.ts";
import { readTextIfThere } from "./files.ts";

/** What a process and all that it has started need, and have needed since it began. */
export interface ProcessUsage {
  /** Of all cores together, of processes that have ended too. */
  readonly cpuSeconds: number;
  /** In memory now; what they share counts once. */
  readonly memoryBytes: number;
  /** From and to disks; undefined when this process may not know. */
  readonly readBytes: number | undefined;
  readonly writtenBytes: number | undefined;
}

/** `sysconf(_SC_CLK_TCK)`: the same on all Linux systems that Node runs on. */
const ticksPerSecond = 100;

interface ProcessTimes {
  readonly parent: number;
  readonly ticks: number;
}

/**
 * Adds up what trees of processes need, by the process that began each. Systems other than Linux do not tell.
 * @param roots process ids; those that do not exist are not in the answer
 * @see proc(5): /proc/PID/stat, /proc/PID/status, /proc/PID/io
 */
export async function processTreeUsage(roots: readonly number[]): Promise<ReadonlyMap<number, ProcessUsage>> {
  if (process.platform !== "linux" || roots.length === 0) return new Map();
  const times = await processTimes();
  const children = new Map<number, number[]>();
  for (const [pid, { parent }] of times) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const usages = new Map<number, ProcessUsage>();
  for (const root of roots) {
    if (!times.has(root)) continue;
    const tree = [root];
    for (const pid of tree) tree.push(...(children.get(pid) ?? []));
    const cpuSeconds = tree.reduce((sum, pid) => sum + (times.get(pid)?.ticks ?? 0), 0) / ticksPerSecond;
    usages.set(root, { cpuSeconds, ...(await memoryOf(tree)), ...(await diskOf(tree)) });
  }
  return usages;
}

async function processTimes(): Promise<ReadonlyMap<number, ProcessTimes>> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const times = new Map<number, ProcessTimes>();
  for (const pid of pids) {
    const text = await readProcFile(pid, "stat");
    // The name, in parentheses, may hold anything. What follows begins with field 3.
    const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ") ?? [];
    const [parent, ...ticks] = [4, 14, 15, 16, 17].map((field) => Number(fields[field - 3]));
    if (parent === undefined || !Number.isSafeInteger(parent)) continue;
    // Of itself in user and kernel mode, and of children that have ended.
    times.set(pid, { parent, ticks: ticks.reduce((sum, each) => sum + each, 0) });
  }
  return times;
}

/** Memory of its own adds up; of what processes share, each has seen a part, and who has seen most tells it. */
async function memoryOf(pids: readonly number[]): Promise<Pick<ProcessUsage, "memoryBytes">> {
  const [own, files, shared]: [number[], number[], number[]] = [[], [], []];
  for (const pid of pids) {
    const text = (await readProcFile(pid, "status")) ?? "";
    own.push(fieldOf(text, "RssAnon") ?? 0);
    files.push(fieldOf(text, "RssFile") ?? 0);
    shared.push(fieldOf(text, "RssShmem") ?? 0);
  }
  const sum = own.reduce((total, each) => total + each, 0);
  return { memoryBytes: (sum + Math.max(...files) + Math.max(...shared)) * 1024 };
}

/** What ended children have read and written is in their parent's figures. */
async function diskOf(pids: readonly number[]): Promise<Pick<ProcessUsage, "readBytes" | "writtenBytes">> {
  let [readBytes, writtenBytes] = [0, 0];
  for (const pid of pids) {
    const text = await readProcFile(pid, "io");
    if (text === undefined) continue;
    const [read, written] = [fieldOf(text, "read_bytes"), fieldOf(text, "write_bytes")];
    if (read === undefined || written === undefined) return { readBytes: undefined, writtenBytes: undefined };
    readBytes += read;
    writtenBytes += written;
  }
  return { readBytes, writtenBytes };
}

function fieldOf(text: string, name: string): number | undefined {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}

/** Undefined when the process has ended; empty when this process may not read it. */
async function readProcFile(pid: number, name: string): Promise<string | undefined> {
  try {
    return await readTextIfThere(`/proc/${pid}/${name}`);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return undefined;
    if (isErrno(error, "EACCES", "EPERM")) return "";
    throw error;
  }
}
