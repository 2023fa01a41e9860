import { exitCodes } from "../cli/exit-codes.ts";
import { BtarError } from "../domain/errors.ts";
import { lockDirectory } from "../platform/directory-lock.ts";
import { statIfThere } from "../platform/files.ts";
import { createLogger, type Logger, type LogLevel } from "../platform/logger.ts";
import { AgentProcess, type AgentProcessOptions } from "./agent-process.ts";
import { dataFiles, makeDataDirectory } from "./data-directory.ts";
import { databaseUrl } from "./database-url.ts";
import { buildEngines } from "./drivers.ts";
import { EmbeddedCatalog } from "./embedded-catalog.ts";
import { type ConfigurationChoice, type LoadedConfiguration, loadConfiguration } from "./load-configuration.ts";
import { LogFile } from "./log-file.ts";
import { readMasterKey } from "./key/master-key.ts";
import { startLines, startServer } from "./server.ts";
import { StopSignals } from "./stop-signals.ts";

export interface UpOptions extends ConfigurationChoice {
  /** Logs go to standard error too. */
  readonly verbose?: boolean | undefined;
}

/** `btar up`: everything on this machine, until Ctrl-C. */
export async function runUp(options: UpOptions): Promise<void> {
  const loaded = await loadConfiguration(options);
  const { dataDirectory } = loaded.configuration;
  await makeDataDirectory(loaded.configuration);
  const lock = await lockDirectory(dataDirectory);
  const signals = new StopSignals(() => {
    say("stopped at once; what runs on is adopted or cleaned up at the next start");
    process.exit(exitCodes.interrupted);
  });
  try {
    await using parts = new AsyncDisposableStack();
    await startAll(loaded, { options, parts, signal: signals.signal });
    await signals.asked();
    say("stopping; Ctrl-C again stops at once");
  } catch (error) {
    if (signals.signal.aborted) throw stoppedWhileStarting(error);
    throw error;
  } finally {
    await lock.release();
    signals.dispose();
  }
  say("stopped");
}

interface Starting {
  readonly options: UpOptions;
  /** What is started is put here; it is stopped in the opposite order. */
  readonly parts: AsyncDisposableStack;
  readonly signal: AbortSignal;
}

async function startAll(loaded: LoadedConfiguration, starting: Starting): Promise<void> {
  const { configuration, file, dataDirectoryNote } = loaded;
  const { dataDirectory } = configuration;
  const { options, parts, signal } = starting;
  if (dataDirectoryNote !== undefined) say(`${dataDirectoryNote}: the data goes to ${dataDirectory}`);
  say(`data in ${dataDirectory}${file === undefined ? ", no btar.yaml: defaults" : `, configured by ${file}`}`);
  const level: LogLevel = options.verbose ? "debug" : "info";
  const logger = createLogger({ level, destination: { write: openLog("server", loaded, starting) } });
  // A key is made at the first start only: later, a missing one is a mistake, and a new one would make it worse.
  const isFirstStart = (await statIfThere(dataFiles(dataDirectory).catalogSecret)) === undefined;
  const masterKey = await readMasterKey(dataDirectory, { create: isFirstStart });
  const url = databaseUrl() ?? (await startCatalog(loaded, { ...starting, logger }));
  signal.throwIfAborted();
  const server = await startServer(loaded, { databaseUrl: url, masterKey, logger, hasAllClouds: true });
  parts.defer(() => server.close());
  signal.throwIfAborted();
  for (const line of await startLines({ dataDirectory, ...server })) say(line);
  const environment = {
    BTAR_DATABASE_URL: url,
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? dataFiles(dataDirectory).codeCache,
  };
  await startAgents(loaded, starting, { environment, masterKey: server.masterKey.key });
  signal.throwIfAborted();
  say(`clouds: ${configuration.clouds.map(({ name }) => name).join(", ")}`);
  say(`btar is up: ${server.url} (Ctrl-C stops it)`);
}

async function startCatalog(
  loaded: LoadedConfiguration,
  { parts, signal, logger }: Starting & { readonly logger: Logger },
): Promise<string> {
  const { dataDirectory } = loaded.configuration;
  const { server } = buildEngines(loaded, logger).of("pg");
  const catalog = await EmbeddedCatalog.start(server, { dataDirectory, signal, say });
  parts.defer(async () => {
    say("stopping the catalog");
    await catalog.stop();
  });
  return catalog.url;
}

/** Starts the agents of all clouds, and waits until each works or has failed once, which must not hold up the others. */
async function startAgents(
  loaded: LoadedConfiguration,
  starting: Starting,
  common: Pick<AgentProcessOptions, "environment" | "masterKey">,
): Promise<void> {
  const { configuration, file } = loaded;
  const agents = configuration.clouds.map(({ name }) => {
    const args = ["agent", "--cloud", name];
    if (file !== undefined) args.push("--config", file);
    if (starting.options.verbose) args.push("--verbose");
    return new AgentProcess({ ...common, cloud: name, args, log: openLog(`agent-${name}`, loaded, starting), say });
  });
  starting.parts.defer(async () => {
    say("stopping agents and their database servers; jobs go on at the next start");
    await Promise.all(agents.map((agent) => agent.stop({ stopServers: true })));
  });
  const { promise: stopAsked, resolve } = Promise.withResolvers<void>();
  starting.signal.addEventListener("abort", () => resolve(), { once: true });
  await Promise.race([stopAsked, Promise.all(agents.map((agent) => agent.start()))]);
}

/** A log in the data directory, which is repeated on standard error when everything is to be seen. */
function openLog(
  name: string,
  { configuration }: LoadedConfiguration,
  { options, parts }: Starting,
): (text: string) => void {
  const log = new LogFile(dataFiles(configuration.dataDirectory).log(name));
  parts.defer(() => log.close());
  return (text) => {
    log.write(text);
    if (options.verbose) process.stderr.write(text);
  };
}

function stoppedWhileStarting(cause: unknown): BtarError {
  return new BtarError("CANCELLED", { message: "stopped while it started", details: { isInterrupted: true }, cause });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
