import path from "node:path";
import { Engines } from "../../src/engine/engines.ts";
import { resolveRunAs } from "../../src/engine/run-as.ts";
import { MysqlLogReadingDriver } from "../../src/engine/mysql/log-reading/log-reading-driver.ts";
import { LocalRecipient } from "../../src/engine/mysql/clone/local-recipient.ts";
import { MysqlServerDriver } from "../../src/engine/mysql/server-driver.ts";
import { MysqlSourceDriver } from "../../src/engine/mysql/source-driver.ts";
import { PostgresLogReadingDriver } from "../../src/engine/postgres/log-reading/log-reading-driver.ts";
import { PostgresServerDriver } from "../../src/engine/postgres/server/server-driver.ts";
import { PostgresSourceDriver } from "../../src/engine/postgres/source-driver.ts";
import { createLogger } from "../../src/platform/logger.ts";

/** @param directory where server programs are installed to, and clones are received, when one is */
export async function testEngines(directory: string): Promise<Engines> {
  const mysql = {
    configuredBasedirs: [],
    projectBasedir: path.join(import.meta.dirname, "../../.cache/servers/mysql/basedir"),
    searchPath: [],
    runAs: await resolveRunAs(undefined),
    logger: createLogger({ level: "error" }),
  };
  return new Engines({
    pg: {
      source: new PostgresSourceDriver(),
      logReading: new PostgresLogReadingDriver(),
      server: new PostgresServerDriver({
        serversDirectory: path.join(directory, "servers"),
        configuredBasedirs: {},
        runAs: await resolveRunAs(undefined),
        logger: createLogger({ level: "error" }),
      }),
    },
    mysql: {
      source: new MysqlSourceDriver({
        recipient: new LocalRecipient({ ...mysql, workDirectory: path.join(directory, "clones") }),
      }),
      logReading: new MysqlLogReadingDriver(),
      server: new MysqlServerDriver(mysql),
    },
  });
}
