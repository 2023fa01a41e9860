import { type ChildProcess, spawn } from "node:child_process";
import { chown, mkdir } from "node:fs/promises";
import { join } from "node:path";

/** Database servers refuse to run as root: then they, and the tools that btar is measured against, run as `nobody`. */
export const serverUser = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;

export interface RunOptions {
  readonly signal: AbortSignal;
  /** What it writes is thrown away, as it may be much. */
  readonly isOutputDropped?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Makes a folder of programs below .cache/servers, unless it is there.
 * @param script of scripts/servers
 * @returns what it prints
 */
export async function runInstaller(script: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const path = join(import.meta.dirname, "..", "scripts", "servers", script);
  return (await runToEnd(spawn(path, args, { stdio: ["ignore", "pipe", "pipe"], signal }), path)).trim();
}

/** Runs a program of the server's user, and gives what it writes to standard output. */
export async function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  const child = spawn(program, args, {
    ...serverUser,
    cwd: "/",
    env: { LC_ALL: "C", TZ: "UTC", PATH: "/usr/bin:/bin", ...options.environment },
    stdio: ["ignore", options.isOutputDropped ? "ignore" : "pipe", "pipe"],
    signal: options.signal,
  });
  return await runToEnd(child, `${program} ${args[0] ?? ""}`);
}

/** Makes a directory that the server's user owns. */
export async function makeServerDirectory(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (serverUser) await chown(path, serverUser.uid, serverUser.gid);
  return path;
}

/** @returns what it writes to standard output; throws what it says when it fails */
export async function runToEnd(child: ChildProcess, name: string): Promise<string> {
  let [output, errors] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("error", reject);
  child.once("close", (code, killedBy) => {
    if (code === 0) resolve();
    else reject(new Error(`${name} ended with ${killedBy ?? `exit code ${code}`}:\n${errors || output}`));
  });
  await promise;
  return output;
}
