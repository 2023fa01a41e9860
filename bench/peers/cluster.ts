import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { freePort } from "../../test/support/free-ports.ts";
import { makeServerDirectory, runProgram, serverUser } from "../programs.ts";
import type { Programs } from "./programs.ts";

/** Given on the command line, so that they are not part of what is backed up. */
const commonSettings = {
  listen_addresses: "127.0.0.1",
  shared_buffers: "512MB",
  max_connections: 50,
};

const sourceSettings = {
  wal_level: "replica",
  summarize_wal: "on",
  max_wal_senders: 10,
  max_replication_slots: 10,
  // What is measured is backups: no checkpoint and no vacuum comes between them by itself.
  max_wal_size: "6GB",
  checkpoint_timeout: "1h",
  autovacuum: "off",
  archive_mode: "on",
};

const startDeadlineMs = 120_000;

/** A PostgreSQL 18 server of the benchmark's own. */
export class Cluster implements AsyncDisposable {
  readonly dataDirectory: string;
  readonly port: number;
  readonly #programs: Programs;
  readonly #signal: AbortSignal;
  readonly #process: ChildProcess;
  readonly #log: string[];

  private constructor(parts: {
    readonly dataDirectory: string;
    readonly port: number;
    readonly programs: Programs;
    readonly signal: AbortSignal;
    readonly process: ChildProcess;
  }) {
    this.dataDirectory = parts.dataDirectory;
    this.port = parts.port;
    this.#programs = parts.programs;
    this.#signal = parts.signal;
    this.#process = parts.process;
    this.#log = [];
    parts.process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#log.push(text);
      if (this.#log.length > 50) this.#log.shift();
    });
  }

  /** A new one, with data checksums, a role `btar`, and no password for whoever is on this machine. */
  static async create(dataDirectory: string, programs: Programs, signal: AbortSignal): Promise<Cluster> {
    await makeServerDirectory(dataDirectory);
    const choices = ["--username=postgres", "--auth=trust", "--locale=C", "--encoding=UTF8", "--data-checksums"];
    await runProgram(join(programs.postgres, "initdb"), ["-D", dataDirectory, "--no-sync", ...choices], { signal });
    const cluster = await Cluster.#start({ dataDirectory, programs, signal, settings: sourceSettings });
    await cluster.sql("create role btar login replication");
    await cluster.archiveBy("/bin/true");
    return cluster;
  }

  /** On restored files, to their end of recovery. Recovery and archiving by anything that is not in the files is off. */
  static async startRestored(dataDirectory: string, programs: Programs, signal: AbortSignal): Promise<Cluster> {
    return await Cluster.#start({ dataDirectory, programs, signal, settings: { archive_mode: "off" } });
  }

  static async #start(request: {
    readonly dataDirectory: string;
    readonly programs: Programs;
    readonly signal: AbortSignal;
    readonly settings: Readonly<Record<string, string | number>>;
  }): Promise<Cluster> {
    const { dataDirectory, programs, signal } = request;
    const port = await freePort();
    const unix_socket_directories = await makeServerDirectory(`${dataDirectory}.socket`);
    // A restored directory may have rules that ask for passwords.
    const hba_file = `${dataDirectory}.pg_hba.conf`;
    await writeFile(hba_file, "local all all trust\nhost all,replication all 127.0.0.1/32 trust\n");
    const args = Object.entries({
      ...commonSettings,
      ...request.settings,
      port,
      hba_file,
      unix_socket_directories,
    }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(join(programs.postgres, "postgres"), ["-D", dataDirectory, ...args], {
      ...serverUser,
      cwd: "/",
      env: { LC_ALL: "C", TZ: "UTC", PATH: "/usr/bin:/bin" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const end = () => child.kill("SIGQUIT");
    signal.addEventListener("abort", end);
    child.once("exit", () => signal.removeEventListener("abort", end));
    const cluster = new Cluster({ dataDirectory, port, programs, signal, process: child });
    try {
      await cluster.#waitUntilWritable();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  get socketDirectory(): string {
    return `${this.dataDirectory}.socket`;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** How btar reaches it. */
  get uri(): string {
    return `postgres://btar@127.0.0.1:${this.port}/postgres?sslmode=disable`;
  }

  /** @returns the rows of the last statement */
  async sql(text: string): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client({ host: "127.0.0.1", port: this.port, user: "postgres", database: "postgres" });
    try {
      await client.connect();
      const result: pg.QueryResult | pg.QueryResult[] = await client.query(text);
      return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
    } finally {
      await client.end();
    }
  }

  async text(query: string): Promise<string> {
    return String(Object.values((await this.sql(query))[0] ?? {})[0]);
  }

  /** Size of all files that a base backup holds, nearly. */
  async dataBytes(): Promise<number> {
    return Number(await this.text("select sum(pg_database_size(oid)) from pg_database"));
  }

  /** Runs a program of PostgreSQL against it. */
  async run(
    program: "pgbench" | "pg_basebackup",
    args: readonly string[],
    options: { readonly isOutputDropped?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<string> {
    const connection = ["-h", "127.0.0.1", "-p", String(this.port), "-U", "postgres"];
    const database = program === "pgbench" ? ["postgres"] : [];
    const all = [...connection, ...args, ...database];
    return await runProgram(join(this.#programs.postgres, program), all, { signal: this.#signal, ...options });
  }

  /** Fills the database without waiting for the disk, and has it written. */
  async load(fill: () => Promise<unknown>): Promise<void> {
    await this.withSetting("fsync = off", fill);
    await this.sql("checkpoint");
  }

  /** @param setting such as `fsync = off` */
  async withSetting(setting: string, work: () => Promise<unknown>): Promise<void> {
    await this.#alter(`set ${setting}`);
    await work();
    await this.#alter(`reset ${setting.split(" ")[0]}`);
  }

  /** @param command gets each finished segment of WAL */
  async archiveBy(command: string): Promise<void> {
    await this.#alter(`set archive_command = '${command}'`);
  }

  /** Whether every finished segment of WAL has been archived. */
  async hasArchivedAll(): Promise<boolean> {
    const names = await readdir(join(this.dataDirectory, "pg_wal", "archive_status"));
    return !names.some((name) => name.endsWith(".ready"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGQUIT"); // what it holds is thrown away
    await ended;
  }

  async #alter(change: string): Promise<void> {
    await this.sql(`alter system ${change}`);
    await this.sql("select pg_reload_conf()");
  }

  async #waitUntilWritable(): Promise<void> {
    let lastAnswer = "";
    for (const deadline = Date.now() + startDeadlineMs; Date.now() < deadline; ) {
      this.#signal.throwIfAborted();
      if (this.#process.exitCode !== null) break;
      lastAnswer = await this.text("select not pg_is_in_recovery()").catch((error: unknown) => String(error));
      if (lastAnswer === "true") return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`PostgreSQL did not start on ${this.dataDirectory} (${lastAnswer}):\n${this.#log.join("")}`);
  }
}
