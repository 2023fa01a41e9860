import { type Catalog, openCatalog } from "../catalog/catalog.ts";
import { isBtarError } from "../domain/errors.ts";
import { createObjectStore } from "../object-store/open-object-store.ts";
import type { ObjectStore } from "../object-store/object-store.ts";
import { lockDirectory } from "../platform/directory-lock.ts";
import { statIfThere } from "../platform/files.ts";
import { createLogger } from "../platform/logger.ts";
import { dataFiles } from "./data-directory.ts";
import { databaseUrl } from "./database-url.ts";
import { buildEngines } from "./drivers.ts";
import { EmbeddedCatalog, embeddedCatalogUrl } from "./embedded-catalog.ts";
import type { LoadedConfiguration } from "./load-configuration.ts";

/** What a command that works beside the servers opens, to be closed at its end. */
export interface OpenParts {
  /** For `AsyncDisposableStack`s of the caller. */
  readonly parts: AsyncDisposableStack;
  readonly applicationName: string;
  /** Tells the operator. */
  readonly say: (text: string) => void;
}

/**
 * Where the catalog answers. Of a `btar up` that does not run, its PostgreSQL is started meanwhile.
 * @param options.isAlone refuses while a `btar up` has the data directory, and keeps others from starting
 * @returns undefined when none was made yet
 * @throws {BtarError} DATA_DIRECTORY_IN_USE
 */
export async function findCatalogUrl(
  loaded: LoadedConfiguration,
  { parts, say, isAlone }: Pick<OpenParts, "parts" | "say"> & { readonly isAlone: boolean },
): Promise<string | undefined> {
  const { dataDirectory } = loaded.configuration;
  const given = databaseUrl();
  if ((await statIfThere(dataDirectory)) === undefined) return given;
  if (given !== undefined && !isAlone) return given;
  const known = await embeddedCatalogUrl(dataDirectory);
  if (given === undefined && known === undefined && !isAlone) return undefined;
  try {
    const lock = await lockDirectory(dataDirectory);
    parts.defer(() => lock.release());
  } catch (error) {
    if (isAlone || !isBtarError(error, "DATA_DIRECTORY_IN_USE")) throw error;
    return known;
  }
  if (given !== undefined || known === undefined) return given;
  say(`starting the catalog of ${dataDirectory} for a moment`);
  const { server } = buildEngines(loaded, createLogger({ level: "error" })).of("pg");
  const signal = AbortSignal.timeout(startTimeoutMs);
  const catalog = await EmbeddedCatalog.start(server, { dataDirectory, signal, say });
  parts.defer(() => catalog.stop());
  return catalog.url;
}

const startTimeoutMs = 120_000;

/** Opens the catalog of an installation; undefined when none was made yet. */
export async function openInstalledCatalog(
  loaded: LoadedConfiguration,
  options: OpenParts & { readonly isAlone: boolean },
): Promise<Catalog | undefined> {
  const url = await findCatalogUrl(loaded, options);
  if (url === undefined) return undefined;
  const { applicationName, parts } = options;
  // A connection that breaks shows in the query that needs it.
  const catalog = await openCatalog(url, { maxConnections: 2, applicationName, onError: () => undefined });
  parts.defer(() => catalog.close());
  return catalog;
}

/** The stores of all configured clouds, by cloud. */
export function openStores({ configuration }: LoadedConfiguration, parts: AsyncDisposableStack) {
  const stores = new Map<string, ObjectStore>();
  for (const { name, storeUrl, storeCredentials } of configuration.clouds) {
    const store = createObjectStore(storeUrl, { credentials: storeCredentials });
    parts.defer(() => store.close());
    stores.set(name, store);
  }
  return stores;
}

/** Whether this machine has an installation at all. */
export async function isInstalled({ configuration }: LoadedConfiguration): Promise<boolean> {
  return (await statIfThere(dataFiles(configuration.dataDirectory).catalogSecret)) !== undefined;
}
