/** Managed PostgreSQL servers for tests, run by the driver that btar itself uses. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import pg from "pg";
import { resolveRunAs } from "../../src/engine/run-as.ts";
import { PostgresServerDriver } from "../../src/engine/postgres/server/server-driver.ts";
import type { ServerSpec } from "../../src/engine/server.ts";
import { createAuthority, issueCertificate } from "../../src/platform/certificates.ts";
import { createLogger } from "../../src/platform/logger.ts";
import { freePort } from "./free-ports.ts";

const authority = createAuthority("test CA");

/** Never fires. */
export const noSignal = new AbortController().signal;

/** Programs are installed once per test file. */
export const programs = await mkdtemp(path.join(tmpdir(), "btar-test-programs-"));
await chmod(programs, 0o755); // servers run as another user when this runs as root
after(() => rm(programs, { recursive: true, force: true }));

/** A driver with a directory of its own; disposing of it stops the servers that `directoryOf` named. */
export class ManagedServers implements AsyncDisposable {
  readonly driver: PostgresServerDriver;
  readonly root: string;
  readonly #directories = new Set<string>();

  private constructor(driver: PostgresServerDriver, root: string) {
    this.driver = driver;
    this.root = root;
  }

  static async create(): Promise<ManagedServers> {
    const root = await mkdtemp(path.join(tmpdir(), "btar-test-servers-"));
    await chmod(root, 0o755);
    const driver = new PostgresServerDriver({
      serversDirectory: programs,
      configuredBasedirs: {},
      runAs: await resolveRunAs(undefined),
      logger: createLogger({ level: "error" }),
    });
    return new ManagedServers(driver, root);
  }

  directoryOf(name: string): string {
    const directory = path.join(this.root, name);
    this.#directories.add(directory);
    return directory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#directories].map((directory) => this.driver.stop(directory)));
    await rm(this.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

/** A spec on a free port, whose passwords are made of the service's name. */
export async function specOf(
  serviceName: string,
  majorVersion: string,
  userConfig: Readonly<Record<string, unknown>> = {},
): Promise<ServerSpec> {
  return {
    serviceName,
    majorVersion,
    listenHost: "127.0.0.1",
    port: await freePort(),
    memoryMb: 256,
    accounts: {
      admin: { name: "avnadmin", password: `admin of ${serviceName}` },
      internal: { name: "btar_internal", password: `internal of ${serviceName}` },
    },
    userConfig,
    tls: issueCertificate(authority, { commonName: serviceName, hosts: ["127.0.0.1"], days: 2 }),
  };
}

export interface LogIn {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database?: string;
  /** Whether to use TLS, checking the server's certificate. */
  readonly tls?: boolean;
  /** Address of this host to connect from. */
  readonly from?: string;
  /** For physical replication instead of SQL. */
  readonly isReplication?: boolean;
}

/** Runs statements in a session of their own. @returns rows of the last one, as arrays of values */
export async function query(logIn: LogIn, ...statements: readonly string[]): Promise<unknown[][]> {
  const client = await connect(logIn);
  try {
    let rows: unknown[][] = [];
    for (const text of statements) rows = (await client.query<unknown[]>({ text, rowMode: "array" })).rows;
    return rows;
  } finally {
    await client.end();
  }
}

export async function connect(logIn: LogIn): Promise<pg.Client & AsyncDisposable> {
  const { port, user, password, database = "postgres", from, isReplication = false } = logIn;
  const config: pg.ClientConfig & { readonly replication?: string } = {
    host: "127.0.0.1",
    port,
    user,
    password,
    database,
    ssl: logIn.tls ? { ca: authority.certificate } : false,
    ...(isReplication && { replication: "true" }),
    ...(from !== undefined && { stream: () => socketFrom(from) }),
  };
  const client = new pg.Client(config);
  client.on("error", () => undefined); // a server that stops ends its sessions
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** @returns the SQLSTATE that a server refuses a login with; undefined when it does not */
export async function refusal(logIn: LogIn): Promise<string | undefined> {
  try {
    await query(logIn, logIn.isReplication ? "IDENTIFY_SYSTEM" : "select 1");
    return undefined;
  } catch (error) {
    const state = sqlState(error);
    if (state === undefined) throw error;
    return state;
  }
}

/** pg gives its stream a port and a host, and nothing else. */
function socketFrom(localAddress: string): net.Socket {
  const socket = new net.Socket();
  const connectPlainly = socket.connect.bind(socket);
  const connect = (port: number, host: string) => connectPlainly({ port, host, localAddress });
  return Object.assign(socket, { connect });
}

/** The internal account of a server. */
export function internalOf(spec: ServerSpec, database = "postgres"): LogIn {
  const { name: user, password } = spec.accounts.internal;
  return { port: spec.port, user, password, database };
}

/** The administrator of a server, as customers connect: over TLS. */
export function adminOf(spec: ServerSpec, database = "defaultdb"): LogIn {
  const { name: user, password } = spec.accounts.admin;
  return { port: spec.port, user, password, database, tls: true };
}

/** SQLSTATE of an error that pg threw. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}
