import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BackupRun } from "../attached-service.ts";
import { makeServerDirectory, runProgram } from "../programs.ts";
import { timedPrograms, type ToolRun } from "../tool-run.ts";
import type { BackupTool } from "./backup-tool.ts";
import type { Cluster } from "./cluster.ts";
import type { Programs } from "./programs.ts";

const stanza = "bench";

/** pgBackRest with one repository: encrypted, small files bundled, block incremental, two processes. */
export class PgBackRest implements BackupTool {
  readonly name = "pgBackRest";
  readonly #cluster: Cluster;
  readonly #programs: Programs;
  readonly #directory: string;
  readonly #signal: AbortSignal;

  private constructor(options: Pick<PgBackRestOptions, "cluster" | "programs" | "directory" | "signal">) {
    this.#cluster = options.cluster;
    this.#programs = options.programs;
    this.#directory = options.directory;
    this.#signal = options.signal;
  }

  /** Makes its repository, and lets the cluster archive its WAL there. */
  static async create(options: PgBackRestOptions): Promise<PgBackRest> {
    const { cluster, directory, level, programs } = options;
    for (const part of ["", "repository", "log", "lock", "spool"]) await makeServerDirectory(join(directory, part));
    await writeFile(join(directory, "pgbackrest.conf"), configuration({ cluster, directory, level }));
    const tool = new PgBackRest(options);
    await tool.#run(["stanza-create"]);
    const archive = `${programs.pgbackrest} --config=${directory}/pgbackrest.conf --stanza=${stanza} archive-push %p`;
    await cluster.archiveBy(archive);
    await tool.#run(["check"]);
    return tool;
  }

  /** The cluster archives no more. */
  async end(): Promise<void> {
    await this.#cluster.archiveBy("/bin/true");
  }

  async full(): Promise<BackupRun> {
    return await this.#backup("full");
  }

  async next(): Promise<BackupRun> {
    return await this.#backup("incr");
  }

  async restore(backup: string, directory: string): Promise<ToolRun> {
    await makeServerDirectory(directory);
    // To the end of the backup, as btar is asked to.
    const target = ["--type=immediate", "--target-action=promote"];
    return await this.#timed(["restore", `--set=${backup}`, `--pg1-path=${directory}`, ...target]);
  }

  async #backup(type: "full" | "incr"): Promise<BackupRun> {
    const run = await this.#timed(["backup", `--type=${type}`]);
    const folder = join(this.#directory, "repository", "backup", stanza);
    const name =
      (await readdir(folder))
        .filter((entry) => /^\d{8}-\d{6}F/.test(entry))
        .sort()
        .at(-1) ?? "";
    return { ...run, name, storedBytes: await bytesBelow(join(folder, name)) };
  }

  async #timed(args: readonly string[]): Promise<ToolRun> {
    return await timedPrograms(this.#cluster.pid, () => this.#run(args));
  }

  async #run([command = "", ...options]: readonly string[]): Promise<string> {
    const fixed = [`--config=${join(this.#directory, "pgbackrest.conf")}`, `--stanza=${stanza}`];
    return await runProgram(this.#programs.pgbackrest, [command, ...fixed, ...options], { signal: this.#signal });
  }
}

export interface PgBackRestOptions {
  readonly cluster: Cluster;
  readonly programs: Programs;
  /** Does not exist yet. */
  readonly directory: string;
  /** zstd level. */
  readonly level: number;
  readonly signal: AbortSignal;
}

function configuration({
  cluster,
  directory,
  level,
}: Pick<PgBackRestOptions, "cluster" | "directory" | "level">): string {
  return [
    "[global]",
    `repo1-path=${directory}/repository`,
    "repo1-cipher-type=aes-256-cbc",
    "repo1-cipher-pass=a-benchmark-keeps-no-secrets",
    "repo1-bundle=y",
    "repo1-block=y",
    "repo1-retention-full=9999", // nothing expires, so that no backup pays for it
    "expire-auto=n",
    "compress-type=zst",
    `compress-level=${level}`,
    "process-max=2",
    "start-fast=y",
    "log-level-console=warn",
    "log-level-file=off",
    `log-path=${directory}/log`,
    `lock-path=${directory}/lock`,
    `spool-path=${directory}/spool`,
    `[${stanza}]`,
    `pg1-path=${cluster.dataDirectory}`,
    `pg1-port=${cluster.port}`,
    `pg1-socket-path=${cluster.socketDirectory}`,
    "pg1-user=postgres",
    "",
  ].join("\n");
}

async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
