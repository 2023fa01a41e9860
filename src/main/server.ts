import { openCatalog } from "../catalog/catalog.ts";
import { JobQueue } from "../catalog/job-queue.ts";
import { adminEmail, bootstrap } from "../control-plane/bootstrap.ts";
import { startControlPlane } from "../control-plane/control-plane.ts";
import { describeError } from "../domain/errors.ts";
import { writeFileDurably } from "../platform/files.ts";
import { createLogger, type Logger } from "../platform/logger.ts";
import { prepareAdminPassword } from "./admin-password.ts";
import { prepareAdminToken } from "./admin-token.ts";
import { consoleDirectory } from "./console-directory.ts";
import { dataFiles, makeDataDirectory } from "./data-directory.ts";
import { requireDatabaseUrl } from "./database-url.ts";
import { buildEngines } from "./drivers.ts";
import { type ConfigurationChoice, type LoadedConfiguration, loadConfiguration } from "./load-configuration.ts";
import { lastExport } from "./key/key-export.ts";
import { checkMasterKey, type MasterKey, readMasterKey } from "./key/master-key.ts";
import { checkNewStores } from "./new-stores.ts";
import { startTracing } from "./tracing.ts";

/** A server takes nothing over: agents, which look after each other more often, do. */
const superviseEverySeconds = 15;

/** A control plane, and what it stands on. */
export interface RunningServer {
  readonly url: string;
  /** The one in force. */
  readonly masterKey: MasterKey;
  /** Shown once; undefined when the installation had one already. */
  readonly newAdminToken: string | undefined;
  /** Where the first administrator's password was written to now; undefined when it was not. */
  readonly newPasswordFile: string | undefined;
  close(): Promise<void>;
}

/** Opens the catalog, makes project and token at the first start, and serves the API. */
export async function startServer(
  loaded: LoadedConfiguration,
  options: {
    readonly databaseUrl: string;
    readonly masterKey: MasterKey;
    readonly logger: Logger;
    /** All clouds are looked after from this machine: their stores can be checked from here. */
    readonly hasAllClouds: boolean;
  },
): Promise<RunningServer> {
  const { configuration } = loaded;
  const { databaseUrl, logger } = options;
  const files = dataFiles(configuration.dataDirectory);
  const adminToken = await prepareAdminToken(files.adminToken);
  const adminPassword = await prepareAdminPassword(files.adminPassword);
  const onError = (error: Error) => logger.warn({ reason: describeError(error) }, "the catalog's connection failed");

  await using opened = new AsyncDisposableStack();
  opened.defer(await startTracing(configuration, { process: "server", logger }));
  const catalog = await openCatalog(databaseUrl, { maxConnections: 10, applicationName: "btar server", onError });
  opened.defer(() => catalog.close());
  const masterKey = await checkMasterKey(catalog, options.masterKey, configuration.dataDirectory);
  if (options.hasAllClouds) await checkNewStores(loaded, catalog);
  const { newAdminToken, isPasswordTaken } = await bootstrap(catalog, {
    configuration,
    masterKey: masterKey.key,
    adminToken: adminToken.text,
    adminPassword,
  });
  await adminToken.settle(newAdminToken !== undefined);
  await adminPassword.settle(isPasswordTaken);
  // Once more: another server may have made the project in between, with a key of its own.
  await checkMasterKey(catalog, masterKey, configuration.dataDirectory);
  const jobs = await JobQueue.open(catalog, {
    url: databaseUrl,
    onError,
    isTraced: configuration.tracing.endpoint !== undefined,
    superviseEverySeconds,
  });
  opened.defer(() => jobs.close());
  const controlPlane = await startControlPlane({
    catalog,
    jobs,
    configuration,
    masterKey: masterKey.key,
    engines: buildEngines(loaded, logger),
    logger,
    consoleDirectory: () => consoleDirectory(say),
  });
  opened.defer(() => controlPlane.close());
  await writeFileDurably(files.url, `${controlPlane.url}\n`, { mode: 0o644 });
  const running = opened.move();
  const newPasswordFile = isPasswordTaken && !adminPassword.isChosen ? files.adminPassword : undefined;
  const { url } = controlPlane;
  return { url, masterKey, newAdminToken, newPasswordFile, close: () => running.disposeAsync() };
}

/** `btar server`: the control plane alone. Logs to standard error. */
export async function runServer(
  options: ConfigurationChoice & { readonly verbose?: boolean | undefined },
): Promise<void> {
  const databaseUrl = requireDatabaseUrl("a server");
  const loaded = await loadConfiguration(options);
  const { dataDirectory } = loaded.configuration;
  await makeDataDirectory(loaded.configuration);
  const masterKey = await readMasterKey(dataDirectory, { create: true });
  const logger = createLogger({ level: options.verbose ? "debug" : "info" });
  const server = await startServer(loaded, { databaseUrl, masterKey, logger, hasAllClouds: false });
  for (const line of await startLines({ dataDirectory, ...server })) say(line);
  say(`btar serves ${server.url}`);
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
  await promise;
  await server.close();
}

/** What must be said at a start: of the first one what is shown once, and until it is done, what should be. */
export async function startLines(made: Parameters<typeof firstStartLines>[0]): Promise<readonly string[]> {
  const { masterKey, dataDirectory } = made;
  const lines = firstStartLines(made);
  // One that the operator has put somewhere is kept elsewhere as well, or is none of btar's business.
  if (masterKey.isNew || masterKey.file !== dataFiles(dataDirectory).masterKey) return lines;
  if ((await lastExport(dataDirectory, masterKey.key)) !== undefined) return lines;
  return [...lines, "the master key was never exported from this machine: keep a copy elsewhere, btar key export"];
}

function firstStartLines(made: {
  readonly dataDirectory: string;
  readonly masterKey: MasterKey;
  readonly newAdminToken: string | undefined;
  readonly newPasswordFile: string | undefined;
}): readonly string[] {
  const { dataDirectory, masterKey, newAdminToken, newPasswordFile } = made;
  const lines: string[] = [];
  if (newAdminToken !== undefined && process.env["BTAR_ADMIN_TOKEN"] === undefined) {
    lines.push(`admin token, shown once: ${newAdminToken}`);
    lines.push(`  commands on this machine find it in ${dataFiles(dataDirectory).adminToken}`);
  }
  if (newPasswordFile !== undefined) lines.push(`password of ${adminEmail}: in ${newPasswordFile}`);
  if (masterKey.isNew) {
    lines.push("", `  A MASTER KEY WAS MADE: ${masterKey.place}`);
    lines.push("  Keep a copy of it elsewhere, away from this machine: without it, no backup can ever be read.");
    lines.push("  `btar key export` prints it for paper or a password store.", "");
  }
  return lines;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
