/**
 * Real PostgreSQL servers for tests, from the npm packages. Programs and freshly initialised data directories are
 * kept in a cache folder of this user, so that a server starts in well under a second.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { appendFile, chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import type { ServerAddress } from "../../src/engine/engine.ts";
import { cached, exists } from "./cached.ts";
import { freePort } from "./free-ports.ts";

const run = promisify(execFile);
const projectDirectory = fileURLToPath(new URL("../..", import.meta.url));

/** Servers refuse to run as root: then their processes and files belong to `nobody`. */
export const serverUser = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

export const postgresVersions = ["14", "15", "16", "17", "18"] as const;
export type PostgresVersion = (typeof postgresVersions)[number];

export interface PostgresOptions {
  readonly majorVersion: PostgresVersion;
  /** Given on the command line, so they are not part of backups. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Different arguments give a different cluster; equal ones a copy of the same (same system identifier). */
  readonly initdbArgs?: readonly string[];
  /** Lines of pg_hba.conf instead of "trust everybody on this host". */
  readonly hba?: readonly string[];
  /** PEM; turns TLS on. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string };
  /** An existing data directory (restored, or of a stopped server) instead of a new one; it is taken over. */
  readonly dataDirectory?: string;
}

export interface TestPostgres extends AsyncDisposable {
  /** Superuser `postgres`, without a password. */
  readonly address: ServerAddress;
  readonly majorVersion: PostgresVersion;
  readonly dataDirectory: string;
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  start(): Promise<void>;
  /** Fast shutdown; the data directory stays. */
  stop(): Promise<void>;
  restart(): Promise<void>;
  /** SIGKILL to the postmaster; its children notice and end. */
  crash(): Promise<void>;
  /** All that the server has logged. */
  log(): string;
}

