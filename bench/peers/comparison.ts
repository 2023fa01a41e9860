import { rm } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { BackupRun } from "../attached-service.ts";
import { type Medians, Samples } from "../samples.ts";
import { describeRun } from "../tool-run.ts";
import type { BackupTool } from "./backup-tool.ts";
import { Cluster } from "./cluster.ts";
import type { Programs } from "./programs.ts";
import { waitUntilQuiet } from "./quiet.ts";

export const comparedParts = ["full", "sparse", "dense", "restore"] as const;
export type ComparedPart = (typeof comparedParts)[number];

/** What is measured: `full` and so on are backups, `nextRestore` is the restore of a second backup. */
export const measures = ["full", "sparse", "dense", "restore", "nextRestore"] as const;
export type Measure = (typeof measures)[number];

export interface Figures {
  readonly seconds: number;
  readonly toolCpuSeconds: number;
  readonly serverCpuSeconds: number;
  readonly storedBytes: number;
  readonly crossedBytes: number;
}

export type Comparison = Medians<Measure, BackupTool["name"], Figures>;
type RoundSamples = Samples<Measure, BackupTool["name"], Figures>;

export interface ComparisonOptions {
  readonly parts: ReadonlySet<ComparedPart>;
  readonly tools: readonly BackupTool[];
  readonly cluster: Cluster;
  readonly programs: Programs;
  /** For restored files. */
  readonly directory: string;
  readonly rounds: number;
  readonly transactions: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Lets the tools take turns, so that both meet the machine in the same mood; the first round is not counted. */
export async function compare(options: ComparisonOptions): Promise<Comparison> {
  const samples: RoundSamples = new Samples();
  for (let round = 0; round <= options.rounds; round += 1) {
    const counted = round > 0;
    options.say(counted ? `round ${round} of ${options.rounds}` : "warm-up round, not counted");
    const tools = round % 2 === 0 ? options.tools : [...options.tools].reverse();
    const run = new Round({ ...options, tools, round, take: counted ? samples : new Samples() });
    await run.run();
  }
  return samples.medians();
}

class Round {
  readonly #options: ComparisonOptions & { readonly round: number; readonly take: RoundSamples };

  constructor(options: ComparisonOptions & { readonly round: number; readonly take: RoundSamples }) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { cluster, parts } = this.#options;
    const isSparseDone = parts.has("sparse");
    if (isSparseDone) {
      // Else the update would change every page that the last round's transactions did, by hint bits.
      await cluster.sql("vacuum pgbench_accounts");
      await this.#fullBackups({ isRestored: false });
      await this.#changeSparsely();
      await this.#backups("sparse", (tool) => tool.next());
    }
    if (parts.has("dense") || parts.has("restore") || !isSparseDone) {
      await this.#fullBackups({ isRestored: parts.has("restore") });
    }
    if (parts.has("dense")) {
      await this.#changeDensely();
      const taken = await this.#backups("dense", (tool) => tool.next());
      if (parts.has("restore")) await this.#restores("nextRestore", taken);
    }
  }

  async #fullBackups({ isRestored }: { readonly isRestored: boolean }): Promise<void> {
    const taken = await this.#backups("full", (tool) => tool.full());
    if (isRestored) await this.#restores("restore", taken);
  }

  async #backups(
    measure: Measure,
    take: (tool: BackupTool) => Promise<BackupRun>,
  ): Promise<ReadonlyMap<BackupTool, string>> {
    const { cluster, say, signal, tools } = this.#options;
    const names = new Map<BackupTool, string>();
    for (const tool of tools) {
      await waitUntilQuiet(cluster, signal);
      const { name, ...run } = await take(tool);
      names.set(tool, name);
      this.#options.take.add(measure, tool.name, { crossedBytes: 0, ...run });
      say(`  ${measure}, ${tool.name}: ${describeRun(run)}, ${(run.storedBytes / 1e6).toFixed(1)} MB stored`);
    }
    return names;
  }

  /** Until the server on the restored files can be written to. */
  async #restores(measure: Measure, backups: ReadonlyMap<BackupTool, string>): Promise<void> {
    const { cluster, say, signal } = this.#options;
    const directory = join(this.#options.directory, "restored");
    for (const [tool, backup] of backups) {
      await waitUntilQuiet(cluster, signal);
      const files = await tool.restore(backup, directory);
      const startSeconds = await this.#start(directory);
      await rm(directory, { recursive: true, force: true });
      const run = { ...files, seconds: files.seconds + startSeconds };
      this.#options.take.add(measure, tool.name, { crossedBytes: 0, storedBytes: 0, ...run });
      say(`  ${measure}, ${tool.name}: ${describeRun(run)}, of which ${startSeconds.toFixed(2)} s the server's start`);
    }
  }

  /** Seconds until the server on restored files can be written to; it is looked at, and stopped. */
  async #start(directory: string): Promise<number> {
    const { cluster, programs, signal } = this.#options;
    const startedAt = performance.now();
    await using restored = await Cluster.startRestored(directory, programs, signal);
    const seconds = (performance.now() - startedAt) / 1000;
    await checkRestored(cluster, restored);
    return seconds;
  }

  /** One row of each 6100, on a page of its own: 1 % of the table's pages. In each round others, as rows move. */
  async #changeSparsely(): Promise<void> {
    const { cluster, round, say } = this.#options;
    say("  changing 1 % of the pages");
    await cluster.sql(`update pgbench_accounts set abalance = abalance + 1 where aid % 6100 = ${round}`);
  }

  async #changeDensely(): Promise<void> {
    const { cluster, say, transactions } = this.#options;
    say(`  running ${transactions} transactions of pgbench`);
    await cluster.withSetting("synchronous_commit = off", () =>
      cluster.run("pgbench", ["-c", "4", "-j", "2", "-t", String(Math.ceil(transactions / 4))]),
    );
  }
}

/** The newest backup is of a server at rest, so what is restored from it has what the server has. */
async function checkRestored(source: Cluster, restored: Cluster): Promise<void> {
  const query = "select count(*) || ' rows, ' || sum(tbalance) || ' in all' from pgbench_tellers";
  const [expected, found] = [await source.text(query), await restored.text(query)];
  if (expected !== found) throw new Error(`the restored database has ${found}; the source ${expected}`);
}
