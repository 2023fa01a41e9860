import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { bootstrap } from "../../src/control-plane/bootstrap.ts";
import { type Catalog, openCatalog } from "../../src/catalog/catalog.ts";
import { JobQueue } from "../../src/catalog/job-queue.ts";
import type { BtarConfiguration } from "../../src/contract/configuration.ts";
import type { ControlPlaneContext } from "../../src/control-plane/context.ts";
import { type ControlPlane, startControlPlane } from "../../src/control-plane/control-plane.ts";
import { createLogger } from "../../src/platform/logger.ts";
import { testEngines } from "./engines.ts";
import { startPostgres, type TestPostgres } from "./postgres-server.ts";
import { WireClient } from "./wire-client.ts";

export type { Answer, Refusal } from "./wire-client.ts";

/** Clouds and defaults of tests: two local clouds, and two of Amazon's. */
export function testConfiguration(changes: Partial<BtarConfiguration> = {}): BtarConfiguration {
  const cloud = (name: string, description?: string) => ({
    name,
    storeUrl: `file:/nowhere/${name}`,
    storeCredentials: undefined,
    description,
    geo: undefined,
  });
  return {
    listen: { host: "127.0.0.1", port: 0 },
    tls: undefined,
    trustedProxies: [],
    dataDirectory: "/nowhere",
    project: "demo",
    clouds: [
      cloud("local-north", "North of this machine"),
      cloud("local-south"),
      cloud("local-east"),
      cloud("aws-eu-west-1"),
      cloud("aws-eu-central-1"),
    ],
    runAs: undefined,
    services: { listenHost: "127.0.0.1", advertisedHost: "127.0.0.1", ports: { first: 20_000, last: 20_009 } },
    backups: { intervalHours: 24, retentionDays: 2, leftoverHours: 1, compressionLevel: 3 },
    verification: { intervalHours: 24, readDataDays: 30, bytesPerSecond: 32 * 2 ** 20 },
    log: { maxAgeSeconds: 5, maxPieceBytes: 16 * 1024 * 1024 },
    limits: {
      additionalClouds: 2,
      retainedLogBytes: 10 * 1024 ** 3,
      disableGraceHours: 24,
      deleteGraceHours: 72,
      lagObjectiveSeconds: 900,
      regionChangeHours: 0,
      bandwidth: [],
    },
    notifications: { allowedNetworks: [], smtp: undefined },
    audit: { retentionDays: 400 },
    prices: { currency: "USD", storedGbMonth: undefined, transferredGb: undefined, stored: [], transferred: [] },
    tracing: { endpoint: undefined },
    engines: { pg: {}, mysql: { basedirs: [], clone: "auto", cloneDirectory: undefined } },
    restoreRoots: undefined,
    ...changes,
  };
}

/** A real catalog, with its project and token, and all that a control plane is built from. */
export interface TestCatalog {
  readonly context: Omit<ControlPlaneContext, "clock">;
  readonly adminToken: string;
  /** The server that holds it. */
  readonly postgres: TestPostgres;
  close(): Promise<void>;
}

export async function openTestCatalog(configuration: BtarConfiguration = testConfiguration()): Promise<TestCatalog> {
  const postgres = await startPostgres({ majorVersion: "18" });
  const { host, port, user, database } = postgres.address;
  const url = `postgres://${user}@${host}:${port}/${database}`;
  const onError = () => undefined; // the server is stopped under it at the end
  const catalog = await openCatalog(url, { maxConnections: 6, applicationName: "test", onError });
  const masterKey = randomBytes(32);
  const { newAdminToken } = await bootstrap(catalog, { configuration, masterKey, adminToken: undefined });
  const jobs = await JobQueue.open(catalog, { url, onError });
  return {
    context: {
      catalog,
      jobs,
      configuration,
      masterKey,
      // No server is run by a control plane.
      engines: await testEngines(tmpdir()),
      logger: createLogger({ level: "error" }),
    },
    adminToken: newAdminToken ?? "",
    postgres,
    close: async () => {
      await jobs.close();
      await catalog.close();
      await postgres[Symbol.asyncDispose]();
    },
  };
}

/** A control plane with a real catalog, and no agent: what agents would do is simulated by tests. */
export class RunningApi extends WireClient {
  readonly catalog: Catalog;
  readonly jobs: JobQueue;
  readonly masterKey: Buffer;
  readonly configuration: BtarConfiguration;
  readonly postgres: TestPostgres;
  readonly #opened: TestCatalog;
  readonly #controlPlane: ControlPlane;

  private constructor(opened: TestCatalog, controlPlane: ControlPlane) {
    super(controlPlane.url, opened.adminToken);
    const { catalog, jobs, masterKey, configuration } = opened.context;
    this.catalog = catalog;
    this.jobs = jobs;
    this.masterKey = masterKey;
    this.configuration = configuration;
    this.postgres = opened.postgres;
    this.#opened = opened;
    this.#controlPlane = controlPlane;
  }

  /** @param consoleDirectory of a built console; without it there is none */
  static async start(
    configuration: BtarConfiguration = testConfiguration(),
    consoleDirectory?: () => Promise<string>,
  ): Promise<RunningApi> {
    const opened = await openTestCatalog(configuration);
    return new RunningApi(opened, await startControlPlane({ ...opened.context, consoleDirectory }));
  }

  async close(): Promise<void> {
    await this.#controlPlane.close();
    await this.#opened.close();
  }
}