/** Starts a server on a free port; disposing of it stops it and removes its directory. */
export async function startPostgres(options: PostgresOptions): Promise<TestPostgres> {
  const programs = await programsOf(options.majorVersion);
  const directory = await mkdtemp(path.join(tmpdir(), "btar-test-postgres-"));
  await chmod(directory, 0o755);
  const dataDirectory = path.join(directory, "data");
  if (options.dataDirectory === undefined) {
    const template = await clusterTemplate(programs, options.initdbArgs ?? []);
    await run("cp", ["-a", template, dataDirectory]);
  } else {
    await rename(options.dataDirectory, dataDirectory);
    await ownByServerUser(dataDirectory);
  }
  if (options.hba) await writeFile(path.join(dataDirectory, "pg_hba.conf"), `${options.hba.join("\n")}\n`);
  if (options.tls) await writeTlsFiles(directory, options.tls);
  const server = new ServerProcess(programs, { ...options, directory, dataDirectory, port: await freePort() });
  try {
    await server.start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

/** Gives a directory to the user that servers run as. */
export async function ownByServerUser(directory: string): Promise<void> {
  if (serverUser.uid !== undefined) await run("chown", ["-R", `${serverUser.uid}:${serverUser.gid}`, directory]);
  await chmod(directory, 0o700);
}

interface ServerPlace extends PostgresOptions {
  readonly directory: string;
  readonly dataDirectory: string;
  readonly port: number;
}

class ServerProcess implements TestPostgres {
  readonly address: ServerAddress;
  readonly majorVersion: PostgresVersion;
  readonly dataDirectory: string;
  readonly #programs: string;
  readonly #place: ServerPlace;
  #process: ChildProcess | undefined;
  #log = "";

  constructor(programs: string, place: ServerPlace) {
    this.#programs = programs;
    this.#place = place;
    this.majorVersion = place.majorVersion;
    this.dataDirectory = place.dataDirectory;
    this.address = {
      host: "127.0.0.1",
      port: place.port,
      user: "postgres",
      database: "postgres",
      tls: { mode: "disable" },
    };
  }

  async start(): Promise<void> {
    const deadline = Date.now() + 90_000;
    // After a crash the children of the old server keep its shared memory for a moment.
    while (!(await this.#tryStart())) {
      const isLeftover = this.#log.includes("pre-existing shared memory block");
      if (!isLeftover || Date.now() > deadline) throw new Error(`PostgreSQL did not start:\n${this.#log}`);
      this.#log = "";
    }
  }

  async #tryStart(): Promise<boolean> {
    const settings = { ...testSettings(this.#place), ...this.#place.settings };
    const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(path.join(this.#programs, "bin/postgres"), ["-D", this.dataDirectory, ...args], {
      ...serverUser,
      cwd: this.#place.directory,
      env: { LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    const logStart = this.#log.length;
    return await new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`PostgreSQL is not ready:\n${this.#log}`)), 90_000);
      const settle = (isReady: boolean) => {
        clearTimeout(deadline);
        resolve(isReady);
      };
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        this.#log += text;
        if (/ready to accept .*connections/.test(this.#log.slice(logStart))) settle(true);
      });
      child.once("error", reject);
      child.once("close", () => settle(false));
    });
  }

  async stop(): Promise<void> {
    await this.#end("SIGINT");
  }

  async crash(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, "exit");
    child.kill(signal);
    await closed;
  }

  async sql(text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    const { host, port, user, database } = this.address;
    const client = new pg.Client({ host, port, user, database, ssl: false });
    await client.connect();
    try {
      const result = values.length > 0 ? await client.query(text, [...values]) : await client.query(text);
      const last = Array.isArray(result) ? result.at(-1) : result;
      return last.rows;
    } finally {
      await client.end();
    }
  }

  log(): string {
    return this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGQUIT");
    // Children of a crashed server may still be writing.
    await rm(this.#place.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

function testSettings(place: ServerPlace): Record<string, string | number> {
  return {
    listen_addresses: "127.0.0.1",
    port: place.port,
    unix_socket_directories: "",
    shared_buffers: "32MB",
    fsync: "off",
    autovacuum: "off",
    ...(place.tls && {
      ssl: "on",
      ssl_cert_file: path.join(place.directory, "server.crt"),
      ssl_key_file: path.join(place.directory, "server.key"),
    }),
  };
}

async function writeTlsFiles(directory: string, tls: NonNullable<PostgresOptions["tls"]>): Promise<void> {
  const key = path.join(directory, "server.key");
  await writeFile(path.join(directory, "server.crt"), tls.certificate);
  await writeFile(key, tls.privateKey, { mode: 0o600 });
  if (serverUser.uid !== undefined) await run("chown", [`${serverUser.uid}:${serverUser.gid}`, key]);
}

/** The npm package's programs, with the links of shared libraries that npm packages cannot hold. */
async function programsOf(majorVersion: PostgresVersion): Promise<string> {
  const packageName = `postgres-${majorVersion}-${process.platform}-${process.arch}`;
  const source = path.join(projectDirectory, "node_modules", packageName);
  const { version } = JSON.parse(await readFile(path.join(source, "package.json"), "utf8"));
  return await cached(`programs-${version}`, async (directory) => {
    await run("cp", ["-a", path.join(source, "native"), directory]);
    const links: { source: string; target: string }[] = JSON.parse(
      await readFile(path.join(source, "native/pg-symlinks.json"), "utf8"),
    );
    for (const link of links) {
      const place = path.join(directory, path.relative("native", link.target));
      if (!(await exists(place))) await symlink(path.basename(link.source), place);
    }
  });
}

async function clusterTemplate(programs: string, initdbArgs: readonly string[]): Promise<string> {
  const key = createHash("sha256").update(initdbArgs.join("\0")).digest("hex").slice(0, 8);
  return await cached(`cluster-${path.basename(programs)}-${key}`, async (directory) => {
    await mkdir(directory, { mode: 0o700 });
    await ownByServerUser(directory);
    const fixed = ["-U", "postgres", "--auth=trust", "--locale=C", "--encoding=UTF8", "--no-sync"];
    await run(path.join(programs, "bin/initdb"), ["-D", directory, ...fixed, ...initdbArgs], {
      ...serverUser,
      cwd: "/",
      env: { LC_ALL: "C", TZ: "UTC" },
    });
    await appendFile(path.join(directory, "postgresql.conf"), "lc_messages = 'C'\n");
  });
}
