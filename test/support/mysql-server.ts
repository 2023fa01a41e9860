/**
 * Real MySQL servers for tests, from Debian's packages. Programs and a freshly initialised data directory are kept in
 * cache folders, so that a server starts in about a second.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import mysql from "mysql2/promise";
import type { ServerAddress } from "../../src/engine/engine.ts";
import { cached } from "./cached.ts";
import { freePort } from "./free-ports.ts";
import { ownByServerUser, serverUser } from "./postgres-server.ts";

const run = promisify(execFile);
const projectDirectory = fileURLToPath(new URL("../..", import.meta.url));

export interface MysqlOptions {
  /** Server variables, given on the command line; `null` takes a default away. */
  readonly settings?: Readonly<Record<string, string | number | null>>;
  /** Those that are decided when the data directory is made, such as `innodb_page_size`. */
  readonly fileSettings?: Readonly<Record<string, string | number>>;
  /** Library files of plugins to load. Default: `mysql_clone.so`. */
  readonly plugins?: readonly string[];
  /** Password of `root`; without it `root` has none. A directory that is taken over has it already. */
  readonly password?: string;
  /** PEM; without it the server presents a certificate that it made itself, of no host name. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string };
  /** Folder with other programs than those of `mysqlBasedir`. */
  readonly basedir?: string;
  /** An existing data directory (restored, or of a stopped server) instead of a new one; it is taken over. */
  readonly dataDirectory?: string;
}

export interface TestMysql extends AsyncDisposable {
  readonly engine: "mysql";
  /** `root`, who may do everything. */
  readonly address: ServerAddress;
  readonly basedir: string;
  readonly dataDirectory: string;
  /** Path of the server's socket file. */
  readonly socket: string;
  /** Rows of the last statement of `text`; dates come as text, and so do numbers beyond 2^53. */
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  start(): Promise<void>;
  /** Clean shutdown; the data directory stays. */
  stop(): Promise<void>;
  restart(): Promise<void>;
  /** SIGKILL. */
  crash(): Promise<void>;
  /** All that the server has logged. */
  log(): string;
}

/** Folder with the programs of MySQL 9.7, laid out like one of MySQL's own archives; made when it is missing. */
export async function mysqlBasedir(): Promise<string> {
  const { stdout } = await run(path.join(projectDirectory, "scripts/servers/mysql.sh"));
  return stdout.trim();
}

