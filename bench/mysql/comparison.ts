import { join } from "node:path";
import { AttachedService, type BackupRun } from "../attached-service.ts";
import type { MeasuredBtar } from "../measured-btar.ts";
import { type Medians, Samples } from "../samples.ts";
import { describeRun, type ToolRun } from "../tool-run.ts";
import type { CloneTool } from "./clone-tool.ts";
import type { DumpTool } from "./dump-tool.ts";
import { deleteFork, fork } from "./forks.ts";
import type { Programs } from "./programs.ts";
import { waitUntilQuiet } from "./quiet.ts";
import { MysqlServer } from "./server.ts";
import { changeOnePercent, tablesDigestQuery } from "./sysbench-data.ts";

export const comparedParts = ["base", "second", "restore"] as const;
export type ComparedPart = (typeof comparedParts)[number];

/** `base`: a backup that builds on nothing; `second`: one after 1 % of the pages changed. */
export type Measure = ComparedPart;
export type Tool = "btar" | "clone" | "dump";

export interface Figures extends ToolRun {
  readonly storedBytes: number;
}

export type Comparison = Medians<Measure, Tool, Figures>;

export interface ComparisonOptions {
  readonly parts: ReadonlySet<ComparedPart>;
  readonly server: MysqlServer;
  readonly btar: MeasuredBtar;
  readonly clone: CloneTool;
  readonly dump: DumpTool;
  readonly programs: Programs;
  /** For a server that a dump is reloaded into. */
  readonly directory: string;
  readonly rounds: number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Lets the tools take turns, so that all meet the machine in the same mood; the first round is not counted. */
export async function compare(options: ComparisonOptions): Promise<Comparison> {
  const samples: RoundSamples = new Samples();
  const service = new AttachedService(options.btar, options.server);
  for (let round = 0; round <= options.rounds; round += 1) {
    const counted = round > 0;
    options.say(counted ? `round ${round} of ${options.rounds}` : "warm-up round, not counted");
    await new Round({ ...options, service, round, take: counted ? samples : new Samples() }).run();
  }
  await service.detach();
  return samples.medians();
}

type RoundSamples = Samples<Measure, Tool, Figures>;
type RoundOptions = ComparisonOptions & {
  readonly service: AttachedService;
  readonly round: number;
  readonly take: RoundSamples;
};

class Round {
  readonly #options: RoundOptions;

  constructor(options: RoundOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { parts } = this.#options;
    await this.#base();
    if (parts.has("restore")) await this.#restores();
    if (parts.has("second")) await this.#second();
  }

  /** The other parts need btar's, and a dump to reload. */
  async #base(): Promise<void> {
    const { parts, service, clone, dump } = this.#options;
    const runs: (() => Promise<void>)[] = [() => this.#take("base", "btar", () => service.full())];
    if (parts.has("base")) runs.push(() => this.#take("base", "clone", () => clone.run()));
    if (parts.has("base") || parts.has("restore")) runs.push(() => this.#take("base", "dump", () => dump.run()));
    await this.#inTurn(runs);
  }

  async #second(): Promise<void> {
    const { server, service, round, say } = this.#options;
    say("  changing 1 % of the pages");
    await changeOnePercent(server, round);
    await this.#take("second", "btar", () => service.next());
  }

  /** Until the restored server has answered a query, and until the dump is in a server that runs already. */
  async #restores(): Promise<void> {
    await this.#inTurn([
      () => this.#take("restore", "btar", () => this.#fork()),
      () => this.#take("restore", "dump", () => this.#reload()),
    ]);
  }

  async #fork(): Promise<ToolRun> {
    const { btar, service, round } = this.#options;
    const forked = await service.counted(() => fork(btar, service.name, `fork-${round}`));
    await this.#check(await forked.query(tablesDigestQuery));
    await deleteFork(btar, forked);
    return forked;
  }

  async #reload(): Promise<ToolRun> {
    const { directory, dump, programs, signal } = this.#options;
    const place = { dataDirectory: join(directory, "reloaded"), programs, signal };
    await using target = await MysqlServer.create(place);
    await waitUntilQuiet(target, signal);
    const run = await dump.reload(target);
    await this.#check((await target.sql(tablesDigestQuery)).map(({ digest }) => String(digest)));
    return run;
  }

  /** In another order each round. */
  async #inTurn(runs: readonly (() => Promise<void>)[]): Promise<void> {
    const ordered = this.#options.round % 2 === 0 ? runs : [...runs].reverse();
    for (const run of ordered) await run();
  }

  async #take(
    measure: Measure,
    tool: Tool,
    run: () => Promise<ToolRun & Partial<Pick<BackupRun, "storedBytes">>>,
  ): Promise<void> {
    const { server, say, signal, take } = this.#options;
    await waitUntilQuiet(server, signal);
    const { seconds, toolCpuSeconds, serverCpuSeconds, storedBytes = 0 } = await run();
    const figures = { seconds, toolCpuSeconds, serverCpuSeconds, storedBytes };
    take.add(measure, tool, figures);
    const stored = storedBytes === 0 ? "" : `, ${(storedBytes / 1e6).toFixed(1)} MB stored`;
    say(`  ${measure}, ${tool}: ${describeRun(figures)}${stored}`);
  }

  /** The source has not been written to since. */
  async #check(found: readonly string[]): Promise<void> {
    const expected = (await this.#options.server.sql(tablesDigestQuery)).map(({ digest }) => String(digest));
    if (expected.join() !== found.join()) {
      throw new Error(`the restored server has ${found.join("; ")}; the source ${expected.join("; ")}`);
    }
  }
}
