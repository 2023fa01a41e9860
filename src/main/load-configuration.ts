import { dirname, resolve } from "node:path";
import type { BtarConfiguration } from "../contract/configuration.ts";
import { BtarError, isBtarError } from "../domain/errors.ts";
import { checkTraversable, type RunAs, resolveRunAs } from "../engine/run-as.ts";
import { readTextIfThere } from "../platform/files.ts";
import { readConfiguration } from "./configuration/read-configuration.ts";

const defaultFile = "btar.yaml";
const defaultDataDirectory = "./btar-data";
const rootDataDirectory = "/var/lib/btar";

/** What the command line says of the configuration. */
export interface ConfigurationChoice {
  /** `--config`. */
  readonly config?: string | undefined;
  /** `--insecure-listen`. */
  readonly insecureListen?: boolean | undefined;
}

/** The configuration in force, and where it came from. */
export interface LoadedConfiguration {
  readonly configuration: BtarConfiguration;
  /** Absolute; undefined when there is no file, and defaults hold. */
  readonly file: string | undefined;
  /** Whom database servers run as; undefined: the user of this process. */
  readonly runAs: RunAs | undefined;
  /** `FILE:LINE:COLUMN` of the stores that the file names, by cloud. */
  readonly storePlaces: ReadonlyMap<string, string>;
  /** Why the data is not where one would look first. */
  readonly dataDirectoryNote: string | undefined;
}

/**
 * Reads the configuration: the file that is named, `BTAR_CONFIG`, `./btar.yaml`, or defaults.
 * @throws {BtarError} INVALID_CONFIGURATION
 */
export async function loadConfiguration(choice: ConfigurationChoice): Promise<LoadedConfiguration> {
  const asked = choice.config ?? process.env["BTAR_CONFIG"];
  const file = resolve(asked ?? defaultFile);
  const text = await readTextIfThere(file);
  if (text === undefined && asked !== undefined) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `there is no configuration file ${file}`,
      hint: "name one with --config, or leave it out to use defaults",
    });
  }
  const read = (dataDirectory: string) =>
    readConfiguration(text ?? "", {
      file: asked ?? defaultFile,
      baseDirectory: dirname(file),
      defaultDataDirectory: dataDirectory,
      allowsInsecureListen: choice.insecureListen ?? false,
    });
  const first = read(defaultDataDirectory);
  const runAs = await resolveRunAs(first.configuration.runAs);
  const obstacle = await whyUnreachable(first.configuration.dataDirectory, runAs);
  if (obstacle && (first.isDataDirectoryGiven || runAs === undefined)) throw obstacle;
  const { configuration, storePlaces } = obstacle ? read(rootDataDirectory) : first;
  return {
    configuration,
    file: text === undefined ? undefined : file,
    runAs,
    storePlaces,
    dataDirectoryNote: obstacle?.message,
  };
}

/** Database servers must reach their files; as root, a home directory usually keeps their user out. */
async function whyUnreachable(directory: string, runAs: RunAs | undefined): Promise<BtarError | undefined> {
  try {
    await checkTraversable(directory, runAs);
    return undefined;
  } catch (error) {
    if (isBtarError(error, "INVALID_CONFIGURATION")) return error;
    throw error;
  }
}
