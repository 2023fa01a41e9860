import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { makeServerDirectory, runProgram } from "../programs.ts";
import { timedPrograms, type ToolRun } from "../tool-run.ts";
import type { Programs } from "./programs.ts";
import type { MysqlServer } from "./server.ts";
import { database } from "./sysbench-data.ts";

/** `mysqldump --single-transaction | zstd`, and back. */
export class DumpTool {
  readonly #source: MysqlServer;
  readonly #file: string;
  readonly #programs: Programs;
  readonly #signal: AbortSignal;

  private constructor(parts: {
    readonly source: MysqlServer;
    readonly file: string;
    readonly programs: Programs;
    readonly signal: AbortSignal;
  }) {
    this.#source = parts.source;
    this.#file = parts.file;
    this.#programs = parts.programs;
    this.#signal = parts.signal;
  }

  static async create(options: {
    readonly source: MysqlServer;
    /** For the dump. */
    readonly directory: string;
    readonly programs: Programs;
    readonly signal: AbortSignal;
  }): Promise<DumpTool> {
    const directory = await makeServerDirectory(options.directory);
    return new DumpTool({ ...options, file: join(directory, "dump.sql.zst") });
  }

  /** The dump takes the place of the last one. */
  async run(): Promise<ToolRun & { readonly storedBytes: number }> {
    await rm(this.#file, { force: true });
    const dump = [
      this.#program("mysqldump"),
      ...this.#source.clientArguments,
      "--single-transaction",
      "--set-gtid-purged=OFF",
      "--no-tablespaces",
      `--databases ${database}`,
    ];
    const run = await timedPrograms(this.#source.pid, () =>
      this.#shell(`${dump.join(" ")} | ${this.#programs.zstd.join(" ")} -q -o ${this.#file}`),
    );
    return { ...run, storedBytes: (await stat(this.#file)).size };
  }

  /** @param target an empty server, whose binary log is spared what comes */
  async reload(target: MysqlServer): Promise<ToolRun> {
    const session = "--init-command='set sql_log_bin = 0'";
    const client = [this.#program("mysql"), ...target.clientArguments, session];
    return await timedPrograms(target.pid, () =>
      this.#shell(`${this.#programs.zstd.join(" ")} -dc ${this.#file} | ${client.join(" ")}`),
    );
  }

  #program(name: string): string {
    return join(this.#programs.basedir, "bin", name);
  }

  async #shell(line: string): Promise<void> {
    await runProgram("/bin/bash", ["-c", `set -o pipefail; ${line}`], { signal: this.#signal });
  }
}
