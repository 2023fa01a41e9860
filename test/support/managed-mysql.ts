/** Managed MySQL servers for tests, run by the code that btar itself uses. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import mysql from "mysql2/promise";
import { MysqlManagedServers, type MysqlServerOptions } from "../../src/engine/mysql/server/managed-server.ts";
import { resolveRunAs } from "../../src/engine/run-as.ts";
import type { ServerSpec } from "../../src/engine/server.ts";
import { createAuthority, issueCertificate, type KeyAndCertificate } from "../../src/platform/certificates.ts";
import { createLogger } from "../../src/platform/logger.ts";
import { mysqlBasedir } from "./mysql-server.ts";
import { freePort } from "./free-ports.ts";

const authority = createAuthority("test CA");

/** Never fires. */
export const noSignal = new AbortController().signal;

/** What a driver of MySQL servers is made with in tests. */
export async function mysqlServerOptions(): Promise<MysqlServerOptions> {
  return {
    configuredBasedirs: [],
    projectBasedir: await mysqlBasedir(),
    searchPath: [],
    runAs: await resolveRunAs(undefined),
    logger: createLogger({ level: "error" }),
  };
}

/** A driver with a directory of its own; disposing of it stops the servers that `directoryOf` named. */
export class ManagedMysqlServers implements AsyncDisposable {
  readonly driver: MysqlManagedServers;
  readonly root: string;
  readonly #directories = new Set<string>();

  private constructor(driver: MysqlManagedServers, root: string) {
    this.driver = driver;
    this.root = root;
  }

  static async create(): Promise<ManagedMysqlServers> {
    const root = await mkdtemp(path.join(tmpdir(), "btar-test-servers-"));
    await chmod(root, 0o755);
    return new ManagedMysqlServers(new MysqlManagedServers(await mysqlServerOptions()), root);
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

export function newCertificate(serviceName: string): KeyAndCertificate {
  return issueCertificate(authority, { commonName: serviceName, hosts: ["127.0.0.1"], days: 2 });
}

/** A spec on a free port, whose passwords are made of the service's name. */
export async function mysqlSpecOf(
  serviceName: string,
  userConfig: Readonly<Record<string, unknown>> = {},
): Promise<ServerSpec> {
  return {
    serviceName,
    majorVersion: "9.7",
    listenHost: "127.0.0.1",
    port: await freePort(),
    memoryMb: 256,
    accounts: {
      admin: { name: "avnadmin", password: `admin of ${serviceName}` },
      internal: { name: "btar_internal", password: `internal's \\ of ${serviceName}` },
    },
    userConfig,
    tls: newCertificate(serviceName),
  };
}

export interface MysqlLogIn {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database?: string;
  /** Whether to use TLS, checking the server's certificate. Default: true. */
  readonly tls?: boolean;
  /** Address of this host to connect from. */
  readonly from?: string;
}

/** Runs statements in a session of their own. @returns rows of the last one, as arrays of values */
export async function mysqlQuery(logIn: MysqlLogIn, ...statements: readonly string[]): Promise<unknown[][]> {
  const connection = await mysqlConnect(logIn);
  try {
    let rows: unknown[][] = [];
    for (const sql of statements) {
      const [result] = await connection.query<mysql.RowDataPacket[][]>({ sql, rowsAsArray: true });
      rows = Array.isArray(result) ? result : [];
    }
    return rows;
  } finally {
    connection.destroy();
  }
}

export async function mysqlConnect(logIn: MysqlLogIn): Promise<mysql.Connection> {
  const { port, user, password, database, tls = true, from } = logIn;
  const connection = await mysql.createConnection({
    host: "127.0.0.1",
    port,
    user,
    password,
    ...(database !== undefined && { database }),
    ...(tls && { ssl: { ca: authority.certificate } }),
    ...(from !== undefined && { stream: socketFrom(port, from) }),
  });
  connection.on("error", () => undefined); // a server that stops ends its sessions
  return connection;
}

function socketFrom(port: number, localAddress: string): net.Socket {
  return net.connect({ port, host: "127.0.0.1", localAddress });
}

/** @returns the number that a server refuses a session with; undefined when it does not */
export async function mysqlRefusal(logIn: MysqlLogIn): Promise<number | undefined> {
  return await errnoOf(async () => await mysqlQuery(logIn, "DO 1"));
}

/** @returns MySQL's number of the error that `act` fails with; undefined when it succeeds */
export async function errnoOf(act: () => Promise<unknown>): Promise<number | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (error instanceof Error && "errno" in error && typeof error.errno === "number") return error.errno;
    throw error;
  }
}

/** The administrator of a server, as customers connect: over TLS. */
export function mysqlAdminOf(spec: ServerSpec): MysqlLogIn {
  const { name: user, password } = spec.accounts.admin;
  return { port: spec.port, user, password };
}
