import { readdir } from "node:fs/promises";
import path from "node:path";
import { LocalRecipient } from "../../src/engine/mysql/clone/local-recipient.ts";
import type { InstallationPlaces } from "../../src/engine/mysql/server/installations.ts";
import { resolveRunAs } from "../../src/engine/run-as.ts";
import { isErrno } from "../../src/platform/errno.ts";
import { createLogger } from "../../src/platform/logger.ts";
import { processArguments } from "../../src/platform/process.ts";
import { mysqlBasedir } from "./mysql-server.ts";

/** A recipient as an agent has one, with the project's MySQL unless `places` are given. */
export async function localRecipient(
  workDirectory: string,
  places: Partial<InstallationPlaces> = {},
): Promise<LocalRecipient> {
  return new LocalRecipient({
    configuredBasedirs: [],
    projectBasedir: places.configuredBasedirs ? "/nowhere" : await mysqlBasedir(),
    searchPath: [],
    ...places,
    workDirectory,
    runAs: await resolveRunAs(undefined),
    logger: createLogger({ level: "error" }),
  });
}

/** What recipients have left: directories, and processes that use them. */
export async function leftovers(workDirectory: string): Promise<readonly string[]> {
  const left = (await namesIn(workDirectory)).map((name) => path.join(workDirectory, name));
  for (const name of await readdir("/proc")) {
    const args = /^\d+$/.test(name) ? await processArguments(Number(name)) : undefined;
    if (args?.some((each) => each.startsWith(`--defaults-file=${workDirectory}/`))) left.push(`process ${name}`);
  }
  return left;
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
