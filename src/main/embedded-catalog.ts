import { randomBytes } from "node:crypto";
import { BtarError, describeError } from "../domain/errors.ts";
import type { ServerDriver, ServerSpec } from "../engine/server.ts";
import { createAuthority, issueCertificate } from "../platform/certificates.ts";
import { readTextIfThere, writeFileDurably } from "../platform/files.ts";
import { freePort, isPortFree } from "../platform/ports.ts";
import { dataFiles } from "./data-directory.ts";
import { pause } from "../platform/pause.ts";

/** Kept in the data directory, so that a running server is found again. */
interface CatalogSecret {
  readonly port: number;
  readonly password: string;
  readonly version: string;
  readonly certificate: string;
  readonly privateKey: string;
}

export interface EmbeddedCatalogOptions {
  readonly dataDirectory: string;
  readonly signal: AbortSignal;
  /** Tells the operator. */
  readonly say: (text: string) => void;
}

const host = "127.0.0.1";
const user = "btar_catalog";
const database = "btar";
const memoryMb = 256;
const certificateDays = 3650;
const watchEveryMs = 3000;

/** btar's own PostgreSQL for the catalog. It is kept running until it is stopped. */
export class EmbeddedCatalog {
  readonly url: string;
  readonly #driver: ServerDriver;
  readonly #directory: string;
  readonly #spec: ServerSpec;
  readonly #say: (text: string) => void;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;

  private constructor(driver: ServerDriver, spec: ServerSpec, options: EmbeddedCatalogOptions) {
    this.url = urlOf({ password: spec.accounts.admin.password, port: spec.port });
    this.#driver = driver;
    this.#directory = dataFiles(options.dataDirectory).catalog;
    this.#spec = spec;
    this.#say = options.say;
    this.#watching = this.#watch();
  }

  /** Starts it, or adopts the one that a killed btar has left running; made at the first start. */
  static async start(driver: ServerDriver, options: EmbeddedCatalogOptions): Promise<EmbeddedCatalog> {
    const files = dataFiles(options.dataDirectory);
    const { state } = await driver.status(files.catalog);
    const secret = await catalogSecret(driver, { file: files.catalogSecret, isRunning: state === "running" });
    const spec = catalogSpec(secret);
    if (state === "absent") await driver.initialize(files.catalog, spec, options);
    else await driver.configure(files.catalog, spec);
    await driver.start(files.catalog, spec, options);
    await driver.createDatabase(driver.internalAddress(files.catalog, spec), { name: database, owner: user });
    return new EmbeddedCatalog(driver, spec, options);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    await this.#driver.stop(this.#directory);
  }

  /** Starts it again if it ends by itself. Looking at its state also bounds its log. */
  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await pause(watchEveryMs, signal);
      if (signal.aborted) return;
      try {
        if ((await this.#driver.status(this.#directory)).state === "running") continue;
        this.#say("the catalog's PostgreSQL has ended; starting it again");
        await this.#driver.start(this.#directory, this.#spec, { signal });
      } catch (error) {
        if (!signal.aborted) this.#say(`the catalog's PostgreSQL cannot be started: ${describeError(error)}`);
      }
    }
  }
}

/** Where the catalog of a data directory answers while it runs; undefined when none was made yet. */
export async function embeddedCatalogUrl(dataDirectory: string): Promise<string | undefined> {
  const secret = await readSecret(dataFiles(dataDirectory).catalogSecret);
  return secret && urlOf(secret);
}

function urlOf({ password, port }: Pick<CatalogSecret, "password" | "port">): string {
  return `postgres://${user}:${password}@${host}:${port}/${database}`;
}

function catalogSpec(secret: CatalogSecret): ServerSpec {
  const account = { name: user, password: secret.password };
  return {
    serviceName: "btar-catalog",
    majorVersion: secret.version,
    listenHost: host,
    port: secret.port,
    memoryMb,
    accounts: { admin: account, internal: account },
    userConfig: { ip_filter: [`${host}/32`], pg: { max_connections: 100 } },
    tls: { certificate: secret.certificate, privateKey: secret.privateKey },
  };
}

/** What was chosen at the first start. Only a port that somebody else has taken meanwhile is chosen anew. */
async function catalogSecret(
  driver: ServerDriver,
  { file, isRunning }: { readonly file: string; readonly isRunning: boolean },
): Promise<CatalogSecret> {
  const known = await readSecret(file);
  if (known && (isRunning || (await isPortFree(known.port, host)))) return known;
  const secret: CatalogSecret = { ...(known ?? (await newSecret(driver))), port: await newPort() };
  await writeFileDurably(file, `${JSON.stringify(secret)}\n`, { mode: 0o600 });
  return secret;
}

async function readSecret(file: string): Promise<CatalogSecret | undefined> {
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as CatalogSecret;
  } catch (cause) {
    throw new BtarError("WRONG_STATE", {
      message: `${file} does not hold what btar writes there`,
      hint: "put it back from your copy of the data directory",
      cause,
    });
  }
}

async function newSecret(driver: ServerDriver): Promise<Omit<CatalogSecret, "port">> {
  const [newest] = await driver.installations();
  if (!newest) {
    throw new BtarError("SERVER_BINARIES_MISSING", {
      message: "this host has no PostgreSQL for the catalog",
      hint: "install btar's packages with `npm ci`, set engines.pg.VERSION.basedir, or set BTAR_DATABASE_URL",
    });
  }
  return {
    password: randomBytes(24).toString("hex"),
    version: newest.majorVersion,
    ...issueCertificate(createAuthority("btar catalog"), {
      commonName: "localhost",
      hosts: ["localhost", host],
      days: certificateDays,
    }),
  };
}

async function newPort(): Promise<number> {
  const port = await freePort(host);
  if (port !== undefined) return port;
  throw new BtarError("SERVER_START_FAILED", { message: `no port of ${host} is free` });
}
