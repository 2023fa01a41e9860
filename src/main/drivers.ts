import type { SourceDriver } from "../engine/engine.ts";
import { PostgresServerDriver } from "../engine/postgres/server/server-driver.ts";
import { PostgresSourceDriver } from "../engine/postgres/source-driver.ts";
import type { ServerDriver } from "../engine/server.ts";
import type { Logger } from "../platform/logger.ts";
import { dataFiles } from "./data-directory.ts";
import type { LoadedConfiguration } from "./load-configuration.ts";

/** btar's own version, as in package.json. */
export const btarVersion = "0.1.0";

/** The drivers of PostgreSQL. */
export function postgresDrivers(
  { configuration, runAs }: LoadedConfiguration,
  logger: Logger,
): { readonly sourceDriver: SourceDriver; readonly serverDriver: ServerDriver } {
  return {
    sourceDriver: new PostgresSourceDriver(),
    serverDriver: new PostgresServerDriver({
      serversDirectory: dataFiles(configuration.dataDirectory).servers,
      configuredBasedirs: configuration.engines.pg,
      runAs,
      logger,
    }),
  };
}
