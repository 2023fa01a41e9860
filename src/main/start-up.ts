import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type DestinationStream, pino } from "pino";
import type { BtarConfiguration } from "../contract/configuration.ts";
import { BtarError, describeError, isBtarError } from "../domain/errors.ts";
import { PostgresServerDriver } from "../engine/postgres/server/server-driver.ts";
import { checkTraversable, type RunAs, resolveRunAs } from "../engine/postgres/server/run-as.ts";
import { PostgresSourceDriver } from "../engine/postgres/source-driver.ts";
import { readTextIfThere, statIfThere, writeFileDurably } from "../platform/files.ts";
import { createLogger, type Logger, type LogLevel } from "../platform/logger.ts";
import { readConfiguration } from "./configuration/read-configuration.ts";

/** btar's own version, as in package.json. */
export const btarVersion = "0.1.0";

const defaultFile = "btar.yaml";
const rootDataDirectory = "/var/lib/btar";
const maxLogBytes = 20 * 1024 * 1024;

/** The configuration in force, and where it came from. */
export interface LoadedConfiguration {
  readonly configuration: BtarConfiguration;
  /** Undefined when there is no file, and defaults hold. */
  readonly file: string | undefined;
  readonly runAs: RunAs | undefined;
}

/**
 * Reads the configuration: the file that is named, `BTAR_CONFIG`, `./btar.yaml`, or defaults.
 * @throws {BtarError} INVALID_CONFIGURATION
 */
export async function loadConfiguration(named: string | undefined): Promise<LoadedConfiguration> {
  const asked = named ?? process.env["BTAR_CONFIG"];
  const path = resolve(asked ?? defaultFile);
  const text = await readTextIfThere(path);
  if (text === undefined && asked !== undefined) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `there is no configuration file ${path}`,
      hint: "name one with --config, or leave it out to use defaults",
    });
  }
  const options = { file: asked ?? defaultFile, baseDirectory: dirname(path) };
  const first = readConfiguration(text ?? "", { ...options, defaultDataDirectory: "./btar-data" });
  const runAs = await resolveRunAs(first.runAs);
  if (text !== undefined && /^data_dir:/m.test(text)) {
    await checkTraversable(first.dataDirectory, runAs);
    return { configuration: first, file: path, runAs };
  }
  const configuration = (await isReachable(first.dataDirectory, runAs))
    ? first
    : readConfiguration(text ?? "", { ...options, defaultDataDirectory: rootDataDirectory });
  return { configuration, file: text === undefined ? undefined : path, runAs };
}

/** Database servers must reach their files; as root, a home directory usually keeps their user out. */
async function isReachable(directory: string, runAs: RunAs | undefined): Promise<boolean> {
  try {
    await checkTraversable(directory, runAs);
    return true;
  } catch (error) {
    if (isBtarError(error, "INVALID_CONFIGURATION")) return false;
    throw error;
  }
}

/** Where a data directory keeps what several commands need. */
export function dataFiles(dataDirectory: string) {
  return {
    masterKey: process.env["BTAR_MASTER_KEY_FILE"] ?? join(dataDirectory, "keys", "master.key"),
    adminToken: join(dataDirectory, "admin-token"),
    url: join(dataDirectory, "api-url"),
    catalog: join(dataDirectory, "catalog"),
    catalogSecret: join(dataDirectory, "catalog.json"),
    servers: join(dataDirectory, "servers"),
    log: (name: string) => join(dataDirectory, "log", `${name}.log`),
  } as const;
}

/** Makes the data directory; servers pass through it to their own folders, others see nothing in it. */
export async function makeDataDirectory(dataDirectory: string): Promise<void> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o711 });
  await mkdir(join(dataDirectory, "log"), { recursive: true, mode: 0o700 });
  await mkdir(join(dataDirectory, "clouds"), { recursive: true, mode: 0o711 });
}

/**
 * Reads the master key.
 * @param options.create makes it when there is none: for the first start only
 * @returns 32 bytes, and whether it was made now
 */
export async function readMasterKey(
  dataDirectory: string,
  options: { readonly create: boolean },
): Promise<{ readonly key: Buffer; readonly file: string; readonly isNew: boolean }> {
  const file = dataFiles(dataDirectory).masterKey;
  const text = await readTextIfThere(file);
  if (text === undefined) {
    if (!options.create || process.env["BTAR_MASTER_KEY_FILE"] !== undefined) {
      throw new BtarError("KEY_UNAVAILABLE", {
        message: `there is no master key in ${file}`,
        hint: "put the key of this installation there: 64 hex digits, readable by its owner only",
      });
    }
    const key = randomBytes(32);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFileDurably(file, `${key.toString("hex")}\n`, { mode: 0o600 });
    return { key, file, isNew: true };
  }
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) {
    throw new BtarError("KEY_UNAVAILABLE", {
      message: `others can read the master key ${file} (mode ${(mode & 0o777).toString(8)})`,
      hint: `run "chmod 600 ${file}", and consider who may have read it`,
    });
  }
  if (!/^[0-9a-f]{64}\s*$/.test(text)) {
    throw new BtarError("KEY_UNAVAILABLE", { message: `${file} holds no master key`, hint: "it has 64 hex digits" });
  }
  return { key: Buffer.from(text.trim(), "hex"), file, isNew: false };
}

/** The drivers of PostgreSQL. */
export function postgresDrivers(loaded: LoadedConfiguration, logger: Logger) {
  const { configuration, runAs } = loaded;
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

/** A logger to a file that is begun anew when it has grown large; the one before is kept. */
export async function fileLogger(file: string, level: LogLevel): Promise<Logger> {
  const size = (await statIfThere(file))?.size ?? 0;
  if (size > maxLogBytes) await rename(file, `${file}.1`);
  const destination: DestinationStream = pino.destination({ dest: file, mkdir: true, sync: true });
  return createLogger({ level, destination });
}

/** One line for whoever started the program. */
export function sayError(error: unknown): void {
  process.stderr.write(`btar: ${describeError(error)}\n`);
}

/** What is in a small file, trimmed; undefined if there is none. */
export async function readSmallFile(file: string): Promise<string | undefined> {
  const stats = await statIfThere(file);
  return stats ? (await readFile(file, "utf8")).trim() : undefined;
}
