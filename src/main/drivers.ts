import { delimiter, isAbsolute, join } from "node:path";
import { Engines } from "../engine/engines.ts";
import { MysqlLogReadingDriver } from "../engine/mysql/log-reading/log-reading-driver.ts";
import { MysqlServerDriver } from "../engine/mysql/server-driver.ts";
import { MysqlSourceDriver } from "../engine/mysql/source-driver.ts";
import { PostgresLogReadingDriver } from "../engine/postgres/log-reading/log-reading-driver.ts";
import { PostgresServerDriver } from "../engine/postgres/server/server-driver.ts";
import { PostgresSourceDriver } from "../engine/postgres/source-driver.ts";
import type { Logger } from "../platform/logger.ts";
import { dataFiles } from "./data-directory.ts";
import type { LoadedConfiguration } from "./load-configuration.ts";

/** btar's own version, as in package.json. */
export const btarVersion = "0.1.0";

/** Where scripts/servers/mysql.sh puts MySQL. */
const projectMysql = join(import.meta.dirname, "../../.cache/servers/mysql/basedir");

/** All engines that btar knows. */
export function buildEngines({ configuration, runAs }: LoadedConfiguration, logger: Logger): Engines {
  return new Engines({
    pg: {
      source: new PostgresSourceDriver(),
      logReading: new PostgresLogReadingDriver(),
      server: new PostgresServerDriver({
        serversDirectory: dataFiles(configuration.dataDirectory).servers,
        configuredBasedirs: configuration.engines.pg,
        runAs,
        logger,
      }),
    },
    mysql: {
      source: new MysqlSourceDriver(),
      logReading: new MysqlLogReadingDriver(),
      server: new MysqlServerDriver({
        configuredBasedirs: configuration.engines.mysql.basedirs,
        projectBasedir: projectMysql,
        searchPath: (process.env["PATH"] ?? "").split(delimiter).filter((directory) => isAbsolute(directory)),
        runAs,
        logger,
      }),
    },
  });
}
