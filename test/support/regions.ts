/** btar with two clouds in this process, on real PostgreSQL and real stores whose troubles a test chooses. */
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Catalog, openCatalog } from "../../src/catalog/catalog.ts";
import { JobQueue } from "../../src/catalog/job-queue.ts";
import { openServiceSecrets, sealServiceSecrets } from "../../src/catalog/service-secrets.ts";
import type { BtarConfiguration } from "../../src/contract/configuration.ts";
import { bootstrap } from "../../src/control-plane/bootstrap.ts";
import { startControlPlane } from "../../src/control-plane/control-plane.ts";
import { sampleLag } from "../../src/control-plane/scheduler/lag-samples.ts";
import type { EngineName } from "../../src/domain/engine-name.ts";
import type { ServerAddress } from "../../src/engine/engine.ts";
import type { Engines } from "../../src/engine/engines.ts";
import { resolveRunAs } from "../../src/engine/run-as.ts";
import { FileObjectStore } from "../../src/object-store/file/file-object-store.ts";
import type { ObjectStore } from "../../src/object-store/object-store.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createLogger } from "../../src/platform/logger.ts";
import { Repository } from "../../src/repository/repository.ts";
import { RegionAgent } from "../../src/region-agent/region-agent.ts";
import { ApiClient } from "./api-client.ts";
import { testEngines } from "./engines.ts";
import { FaultObjectStore } from "./fault-object-store.ts";
import { freePorts } from "./free-ports.ts";
import { startPostgres, type TestPostgres } from "./postgres-server.ts";
import { WireClient } from "./wire-client.ts";

export const north = "local-north";
export const south = "local-south";
export const east = "local-east";

const project = "/project/demo";

export interface LocationView {
  readonly cloud: string;
  readonly state: string;
  readonly trouble: string | null;
  readonly replication_lag_seconds: number | null;
  readonly rpo_seconds: number | null;
  readonly recovery_window: { readonly earliest_at: string; readonly latest_at: string } | null;
  readonly complete_backups: number;
}

export interface JobView {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly trouble: string | null;
  readonly error_code: string | null;
  readonly attempts: number;
  readonly progress: { readonly phase: string } | null;
  readonly result: Readonly<Record<string, unknown>> | null;
}

export interface EventView {
  readonly event_type: string;
  readonly event_desc: string;
  readonly severity: string;
}

export interface RegionsOptions {
  /** The store of a cloud; a folder by default. */
  readonly storeOf?: (cloud: string) => ObjectStore;
  /** A new one by default. */
  readonly masterKey?: Buffer;
  readonly retainedLogBytes?: number;
  readonly maxPieceBytes?: number;
  /** How long log may wait to become a piece; 0.2 by default. */
  readonly maxLogAgeSeconds?: number;
  /** North and south by default. */
  readonly clouds?: readonly string[];
  readonly limits?: Partial<BtarConfiguration["limits"]>;
  readonly compressionLevel?: number;
  /** Of an installation that there was before; a random one by default. */
  readonly adminToken?: string;
  /** Puts what there was before in its place, before anything is opened. */
  readonly prepare?: (at: { readonly databaseUrl: string; readonly directory: string }) => Promise<void>;
}

/** A server of a test: of PostgreSQL, unless it says otherwise. */
export interface AttachedServer {
  readonly address: ServerAddress;
  readonly engine?: EngineName;
}

interface Parts {
  readonly directory: string;
  readonly catalogServer: TestPostgres;
  readonly catalog: Catalog;
  readonly databaseUrl: string;
  readonly jobs: JobQueue;
  readonly configuration: BtarConfiguration;
  readonly masterKey: Buffer;
  readonly stores: ReadonlyMap<string, FaultObjectStore>;
  readonly close: () => Promise<void>;
  readonly api: ApiClient;
  readonly wire: WireClient;
  readonly engines: Engines;
}

