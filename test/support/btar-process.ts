import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { delimiter, dirname, join } from "node:path";

const root = dirname(dirname(import.meta.dirname));
const launcher = join(root, "bin", "btar.js");
const deadlineMs = 180_000;
const pollMs = 25;

/** How a command is started. */
export interface BtarOptions {
  /** Working directory, and so where `btar.yaml` is looked for. */
  readonly directory: string;
  /** Of an installed package; this checkout's by default. */
  readonly launcher?: string;
  /** Node that `bin/btar.js` is started with; this test's own by default. */
  readonly node?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Who it runs as, where the test is root; whoever runs the test by default. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** `btar …`, running. */
export class BtarProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #stdout = "";
  #stderr = "";

  constructor(args: readonly string[], options: BtarOptions) {
    this.#child = spawn(options.node ?? process.execPath, [options.launcher ?? launcher, ...args], {
      cwd: options.directory,
      env: {
        ...withoutBtar(process.env),
        BTAR_CREDENTIALS_FILE: join(options.directory, "credentials.json"),
        ...options.environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
      ...(process.getuid?.() === 0 ? options.user : {}),
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#ended = once(this.#child, "close").then(() => undefined);
  }

  /** All that it has said so far, the answer and the rest. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Closes the reading ends of its output, as a terminal or a pipe's reader that is gone. */
  stopReading(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until `condition` holds; fails as soon as the process has ended without it. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + deadlineMs; Date.now() < deadline; ) {
      if (await condition()) return;
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    if (!(await condition())) throw new Error(`${what}: did not happen; it said:\n${this.output}`);
  }

  async says(text: string | RegExp): Promise<void> {
    const matches = () => (typeof text === "string" ? this.output.includes(text) : text.test(this.output));
    await this.until(`saying ${String(text)}`, matches);
  }

  /** @returns the exit code; 128 and more for a signal, as shells count */
  async ended(): Promise<number> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), deadlineMs);
    await this.#ended;
    clearTimeout(timer);
    const { exitCode, signalCode } = this.#child;
    return exitCode ?? 128 + (signalCode === "SIGKILL" ? 9 : signalCode === "SIGINT" ? 2 : 15);
  }
}

/** Looks again and again until something holds. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + deadlineMs; Date.now() < deadline; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  throw new Error(`${what}: not within ${deadlineMs / 1000} s`);
}

/** Runs a command to its end. */
export async function btar(
  args: readonly string[],
  options: BtarOptions,
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const child = new BtarProcess(args, options);
  const code = await child.ended();
  return { code, stdout: child.stdout, stderr: child.stderr };
}

/** The Node of the system, which knows nothing of btar; this test's own when there is none other. */
export function systemNode(): string {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const program = join(folder, "node");
    if (folder.includes("node_modules") || !isProgram(program)) continue;
    return program;
  }
  return process.execPath;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What the developer's own shell says of btar must not reach a test. */
function withoutBtar(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("BTAR_")));
}
