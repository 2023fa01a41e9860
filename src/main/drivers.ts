import { Engines } from "../engine/engines.ts";
import { PostgresServerDriver } from "../engine/postgres/server/server-driver.ts";
import { PostgresSourceDriver } from "../engine/postgres/source-driver.ts";
import type { Logger } from "../platform/logger.ts";
import { dataFiles } from "./data-directory.ts";
import type { LoadedConfiguration } from "./load-configuration.ts";

/** btar's own version, as in package.json. */
export const btarVersion = "0.1.0";

/** All engines that btar knows. */
export function buildEngines({ configuration, runAs }: LoadedConfiguration, logger: Logger): Engines {
  return new Engines({
    pg: {
      source: new PostgresSourceDriver(),
      server: new PostgresServerDriver({
        serversDirectory: dataFiles(configuration.dataDirectory).servers,
        configuredBasedirs: configuration.engines.pg,
        runAs,
        logger,
      }),
    },
  });
}
