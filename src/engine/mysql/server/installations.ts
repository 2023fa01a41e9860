import { access, constants } from "node:fs/promises";
import path from "node:path";
import { BtarError, describeError } from "../../../domain/errors.ts";
import { isErrno } from "../../../platform/errno.ts";
import { statIfThere } from "../../../platform/files.ts";
import { runProgram } from "../../../platform/process.ts";
import type { ServerInstallation } from "../../server.ts";

/** The series that btar knows how to run, newest first: those with long-term support. */
const supportedMajorVersions: readonly string[] = ["9.7", "8.4", "8.0"];

/** Server programs, with all that a server must be told of where its parts are. */
export interface MysqlInstallation extends ServerInstallation {
  /** Path of `mysqld`. */
  readonly program: string;
  readonly pluginDirectory: string;
  /** Holds `english/errmsg.sys` and `charsets/Index.xml`. */
  readonly shareDirectory: string;
  /**
   * Where a server's master keys are: in a keyring that btar sets up for each server, in the one that the installation
   * has all of its servers load (`mysqld.my` beside the program), or nowhere.
   */
  readonly keyring: "of-each-server" | "of-installation" | "none";
}

/** Keeps keys in a file. It came with 8.0.24. */
export const keyringComponent = "component_keyring_file";

export interface InstallationPlaces {
  /** From the configuration, `engines.mysql.basedir`: of different series. */
  readonly configuredBasedirs: readonly string[];
  /** Where scripts/servers/mysql.sh of the project puts them: its `.cache/servers/mysql/basedir`. */
  readonly projectBasedir: string;
  /** Directories of programs, as in PATH. */
  readonly searchPath: readonly string[];
}

/** What MySQL's own archives, and packages of distributions, call the places within a basedir. */
const programNames = ["bin/mysqld", "sbin/mysqld"];
const pluginDirectories = ["lib/plugin", "lib/mysql/plugin", "lib64/mysql/plugin"];
const shareDirectories = ["share", "share/mysql", "share/mysql-9.7", "share/mysql-8.4", "share/mysql-8.0"];

/** Server programs on this host: of the configuration, then the project's own, then those in PATH. */
export class ServerInstallations {
  readonly #places: InstallationPlaces;

  constructor(places: InstallationPlaces) {
    this.#places = places;
  }

  /**
   * All that there are, newest first; of one series, the one found first.
   * @throws {BtarError} INVALID_CONFIGURATION when the configured one is not what it should be
   */
  async list(): Promise<readonly MysqlInstallation[]> {
    const found = [...(await this.#configured()), ...(await this.#others())];
    const bySeries = new Map<string, MysqlInstallation>();
    for (const each of found) if (!bySeries.has(each.majorVersion)) bySeries.set(each.majorVersion, each);
    return supportedMajorVersions.flatMap((majorVersion) => bySeries.get(majorVersion) ?? []);
  }

  /** @throws {BtarError} SERVER_BINARIES_MISSING, INVALID_CONFIGURATION */
  async require(majorVersion: string): Promise<MysqlInstallation> {
    const all = await this.list();
    const installation = all.find((each) => each.majorVersion === majorVersion);
    if (installation) return installation;
    const present = all.map((each) => `${each.majorVersion} (${each.version}, ${each.origin})`).join(", ") || "none";
    throw new BtarError("SERVER_BINARIES_MISSING", {
      message: `this host has no MySQL ${majorVersion}; it has ${present}`,
      hint:
        "run scripts/servers/mysql.sh for MySQL 9.7, install it from a package, or set engines.mysql.basedir to the " +
        "directory that holds bin/mysqld",
      details: { majorVersion, present: all.map((each) => each.majorVersion) },
    });
  }

  async #configured(): Promise<readonly MysqlInstallation[]> {
    return await Promise.all(
      this.#places.configuredBasedirs.map(async (basedir) => {
        const installation = await inspect(basedir, "configuration").catch((cause: unknown) => {
          throw notConfigured(describeError(cause), cause);
        });
        if (installation) return installation;
        throw notConfigured(
          `${basedir} holds no MySQL ${supportedMajorVersions.join(", ")} with its plugins and messages`,
        );
      }),
    );
  }

  /** What is there but cannot be used, such as a MariaDB, is passed over. */
  async #others(): Promise<readonly MysqlInstallation[]> {
    const candidates = [
      { basedir: this.#places.projectBasedir, origin: "scripts/servers/mysql.sh" },
      ...this.#places.searchPath.map((folder) => ({ basedir: path.dirname(folder), origin: "PATH" })),
    ];
    const found: MysqlInstallation[] = [];
    for (const { basedir, origin } of candidates) {
      const installation = await inspect(basedir, origin).catch((error: unknown) => {
        if (error instanceof BtarError) return undefined;
        throw error;
      });
      if (installation) found.push(installation);
    }
    return found;
  }
}

