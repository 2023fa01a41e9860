import { type ChildProcess, spawn } from "node:child_process";
import { chown, mkdir } from "node:fs/promises";
import { join } from "node:path";

/** PostgreSQL refuses to run as root: then it and pgBackRest run as `nobody`. */
export const serverUser = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;

/** The programs that btar is measured against, below one folder. */
export interface Programs {
  /** `bin` of PostgreSQL 18. */
  readonly postgres: string;
  readonly pgbackrest: string;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /** What it writes is thrown away, as it may be much. */
  readonly isOutputDropped?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

export async function installPrograms(signal: AbortSignal): Promise<Programs> {
  const script = join(import.meta.dirname, "..", "..", "scripts", "servers", "peers.sh");
  const folder = (await runToEnd(spawn(script, { stdio: ["ignore", "pipe", "pipe"], signal }), script)).trim();
  return { postgres: join(folder, "usr/lib/postgresql/18/bin"), pgbackrest: join(folder, "usr/bin/pgbackrest") };
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

async function runToEnd(child: ChildProcess, name: string): Promise<string> {
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