export class TestRegions implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #agents = new Map<string, { readonly agent: RegionAgent; readonly catalog: Catalog }>();

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  static async create(options: RegionsOptions = {}): Promise<TestRegions> {
    const directory = await mkdtemp(path.join(tmpdir(), "btar-test-regions-"));
    await chmod(directory, 0o755);
    const catalogServer = await startPostgres({ majorVersion: "18", settings: { max_connections: 60 } });
    const { port } = catalogServer.address;
    const databaseUrl = `postgres://postgres@127.0.0.1:${port}/postgres`;
    const configuration = await testConfiguration(directory, options);
    const masterKey = options.masterKey ?? randomBytes(32);
    const logger = createLogger({ level: "error" });
    await options.prepare?.({ databaseUrl, directory });
    const catalog = await openCatalog(databaseUrl, {
      maxConnections: 5,
      applicationName: "test",
      onError: () => undefined,
    });
    const { adminToken } = options;
    const { newAdminToken = adminToken ?? "" } = await bootstrap(catalog, { configuration, masterKey, adminToken });
    const jobs = await JobQueue.open(catalog, { url: databaseUrl, onError: () => undefined });
    const engines = await testEngines(directory);
    const controlPlane = await startControlPlane({ catalog, jobs, configuration, masterKey, engines, logger });
    const stores = new Map(
      configuration.clouds.map(({ name, storeUrl }) => {
        const store = options.storeOf?.(name) ?? new FileObjectStore(storeUrl.slice("file:".length));
        return [name, new FaultObjectStore(store)] as const;
      }),
    );
    const close = async () => {
      await controlPlane.close();
      await jobs.close();
      await catalog.close();
    };
    const api = new ApiClient(controlPlane.url, newAdminToken);
    const regions = new TestRegions({
      ...{ directory, catalogServer, catalog, databaseUrl, jobs, configuration, masterKey },
      ...{ stores, close, api, engines, wire: new WireClient(controlPlane.url, newAdminToken) },
    });
    for (const { name } of configuration.clouds) await regions.startAgent(name);
    return regions;
  }

  get api(): ApiClient {
    return this.#parts.api;
  }

  /** To ask as other clients do. */
  get wire(): WireClient {
    return this.#parts.wire;
  }

  get catalog(): Catalog {
    return this.#parts.catalog;
  }

  get queue(): JobQueue {
    return this.#parts.jobs;
  }

  get masterKey(): Buffer {
    return this.#parts.masterKey;
  }

  get configuration(): BtarConfiguration {
    return this.#parts.configuration;
  }

  /** Of the server that holds the catalog. */
  get catalogAddress(): ServerAddress {
    return this.#parts.catalogServer.address;
  }

  get directory(): string {
    return this.#parts.directory;
  }

  store(cloud: string): FaultObjectStore {
    const store = this.#parts.stores.get(cloud);
    if (!store) throw new Error(`no store ${cloud}`);
    return store;
  }

  async startAgent(cloud: string): Promise<void> {
    const { databaseUrl, configuration, masterKey, stores, engines } = this.#parts;
    const onError = () => undefined;
    const catalog = await openCatalog(databaseUrl, { maxConnections: 5, applicationName: `test ${cloud}`, onError });
    const agent = await RegionAgent.start({
      cloud,
      agentId: `${cloud}@test`,
      configuration,
      catalog,
      jobs: await JobQueue.open(catalog, { url: databaseUrl, onError }),
      masterKey,
      stores,
      engines,
      serverOwner: await resolveRunAs(undefined),
      logger: createLogger({ level: "error" }),
      version: "test",
      workerCount: 1,
    });
    this.#agents.set(cloud, { agent, catalog });
  }

  async stopAgent(cloud: string): Promise<void> {
    const running = this.#agents.get(cloud);
    this.#agents.delete(cloud);
    await running?.agent.stop({ stopServers: true });
    await running?.catalog.close();
  }

  /** What the scheduler does every 30 s. */
  async sampleLag(): Promise<void> {
    const { catalog, jobs, configuration, masterKey, engines } = this.#parts;
    const logger = createLogger({ level: "error" });
    await sampleLag({ catalog, jobs, configuration, masterKey, engines, logger, clock: systemClock });
  }

  /** Attaches a test server, backed up in north and copied to south. */
  async attachShop(server: AttachedServer, name = "shop"): Promise<void> {
    await this.api.request("POST", `${project}/service/attach`, {
      service_name: name,
      cloud: north,
      uri: uriOf(server),
      user_config: { additional_backup_regions: [south] },
    });
  }

  async serviceId(name: string): Promise<string | undefined> {
    const row = await this.catalog.db.selectFrom("service").select("id").where("name", "=", name).executeTakeFirst();
    return row?.id;
  }

  /** What is stored of a service in a cloud. */
  async repository(cloud: string, service = "shop"): Promise<Repository> {
    const serviceId = (await this.serviceId(service)) ?? "";
    return await Repository.open({
      ...{ store: this.store(cloud), serviceId, masterKey: this.masterKey, compressionLevel: 1 },
    });
  }

  /** Another server answers where the attached service's server was. */
  async repoint(name: string, server: AttachedServer): Promise<void> {
    const { masterKey } = this.#parts;
    const row = await this.catalog.db
      .selectFrom("service")
      .select(["id", "sealed_secrets"])
      .where("name", "=", name)
      .executeTakeFirstOrThrow();
    const secrets = openServiceSecrets(masterKey, row.id, row.sealed_secrets);
    const attachedUri = uriOf(server);
    await this.catalog.db
      .updateTable("service")
      .set({ sealed_secrets: sealServiceSecrets(masterKey, row.id, { ...secrets, attachedUri }) })
      .where("id", "=", row.id)
      .execute();
  }

  async location(cloud: string, service = "shop"): Promise<LocationView | undefined> {
    const view = await this.api.request<{ locations: readonly LocationView[] }>(
      "GET",
      `${project}/service/${service}/btar`,
    );
    return view.locations.find((location) => location.cloud === cloud);
  }

  async jobs(service = "shop"): Promise<readonly JobView[]> {
    return (await this.api.request<{ jobs: readonly JobView[] }>("GET", `${project}/service/${service}/jobs`)).jobs;
  }

  async events(): Promise<readonly EventView[]> {
    return (await this.api.request<{ events: readonly EventView[] }>("GET", `${project}/events?limit=200`)).events;
  }

  /** Waits until a location's window reaches beyond a moment. */
  async reaches(cloud: string, at: Date, service = "shop"): Promise<void> {
    await until(`${service} in ${cloud} reaches ${at.toISOString()}`, async () => {
      const latest = (await this.location(cloud, service))?.recovery_window?.latest_at;
      return latest !== undefined && new Date(latest) > at;
    });
  }

  /** Waits until a location holds this many complete base backups. */
  async hasBackups(cloud: string, count: number, service = "shop"): Promise<void> {
    await until(`${service} has ${count} base backups in ${cloud}`, async () => {
      return ((await this.location(cloud, service))?.complete_backups ?? 0) >= count;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#parts.stores.values()) store.heal();
    for (const cloud of [...this.#agents.keys()]) await this.stopAgent(cloud);
    await this.#parts.close();
    await this.#parts.catalogServer[Symbol.asyncDispose]();
    await rm(this.#parts.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

function uriOf({ address, engine = "pg" }: AttachedServer): string {
  const { host, port, user, password, database } = address;
  const account = password === undefined ? user : `${user}:${encodeURIComponent(password)}`;
  if (engine === "pg") return `postgres://${account}@${host}:${port}/${database}`;
  return `mysql://${account}@${host}:${port}/?ssl-mode=DISABLED`;
}

/** Asks until the condition holds; the deadline is far beyond what it takes. */
export async function until(what: string, condition: () => Promise<boolean>, seconds = 120): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; ) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

/** A hundred years: base backups are taken when a test asks for them, and none is due while it looks. */
const neverHours = 876_000;

async function testConfiguration(directory: string, options: RegionsOptions): Promise<BtarConfiguration> {
  const [first, last] = await freePorts(20);
  return {
    listen: { host: "127.0.0.1", port: 0 },
    tls: undefined,
    trustedProxies: [],
    dataDirectory: directory,
    project: "demo",
    clouds: (options.clouds ?? [north, south]).map((name) => ({
      name,
      storeUrl: `file:${path.join(directory, "stores", name)}`,
      storeCredentials: undefined,
      description: undefined,
      geo: undefined,
    })),
    runAs: undefined,
    services: {
      listenHost: "127.0.0.1",
      advertisedHost: "127.0.0.1",
      ports: { first, last },
    },
    backups: {
      intervalHours: neverHours,
      retentionDays: 2,
      leftoverHours: 0,
      compressionLevel: options.compressionLevel ?? 1,
    },
    verification: { intervalHours: 24, readDataDays: 30, bytesPerSecond: 32 * 2 ** 20 },
    log: { maxAgeSeconds: options.maxLogAgeSeconds ?? 0.2, maxPieceBytes: options.maxPieceBytes ?? 4 * 1024 * 1024 },
    limits: {
      additionalClouds: 3,
      retainedLogBytes: options.retainedLogBytes ?? 1024 * 1024 * 1024,
      disableGraceHours: 24,
      deleteGraceHours: 72,
      lagObjectiveSeconds: 900,
      regionChangeHours: 0,
      bandwidth: [],
      ...options.limits,
    },
    prices: { currency: "USD", storedGbMonth: 0.02, transferredGb: undefined, stored: [], transferred: [] },
    tracing: { endpoint: undefined },
    engines: { pg: {}, mysql: { basedirs: [], clone: "auto", cloneDirectory: undefined } },
    notifications: { allowedNetworks: [], smtp: undefined },
    audit: { retentionDays: 400 },
    restoreRoots: undefined,
  };
}
