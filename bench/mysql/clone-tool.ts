import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { cpuSecondsOfTree } from "../process-figures.ts";
import { makeServerDirectory } from "../programs.ts";
import type { ToolRun } from "../tool-run.ts";
import type { Programs } from "./programs.ts";
import { MysqlServer } from "./server.ts";

/** MySQL's own remote copy: a second server, which runs already, clones the first one into a directory beside it. */
export class CloneTool implements AsyncDisposable {
  readonly #donor: MysqlServer;
  readonly #recipient: MysqlServer;

  private constructor(donor: MysqlServer, recipient: MysqlServer) {
    this.#donor = donor;
    this.#recipient = recipient;
  }

  static async create(options: {
    readonly donor: MysqlServer;
    /** For the second server. Does not exist yet. */
    readonly directory: string;
    readonly programs: Programs;
    readonly signal: AbortSignal;
  }): Promise<CloneTool> {
    const { donor, directory, programs, signal } = options;
    const settings = { clone_valid_donor_list: `127.0.0.1:${donor.port}` };
    return new CloneTool(donor, await MysqlServer.create({ dataDirectory: directory, programs, signal }, settings));
  }

  /** Clones and removes what was cloned. */
  async run(): Promise<ToolRun> {
    const directory = join(`${this.#recipient.dataDirectory}.clones`, "clone");
    const run = await this.cloneTo(directory);
    await rm(directory, { recursive: true, maxRetries: 3 });
    return run;
  }

  /** @param directory does not exist yet; a server can be started on it afterwards */
  async cloneTo(directory: string): Promise<ToolRun> {
    await makeServerDirectory(dirname(directory));
    const [recipient, donor] = [cpuSecondsOfTree(this.#recipient.pid), cpuSecondsOfTree(this.#donor.pid)];
    const startedAt = performance.now();
    await this.#recipient.sql(
      `clone instance from root@'127.0.0.1':${this.#donor.port} identified by '' data directory = '${directory}' require no ssl`,
    );
    return {
      seconds: (performance.now() - startedAt) / 1000,
      toolCpuSeconds: cpuSecondsOfTree(this.#recipient.pid) - recipient,
      serverCpuSeconds: cpuSecondsOfTree(this.#donor.pid) - donor,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#recipient[Symbol.asyncDispose]();
  }
}
