import { type ChildProcess, spawn } from "node:child_process";
import { keyFromParent } from "./parent.ts";
import { pause } from "../platform/pause.ts";

const firstPauseMs = 1000;
const maxPauseMs = 30_000;
/** An agent that ran for this long had not failed at its start. */
const stableMs = 60_000;

/**
 * One heap for all threads: what one of them gives back, the others use. Buffers of megabytes lie outside of it, and go
 * back to the system at once; otherwise the first of them that is freed makes glibc keep all later ones in the heap,
 * which then only grows.
 */
const smallMemory = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: String(4 * 1024 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(16 * 1024 * 1024),
} as const;

/**
 * A small young generation is collected often, and so is all else: few objects hold most of the memory, and buffers that
 * a backup has done with are given back soon. After a job, an agent asks for it.
 */
const oftenCollected = ["--max-semi-space-size=4", "--heap-growing-percent=30", "--expose-gc"] as const;

/** What a parent tells its agent. */
export interface StopMessage {
  readonly kind: "stop";
  readonly stopServers: boolean;
}

/** The master key, for an agent to work with: neither its environment nor its command line shows it. */
export interface KeyMessage {
  readonly kind: "key";
  /** 64 hex digits. */
  readonly masterKey: string;
}

/** What an agent tells its parent: that it has begun to work. */
export interface ReadyMessage {
  readonly kind: "ready";
}

export interface AgentProcessOptions {
  readonly cloud: string;
  /** Of the executable that this process runs. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly masterKey: Buffer;
  /** Takes what the agent writes. */
  readonly log: (text: string) => void;
  /** Tells the operator. */
  readonly say: (text: string) => void;
}

/** Keeps the agent of a cloud running as a child process; it ends with its parent. */
export class AgentProcess {
  readonly #options: AgentProcessOptions;
  readonly #stop = new AbortController();
  readonly #firstOutcome = Promise.withResolvers<void>();
  #child: ChildProcess | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: AgentProcessOptions) {
    this.#options = options;
  }

  /** Fulfilled when it works, or has ended for the first time, which is said and tried again. */
  async start(): Promise<void> {
    this.#loop = this.#keepRunning();
    await this.#firstOutcome.promise;
  }

  /** Asks it to end, and waits. */
  async stop(order: Omit<StopMessage, "kind">): Promise<void> {
    this.#stop.abort();
    if (this.#child?.connected) this.#child.send({ kind: "stop", ...order } satisfies StopMessage);
    await this.#loop;
  }

  async #keepRunning(): Promise<void> {
    const { cloud, say } = this.#options;
    const { signal } = this.#stop;
    let pauseMs = firstPauseMs;
    while (!signal.aborted) {
      const startedAt = Date.now();
      const end = await this.#runOnce();
      this.#firstOutcome.resolve();
      if (signal.aborted) return;
      if (Date.now() - startedAt > stableMs) pauseMs = firstPauseMs;
      say(`agent of ${cloud} ended (${end}); starting it again in ${pauseMs / 1000} s`);
      await pause(pauseMs, signal);
      pauseMs = Math.min(maxPauseMs, pauseMs * 2);
    }
  }

  /** @returns how it ended, for people */
  async #runOnce(): Promise<string> {
    const { args, environment, masterKey, log } = this.#options;
    const nodeArgs = [...oftenCollected, process.argv[1] ?? ""];
    const child = spawn(process.execPath, [...nodeArgs, ...args], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...withoutSecrets(process.env), ...smallMemory, ...environment, [keyFromParent]: "1" },
    });
    // What fails is that it has ended, which is told below.
    child.send({ kind: "key", masterKey: masterKey.toString("hex") } satisfies KeyMessage, () => undefined);
    this.#child = child;
    let lastWords = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        log(text);
        lastWords = plainWords(text) ?? lastWords;
      });
    }
    child.once("message", (message: ReadyMessage) => {
      if (message.kind === "ready") this.#firstOutcome.resolve();
    });
    const { promise, resolve } = Promise.withResolvers<string>();
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
    const end = await promise;
    return lastWords === "" ? end : `${end}: ${lastWords}`;
  }
}

/** What agents need not know: they would show it in their environment. */
const secretVariables = new Set([
  ...["BTAR_MASTER_KEY", "BTAR_MASTER_KEY_FILE", "BTAR_KEY_PASSPHRASE", "BTAR_KEY_PASSPHRASE_FILE"],
  ...["BTAR_ADMIN_TOKEN", "BTAR_ADMIN_PASSWORD", "BTAR_TOKEN", "BTAR_PASSWORD"],
]);

function withoutSecrets(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !secretVariables.has(name)));
}

/** What a program says when it gives up: our own message, or the first line of an error that nobody caught. */
function plainWords(text: string): string | undefined {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("{"));
  return lines.find((line) => /^(?:btar: |\w*Error\b)/.test(line)) ?? lines.at(-1)?.trim();
}