/** Starts a server on a free port; disposing of it ends it and removes its directory. */
export async function startMysql(options: MysqlOptions = {}): Promise<TestMysql> {
  const basedir = options.basedir ?? (await mysqlBasedir());
  const directory = await mkdtemp(path.join(tmpdir(), "btar-test-mysql-"));
  await chmod(directory, 0o755);
  const dataDirectory = path.join(directory, "data");
  if (options.dataDirectory === undefined)
    await run("cp", ["-a", await dataTemplate(basedir, options.fileSettings), dataDirectory]);
  else {
    await rename(options.dataDirectory, dataDirectory);
    await ownByServerUser(dataDirectory);
  }
  const runtime = path.join(directory, "run"); // socket, pid file, temporary files
  await mkdir(runtime);
  if (options.tls) {
    await writeFile(path.join(runtime, "server.crt"), options.tls.certificate);
    await writeFile(path.join(runtime, "server.key"), options.tls.privateKey);
  }
  await ownByServerUser(runtime);
  const isTakenOver = options.dataDirectory !== undefined;
  const place = { ...options, basedir, directory, dataDirectory, isTakenOver, port: await freePort() };
  const server = new ServerProcess(place);
  try {
    await server.start();
    await server.setPassword();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

interface ServerPlace extends MysqlOptions {
  readonly basedir: string;
  readonly directory: string;
  readonly dataDirectory: string;
  readonly isTakenOver: boolean;
  readonly port: number;
}

class ServerProcess implements TestMysql {
  readonly engine = "mysql";
  readonly address: ServerAddress;
  readonly basedir: string;
  readonly dataDirectory: string;
  readonly socket: string;
  readonly #place: ServerPlace;
  #process: ChildProcess | undefined;
  #log = "";

  constructor(place: ServerPlace) {
    this.#place = place;
    this.basedir = place.basedir;
    this.dataDirectory = place.dataDirectory;
    this.socket = path.join(place.directory, "run/mysql.sock");
    this.address = {
      host: "127.0.0.1",
      port: place.port,
      user: "root",
      password: place.password,
      database: "",
      tls: { mode: "disable" },
    };
  }

  async start(): Promise<void> {
    const child = spawn(path.join(this.basedir, "bin/mysqld"), [...serverArguments(this.#place), ...this.#settings()], {
      ...serverUser,
      cwd: this.#place.directory,
      env: { LC_ALL: "C", TZ: "UTC", PATH: process.env.PATH },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    const logStart = this.#log.length;
    await new Promise<void>((resolve, reject) => {
      const fail = () => reject(new Error(`MySQL did not start:\n${this.#log.slice(logStart)}`));
      const deadline = setTimeout(fail, 120_000);
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        this.#log += text;
        if (/ready for connections\. Version/.test(this.#log.slice(logStart))) {
          clearTimeout(deadline);
          resolve();
        }
      });
      child.once("error", reject);
      child.once("close", () => {
        clearTimeout(deadline);
        fail();
      });
    });
  }

  /** A directory that was taken over has its own. Not written to the binlog, so that a replay of it elsewhere changes no password. */
  async setPassword(): Promise<void> {
    const { password } = this.#place;
    if (password === undefined || this.#place.isTakenOver) return;
    await this.#query("SET sql_log_bin = 0; ALTER USER root@'%' IDENTIFIED BY ?", [password], "");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async crash(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async sql(text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return await this.#query(text, values, this.#place.password ?? "");
  }

  log(): string {
    return this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    await rm(this.#place.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  async #query(text: string, values: readonly unknown[], password: string): Promise<Record<string, unknown>[]> {
    const connection = await mysql.createConnection({
      host: this.address.host,
      port: this.address.port,
      user: this.address.user,
      password,
      multipleStatements: true,
      supportBigNumbers: true,
      dateStrings: true,
    });
    try {
      const [results, fields] = await connection.query<mysql.RowDataPacket[]>(text, [...values]);
      if (!Array.isArray(results)) return []; // a statement without rows
      // Several statements: a list of results, and of the columns of each (none for one without rows).
      const isList = Array.isArray(fields) && fields.some((columns) => columns === undefined || Array.isArray(columns));
      const rows: unknown = isList ? results.at(-1) : results;
      return Array.isArray(rows) ? rows : [];
    } finally {
      await connection.end();
    }
  }

  #settings(): string[] {
    const { fileSettings, settings } = this.#place;
    return optionsOf({ ...testSettings(this.#place, this.socket), ...fileSettings, ...settings });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, "exit");
    child.kill(signal);
    await closed;
  }
}

/** What a server needs to find its files, and what keeps tests quick: nothing waits for a disk. */
function serverArguments(place: Pick<ServerPlace, "basedir" | "dataDirectory" | "plugins">): string[] {
  return [
    "--no-defaults",
    `--basedir=${place.basedir}`,
    `--plugin-dir=${place.basedir}/lib/plugin`,
    `--lc-messages-dir=${place.basedir}/share`,
    `--character-sets-dir=${place.basedir}/share/charsets`,
    `--datadir=${place.dataDirectory}`,
    "--secure-file-priv=",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=OFF",
    "--innodb-buffer-pool-size=64M",
    "--innodb-redo-log-capacity=64M",
    ...(place.plugins ?? ["mysql_clone.so"]).map((library) => `--plugin-load-add=${library}`),
  ];
}

function testSettings(place: ServerPlace, socket: string): Record<string, string | number> {
  const runtime = path.join(place.directory, "run");
  return {
    port: place.port,
    bind_address: "127.0.0.1",
    socket,
    pid_file: path.join(runtime, "mysql.pid"),
    tmpdir: runtime,
    mysqlx: "OFF",
    skip_name_resolve: "ON",
    server_id: 1,
    gtid_mode: "ON",
    enforce_gtid_consistency: "ON",
    log_bin: "binlog",
    sync_binlog: 0,
    innodb_flush_log_at_trx_commit: 2, // a killed server loses nothing
    max_connections: 60,
    table_open_cache: 400,
    ...(place.tls && { ssl_cert: path.join(runtime, "server.crt"), ssl_key: path.join(runtime, "server.key") }),
  };
}

function optionsOf(settings: NonNullable<MysqlOptions["settings"]>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => (value === null ? [] : [`--${name}=${value}`]));
}

/** Without `auto.cnf`, so that each server made of it gets a UUID of its own. */
async function dataTemplate(basedir: string, fileSettings: MysqlOptions["fileSettings"] = {}): Promise<string> {
  const { stdout } = await run(path.join(basedir, "bin/mysqld"), ["--no-defaults", "--version"]);
  const version = /Ver (\S+)/.exec(stdout)?.[1] ?? "unknown";
  const kind = Object.entries(fileSettings).map(([name, value]) => `-${name}-${value}`);
  return await cached(`mysql-${version}-root-from-anywhere${kind.join("")}`, async (directory) => {
    const accounts = `${directory}.sql`;
    await writeFile(accounts, "RENAME USER root@localhost TO root@'%';\n");
    await mkdir(directory, { mode: 0o700 });
    await ownByServerUser(directory);
    const options = { ...serverUser, cwd: "/", env: { LC_ALL: "C", TZ: "UTC", PATH: process.env.PATH } };
    const place = { basedir, dataDirectory: directory, plugins: [] };
    const initialize = ["--initialize-insecure", `--init-file=${accounts}`, ...optionsOf(fileSettings)];
    await run(path.join(basedir, "bin/mysqld"), [...serverArguments(place), ...initialize], options);
    await rm(path.join(directory, "auto.cnf"));
  });
}