/** Options by which a program of an installation finds its parts; they go after `--defaults-file`. */
export function programArguments(installation: MysqlInstallation): readonly string[] {
  return [
    `--basedir=${installation.basedir}`,
    `--plugin-dir=${installation.pluginDirectory}`,
    `--lc-messages-dir=${installation.shareDirectory}`,
    `--character-sets-dir=${path.join(installation.shareDirectory, "charsets")}`,
  ];
}

/** @returns `{ majorVersion: "9.7", version: "9.7.4" }`; undefined for another product or series */
export function parseVersion(text: string): { readonly majorVersion: string; readonly version: string } | undefined {
  if (/mariadb/i.test(text)) return undefined;
  const [, version, majorVersion = ""] = /\bVer ((\d+\.\d+)\.\d+)/.exec(text) ?? [];
  if (version === undefined || !supportedMajorVersions.includes(majorVersion)) return undefined;
  return { majorVersion, version };
}

async function inspect(basedir: string, origin: string): Promise<MysqlInstallation | undefined> {
  const program = await firstOf(basedir, programNames, "", isExecutable);
  const pluginDirectory = await firstOf(basedir, pluginDirectories, "mysql_clone.so", exists);
  const shareDirectory = await firstOf(basedir, shareDirectories, "english/errmsg.sys", exists);
  if (program === undefined || pluginDirectory === undefined || shareDirectory === undefined) return undefined;
  const { stdout } = await runProgram(program, ["--no-defaults", "--version"], { timeoutMs: 10_000 });
  const version = parseVersion(stdout);
  if (!version) return undefined;
  const keyring = await keyringOf(program, pluginDirectory);
  return { ...version, basedir, origin, program, pluginDirectory, shareDirectory, keyring };
}

async function keyringOf(program: string, pluginDirectory: string): Promise<MysqlInstallation["keyring"]> {
  if (await exists(path.join(path.dirname(program), "mysqld.my"))) return "of-installation";
  return (await exists(path.join(pluginDirectory, `${keyringComponent}.so`))) ? "of-each-server" : "none";
}

/** The first of `names` below `basedir` in which `content` passes the test. */
async function firstOf(
  basedir: string,
  names: readonly string[],
  content: string,
  test: (file: string) => Promise<boolean>,
): Promise<string | undefined> {
  for (const name of names) if (await test(path.join(basedir, name, content))) return path.join(basedir, name);
  return undefined;
}

async function exists(file: string): Promise<boolean> {
  return (await statIfThere(file)) !== undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES")) return false;
    throw error;
  }
}

function notConfigured(reason: string, cause?: unknown): BtarError {
  return new BtarError("INVALID_CONFIGURATION", {
    message: `engines.mysql.basedir: ${reason}`,
    hint: "give the directory that holds bin/mysqld, lib/plugin and share, such as /usr/local/mysql or /usr",
    cause,
  });
}
