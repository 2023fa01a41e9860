import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import mysql from "mysql2/promise";
import { freePort } from "../../test/support/free-ports.ts";
import type { AttachedServer } from "../attached-service.ts";
import { makeServerDirectory, runProgram, serverUser } from "../programs.ts";
import type { Programs } from "./programs.ts";

type Settings = Readonly<Record<string, string | number>>;

/** Of every server, whoever made its files: what is compared runs on the same. */
const commonSettings: Settings = {
  bind_address: "127.0.0.1",
  secure_file_priv: "NULL",
  mysqlx: "OFF",
  skip_name_resolve: "ON",
  plugin_load_add: "mysql_clone.so",
  gtid_mode: "ON",
  enforce_gtid_consistency: "ON",
  log_bin: "binlog",
  innodb_buffer_pool_size: "512M",
  innodb_redo_log_capacity: "1G",
  // Dirty pages are written as soon as there is time, so that a server comes to rest.
  innodb_max_dirty_pages_pct: 0,
  max_connections: 60,
};

const startDeadlineMs = 120_000;

interface ServerPlace {
  readonly dataDirectory: string;
  readonly programs: Programs;
  readonly signal: AbortSignal;
}

/** A MySQL server of the benchmark's own. `root` needs no password, from this machine. */
export class MysqlServer implements AttachedServer, AsyncDisposable {
  readonly dataDirectory: string;
  readonly port: number;
  readonly #signal: AbortSignal;
  readonly #process: ChildProcess;
  readonly #log: string[] = [];
  #isReady = false;

  private constructor(parts: {
    readonly dataDirectory: string;
    readonly port: number;
    readonly signal: AbortSignal;
    readonly process: ChildProcess;
  }) {
    this.dataDirectory = parts.dataDirectory;
    this.port = parts.port;
    this.#signal = parts.signal;
    this.#process = parts.process;
    parts.process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#log.push(text);
      this.#isReady ||= this.#log.join("").includes("ready for connections. Version");
      if (this.#log.length > 50) this.#log.shift();
    });
  }

  /** A new one. */
  static async create(place: ServerPlace, settings: Settings = {}): Promise<MysqlServer> {
    const { dataDirectory, programs, signal } = place;
    await makeServerDirectory(dataDirectory);
    const accounts = `${dataDirectory}.accounts.sql`;
    await writeFile(accounts, "RENAME USER root@localhost TO root@'127.0.0.1';\n", { mode: 0o644 });
    const mysqld = join(programs.basedir, "bin/mysqld");
    const args = [...placeArguments(place), "--initialize-insecure", `--init-file=${accounts}`];
    await runProgram(mysqld, args, { signal });
    return await MysqlServer.start(place, settings);
  }

  /** On files that are there. */
  static async start(place: ServerPlace, settings: Settings = {}): Promise<MysqlServer> {
    const { dataDirectory, programs, signal } = place;
    const port = await freePort();
    const runtime = await makeServerDirectory(`${dataDirectory}.run`);
    const all = {
      ...commonSettings,
      port,
      socket: join(runtime, "mysql.sock"),
      pid_file: join(runtime, "mysqld.pid"),
      tmpdir: runtime,
      server_id: port,
      ...settings,
    };
    const args = Object.entries(all).map(([name, value]) => `--${name}=${value}`);
    const child = spawn(join(programs.basedir, "bin/mysqld"), [...placeArguments(place), ...args], {
      ...serverUser,
      cwd: "/",
      env: { LC_ALL: "C", TZ: "UTC", PATH: "/usr/bin:/bin" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const end = () => child.kill("SIGKILL");
    signal.addEventListener("abort", end);
    child.once("exit", () => signal.removeEventListener("abort", end));
    const server = new MysqlServer({ dataDirectory, port, signal, process: child });
    try {
      await server.#waitUntilReady();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get uri(): string {
    return `mysql://root@127.0.0.1:${this.port}/?ssl-mode=DISABLED`;
  }

  /** It keeps its binary logs for as long as it is told to, whoever reads them. */
  async released(): Promise<void> {}

  /** For programs of MySQL. */
  get clientArguments(): readonly string[] {
    return ["--no-defaults", "--host=127.0.0.1", `--port=${this.port}`, "--user=root", "--ssl-mode=DISABLED"];
  }

  /** A connection for many statements; several may be in one. */
  async connect(): Promise<mysql.Connection> {
    return await mysql.createConnection({
      host: "127.0.0.1",
      port: this.port,
      user: "root",
      multipleStatements: true,
      supportBigNumbers: true,
    });
  }

  /** @returns the rows of a statement, none of several */
  async sql(text: string): Promise<readonly Record<string, unknown>[]> {
    const connection = await this.connect();
    try {
      const [rows, fields] = await connection.query<mysql.RowDataPacket[]>(text);
      return Array.isArray(rows) && !Array.isArray(fields?.[0]) ? rows : [];
    } finally {
      await connection.end();
    }
  }

  /** The first column of the first row. */
  async text(query: string): Promise<string> {
    return String(Object.values((await this.sql(query))[0] ?? {})[0]);
  }

  /** Clean shutdown; its files stay. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Ends it, and removes its files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    for (const path of [this.dataDirectory, `${this.dataDirectory}.run`]) {
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  async #end(how: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(how);
    await ended;
  }

  async #waitUntilReady(): Promise<void> {
    for (const deadline = Date.now() + startDeadlineMs; Date.now() < deadline; ) {
      this.#signal.throwIfAborted();
      if (this.#process.exitCode !== null) break;
      if (this.#isReady) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`MySQL did not start on ${this.dataDirectory}:\n${this.#log.join("")}`);
  }
}

function placeArguments({ dataDirectory, programs: { basedir } }: ServerPlace): readonly string[] {
  return [
    "--no-defaults",
    `--basedir=${basedir}`,
    `--plugin-dir=${basedir}/lib/plugin`,
    `--lc-messages-dir=${basedir}/share`,
    `--character-sets-dir=${basedir}/share/charsets`,
    `--datadir=${dataDirectory}`,
  ];
}
