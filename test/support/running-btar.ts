import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const readyWithinMs = 120_000;

/** A btar started for a demonstration, benchmark or test: `btar up` on local clouds. */
export class RunningBtar {
  readonly url: string;
  readonly token: string;
  readonly directory: string;
  readonly #process: ChildProcess;

  private constructor(options: { url: string; token: string; directory: string; process: ChildProcess }) {
    this.url = options.url;
    this.token = options.token;
    this.directory = options.directory;
    this.#process = options.process;
  }

  static async start(options: {
    /** Of the package whose btar it is; without it, this checkout's. */
    readonly root?: string;
    readonly directory: string;
    readonly port: number;
    readonly token: string;
    readonly firstServicePort: number;
    /** Further lines of btar.yaml, instead of those that store the log each second. */
    readonly settings?: readonly string[];
    /** A Ctrl-C in the terminal reaches whoever starts it alone. */
    readonly isDetached?: boolean;
    /** Gives up starting. */
    readonly signal?: AbortSignal;
  }): Promise<RunningBtar> {
    const { directory, port, token, firstServicePort, settings = ["log: { max_age_seconds: 1 }"] } = options;
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o755); // database servers run as another user when this runs as root
    const configuration = join(directory, "btar.yaml");
    await writeFile(
      configuration,
      [
        `listen: 127.0.0.1:${port}`,
        `data_dir: ${join(directory, "data")}`,
        "clouds:",
        `  local-north: { store: "file:${cloudDirectory(directory, "local-north")}/store", description: "North of this machine" }`,
        `  local-south: { store: "file:${cloudDirectory(directory, "local-south")}/store", description: "South of this machine" }`,
        `services: { ports: ${firstServicePort}-${firstServicePort + 99} }`,
        ...settings,
        "",
      ].join("\n"),
    );
    const { root = join(import.meta.dirname, "..", "..") } = options;
    const child = spawn(process.execPath, [join(root, "bin", "btar.js"), "up", "--config", configuration], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: options.isDetached ?? false,
      env: { ...process.env, BTAR_ADMIN_TOKEN: token },
    });
    const output: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => output.push(text));
    }
    const server = new RunningBtar({ url: `http://127.0.0.1:${port}`, token, directory, process: child });
    const giveUp = () => child.kill("SIGINT");
    options.signal?.addEventListener("abort", giveUp);
    await server.#waitUntilReady(output);
    options.signal?.removeEventListener("abort", giveUp);
    return server;
  }

  /** Where a cloud has its store and its servers. */
  cloudDirectory(cloud: string): string {
    return cloudDirectory(this.directory, cloud);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The process that serves the API: the launcher's child when it went on under another Node. */
  async nodePid(): Promise<number> {
    const children = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, "utf8");
    for (const child of children.trim().split(" ")) {
      const command = await readFile(`/proc/${child}/cmdline`, "utf8").catch(() => "");
      if (command.split("\0").includes("up")) return Number(child);
    }
    return this.pid;
  }

  /** Lets it run on after this process. */
  detach(): void {
    this.#process.unref();
    this.#process.stdout?.destroy();
    this.#process.stderr?.destroy();
  }

  /** `kill -9`, as the system would when memory runs out: no clean end of anything. */
  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await ended;
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGINT");
    await ended;
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  async #waitUntilReady(output: readonly string[]): Promise<void> {
    for (const deadline = Date.now() + readyWithinMs; Date.now() < deadline; ) {
      if (this.#hasEnded) throw new Error(`btar up ended:\n${output.join("")}`);
      const ready = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (ready?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`btar up is not ready after ${readyWithinMs / 1000} s:\n${output.join("")}`);
  }
}

function cloudDirectory(directory: string, cloud: string): string {
  return join(directory, "data", "clouds", cloud);
}
