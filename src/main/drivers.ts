import { delimiter, isAbsolute, join } from "node:path";
import { Engines } from "../engine/engines.ts";
import { LocalRecipient } from "../engine/mysql/clone/local-recipient.ts";
import { MysqlLogReadingDriver } from "../engine/mysql/log-reading/log-reading-driver.ts";
import type { InstallationPlaces } from "../engine/mysql/server/installations.ts";
import { MysqlServerDriver } from "../engine/mysql/server-driver.ts";
import { MysqlSourceDriver } from "../engine/mysql/source-driver.ts";
import { PostgresLogReadingDriver } from "../engine/postgres/log-reading/log-reading-driver.ts";
import { PostgresServerDriver } from "../engine/postgres/server/server-driver.ts";
import { PostgresSourceDriver } from "../engine/postgres/source-driver.ts";
import type { Logger } from "../platform/logger.ts";
import { dataFiles } from "./data-directory.ts";
import type { LoadedConfiguration } from "./load-configuration.ts";

/** Where scripts/servers/mysql.sh puts MySQL. */
const projectMysql = join(import.meta.dirname, "../../.cache/servers/mysql/basedir");

/**
 * All engines that btar knows.
 * @param cloud whose agent they are for; undefined: no base backups are taken with them
 */
export function buildEngines({ configuration, runAs }: LoadedConfiguration, logger: Logger, cloud?: string): Engines {
  const mysqlPlaces: InstallationPlaces = {
    configuredBasedirs: configuration.engines.mysql.basedirs,
    projectBasedir: projectMysql,
    searchPath: (process.env["PATH"] ?? "").split(delimiter).filter((directory) => isAbsolute(directory)),
  };
  const { clone, cloneDirectory } = configuration.engines.mysql;
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
      source: new MysqlSourceDriver({
        clone,
        recipient:
          cloud === undefined
            ? undefined
            : new LocalRecipient({
                ...mysqlPlaces,
                workDirectory: cloneFolder(configuration.dataDirectory, { cloud, cloneDirectory }),
                runAs,
                logger,
              }),
      }),
      logReading: new MysqlLogReadingDriver(),
      server: new MysqlServerDriver({ ...mysqlPlaces, runAs, logger }),
    },
  });
}

/** Each agent has its own: it removes what it finds there when it starts. */
function cloneFolder(
  dataDirectory: string,
  { cloud, cloneDirectory }: { readonly cloud: string; readonly cloneDirectory: string | undefined },
): string {
  if (cloneDirectory !== undefined) return join(cloneDirectory, `btar-clones-${cloud}`);
  return join(dataDirectory, "clouds", cloud, "clones");
}
