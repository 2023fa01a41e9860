import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { BtarError } from "../domain/errors.ts";
import { cancelled, throwIfCancelled } from "./clock.ts";
import { isErrno } from "./errno.ts";

/** Whose rights a program runs with, where that is somebody else than this process. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
}

/** Programs get this environment and nothing of ours: no secrets, and messages that can be read by programs. */
const cleanEnvironment = { LC_ALL: "C", PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

const keptOutputBytes = 64 * 1024;
const stderrLinesInErrors = 10;

export interface ProgramOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly user?: ProcessUser | undefined;
  /** Written to its standard input, which is closed then. */
  readonly input?: string | undefined;
}

/** The last 64 KiB of what a program wrote. */
export interface ProgramOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, without a shell, in the root directory and with a clean environment. When the time is
 * up or `signal` fires, it and whatever it started are killed.
 * @throws {BtarError} COMMAND_FAILED with the last lines of its standard error, TIMED_OUT, CANCELLED
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramOutput> {
  throwIfCancelled(options.signal);
  // A group of its own, so that the end reaches what it started too.
  const child = await started(file, args, { ...spawnOptions(options.user), stdio: "pipe", detached: true });
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const end = () => killGroup(child);
  for (const signal of [timeout, options.signal]) signal?.addEventListener("abort", end, { once: true });
  if (options.signal?.aborted) end();
  try {
    // A program that does not read its input to the end is no failure of its own.
    child.stdin?.on("error", () => undefined).end(options.input ?? "");
    const [stdout, stderr] = [lastOutput(child.stdout), lastOutput(child.stderr)];
    await once(child, "close");
    if (options.signal?.aborted) throw cancelled(options.signal.reason);
    if (timeout.aborted) throw timedOut(file, options.timeoutMs, stderr());
    if (child.exitCode !== 0) throw failed(file, child, stderr());
    return { stdout: stdout(), stderr: stderr() };
  } finally {
    for (const signal of [timeout, options.signal]) signal?.removeEventListener("abort", end);
  }
}

/** A program that goes on when this process ends. */
export interface DetachedProcess {
  readonly pid: number;
  /** How it ended, for people (`exit code 1`, `SIGKILL`); undefined while it runs. */
  ended(): string | undefined;
}

/**
 * Starts a program that outlives this process, in a session of its own; its output goes to `outputFd`.
 * @throws {BtarError} COMMAND_FAILED when it cannot be started at all
 */
export async function startDetached(
  file: string,
  args: readonly string[],
  options: { readonly outputFd: number; readonly user?: ProcessUser | undefined },
): Promise<DetachedProcess> {
  const child = await started(file, args, {
    ...spawnOptions(options.user),
    stdio: ["ignore", options.outputFd, options.outputFd],
    detached: true,
  });
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new BtarError("INTERNAL", { message: `${file} has no process id` });
  return { pid, ended: () => endOf(child) };
}

/**
 * Whether a process of that id runs, whoever it is. One that has ended and that its parent took no note of does not
 * (in a container without an init process it may stay in the list for ever).
 */
export function isProcessAlive(pid: number): boolean {
  return sendSignal(pid, 0) && !isDefunct(pid);
}

/**
 * Sends a signal.
 * @returns whether there is such a process. One of another user counts, though the signal does not reach it.
 */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (isErrno(error, "ESRCH")) return false;
    if (isErrno(error, "EPERM")) return true;
    throw error;
  }
}

/**
 * When a process started, in a notation of the system's that no later process of the same id shares.
 * @returns undefined where the system does not tell (other than Linux), or when there is no such process
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
export async function processStartedAt(pid: number): Promise<string | undefined> {
  const [stat, bootId] = await Promise.all([
    readIfThere(`/proc/${pid}/stat`),
    readIfThere("/proc/sys/kernel/random/boot_id"),
  ]);
  // The command's name, in parentheses, may hold anything: the fields are counted from its end. Field 22 is wanted.
  const ticks = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return ticks && bootId ? `${bootId.trim()}.${ticks}` : undefined;
}

function isDefunct(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat[stat.lastIndexOf(")") + 2] === "Z";
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH", "ENOTDIR", "EACCES")) return false; // no Linux, or it has just ended
    throw error;
  }
}

/** The arguments a process was started with; undefined where the system does not tell. */
export async function processArguments(pid: number): Promise<readonly string[] | undefined> {
  const text = await readIfThere(`/proc/${pid}/cmdline`);
  return text ? text.split("\0").slice(0, -1) : undefined;
}

async function started(file: string, args: readonly string[], options: SpawnOptions): Promise<ChildProcess> {
  const child = spawn(file, args, options);
  try {
    await once(child, "spawn");
    return child;
  } catch (cause) {
    throw new BtarError("COMMAND_FAILED", {
      message: `${file} cannot be started: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: "check that the file exists and that the user it runs as may execute it",
      cause,
    });
  }
}

function spawnOptions(user: ProcessUser | undefined): SpawnOptions {
  return { cwd: "/", env: cleanEnvironment, ...(user && { uid: user.uid, gid: user.gid }) };
}

function killGroup(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
    sendSignal(-child.pid, "SIGKILL");
}

/** Gathers the end of what comes out of a stream; the result is for when it has ended. */
function lastOutput(stream: NodeJS.ReadableStream | null): () => string {
  let kept = Buffer.alloc(0);
  stream?.on("data", (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-keptOutputBytes);
  });
  return () => kept.toString("utf8");
}

function endOf(child: ChildProcess): string | undefined {
  if (child.signalCode !== null) return child.signalCode;
  return child.exitCode === null ? undefined : `exit code ${child.exitCode}`;
}

function failed(file: string, child: ChildProcess, stderr: string): BtarError {
  return new BtarError("COMMAND_FAILED", {
    message: `${path.basename(file)} failed with ${endOf(child)}: ${lastLines(stderr) || "it said nothing"}`,
    details: { file },
  });
}

function timedOut(file: string, timeoutMs: number, stderr: string): BtarError {
  return new BtarError("TIMED_OUT", {
    message: `${path.basename(file)} was not done after ${timeoutMs / 1000} s and was killed: ${lastLines(stderr)}`,
    details: { file },
  });
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-stderrLinesInErrors).join("\n");
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    // ESRCH: the process ended while its file was being read.
    if (isErrno(error, "ENOENT", "ESRCH", "ENOTDIR", "EACCES")) return undefined;
    throw error;
  }
}
