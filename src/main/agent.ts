import { hostname } from "node:os";
import { openCatalog } from "../catalog/catalog.ts";
import { JobQueue } from "../catalog/job-queue.ts";
import type { BtarConfiguration } from "../contract/configuration.ts";
import { BtarError, describeError } from "../domain/errors.ts";
import { createObjectStore } from "../object-store/open-object-store.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { createLogger } from "../platform/logger.ts";
import { RegionAgent } from "../region-agent/region-agent.ts";
import { usableCores } from "./cores.ts";
import { makeDataDirectory } from "./data-directory.ts";
import { requireDatabaseUrl } from "./database-url.ts";
import { buildEngines } from "./drivers.ts";
import { type ConfigurationChoice, loadConfiguration } from "./load-configuration.ts";
import { checkMasterKey, type MasterKey, readMasterKey } from "./key/master-key.ts";
import { hearParent, leaveParent, type Parent, tellParent } from "./parent.ts";
import { startTracing } from "./tracing.ts";
import { btarVersion } from "./version.ts";

/** `btar agent --cloud C`: acts for one cloud until it is told to end. Logs to standard error. */
export async function runAgent(
  options: Pick<ConfigurationChoice, "config"> & { readonly cloud: string; readonly verbose?: boolean | undefined },
): Promise<void> {
  const parent = hearParent();
  const { cloud } = options;
  // An agent does not listen: how the API does is no matter of its.
  const loaded = await loadConfiguration({ config: options.config, insecureListen: true });
  const { configuration, runAs } = loaded;
  requireCloud(configuration, cloud);
  const url = requireDatabaseUrl("an agent");
  await makeDataDirectory(configuration);
  const foundKey = await findMasterKey(parent, configuration);
  const logger = createLogger({ level: options.verbose ? "debug" : "info" });
  const onError = (error: Error) => logger.warn({ reason: describeError(error) }, "the catalog's connection failed");

  await using opened = new AsyncDisposableStack();
  opened.defer(leaveParent);
  opened.defer(await startTracing(configuration, { process: `agent ${cloud}`, logger }));
  const catalog = await openCatalog(url, { maxConnections: 8, applicationName: `btar agent ${cloud}`, onError });
  opened.defer(() => catalog.close());
  const masterKey = await checkMasterKey(catalog, foundKey, configuration.dataDirectory);
  const jobs = await JobQueue.open(catalog, { url, onError, isTraced: configuration.tracing.endpoint !== undefined });
  opened.defer(() => jobs.close());
  const stores = openStores(configuration);
  opened.defer(async () => {
    for (const store of stores.values()) await store.close();
  });
  const agent = await RegionAgent.start({
    cloud,
    agentId: `${cloud}@${hostname()}`,
    configuration,
    catalog,
    jobs,
    masterKey: masterKey.key,
    stores,
    engines: buildEngines(loaded, logger, cloud),
    serverOwner: runAs,
    logger,
    version: btarVersion,
    workerCount: usableCores(),
  });
  logger.info({ cloud }, "the agent runs");
  tellParent();
  const { stopServers } = await parent.stopOrder;
  logger.info({ cloud, stopServers }, "the agent stops");
  await agent.stop({ stopServers });
}

async function findMasterKey({ masterKey }: Parent, { dataDirectory }: BtarConfiguration): Promise<MasterKey> {
  if (masterKey === undefined) return await readMasterKey(dataDirectory, { create: false });
  return { key: await masterKey, file: undefined, place: "btar up", isNew: false, isProtected: false };
}

function requireCloud({ clouds }: BtarConfiguration, cloud: string): void {
  if (clouds.some(({ name }) => name === cloud)) return;
  throw new BtarError("INVALID_CONFIGURATION", {
    message: `cloud ${cloud} is not in the configuration`,
    hint: `configured clouds: ${clouds.map(({ name }) => name).join(", ")}`,
  });
}

/** By cloud: the agent's own, to write, and all others, to copy from. */
function openStores({ clouds }: BtarConfiguration): ReadonlyMap<string, ObjectStore> {
  return new Map(
    clouds.map(({ name, storeUrl, storeCredentials }) => [
      name,
      createObjectStore(storeUrl, { credentials: storeCredentials }),
    ]),
  );
}
