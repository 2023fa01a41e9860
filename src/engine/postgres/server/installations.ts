import { randomBytes } from "node:crypto";
import { constants, type Dirent } from "node:fs";
import { copyFile, mkdir, open, readdir, readFile, rename, stat, symlink } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { BtarError, describeError } from "../../../domain/errors.ts";
import { isErrno } from "../../../platform/errno.ts";
import { ensureDirectory, removeTree, statIfThere, syncDirectory } from "../../../platform/files.ts";
import { isProcessAlive, runProgram } from "../../../platform/process.ts";
import type { ServerInstallation } from "../../server.ts";

/** The versions that btar knows how to run, newest first. */
const supportedMajorVersions = ["18", "17", "16", "15", "14"] as const;

/** Where the programs of a version are, from the configuration: `{ "17": { basedir: "/usr/lib/postgresql/17" } }`. */
export type ConfiguredBasedirs = Readonly<Record<string, { readonly basedir: string }>>;

interface NpmPackage {
  readonly directory: string;
  /** Its own version, such as `18.4.0-beta.17`. */
  readonly packageVersion: string;
}

const copiesAtOnce = 8;

/** Server programs on this host: of the configuration, else of the npm packages that came with btar. */
export class ServerInstallations {
  readonly #serversDirectory: string;
  readonly #configuredBasedirs: ConfiguredBasedirs;

  /** @param options.serversDirectory where programs of npm packages are installed to, such as DATA/servers */
  constructor(options: { readonly serversDirectory: string; readonly configuredBasedirs: ConfiguredBasedirs }) {
    this.#serversDirectory = options.serversDirectory;
    this.#configuredBasedirs = options.configuredBasedirs;
  }

  /**
   * All that there are, newest first. Those of npm packages need not be installed yet: see `require`.
   * @throws {BtarError} INVALID_CONFIGURATION when a configured one is not what it should be
   */
  async list(): Promise<readonly ServerInstallation[]> {
    const all = await Promise.all(supportedMajorVersions.map((majorVersion) => this.#find(majorVersion)));
    return all.filter((installation) => installation !== undefined);
  }

  /**
   * The programs of a version, ready to run.
   * @throws {BtarError} SERVER_BINARIES_MISSING
   */
  async require(majorVersion: string): Promise<ServerInstallation> {
    const installation = await this.#find(majorVersion);
    if (!installation) throw missing(majorVersion, await this.list());
    if (installation.origin === "npm package") await this.#install(majorVersion, installation.basedir);
    return installation;
  }

  async #find(majorVersion: string): Promise<ServerInstallation | undefined> {
    const configured = this.#configuredBasedirs[majorVersion];
    if (configured) return await checkConfigured(majorVersion, configured.basedir);
    const found = await findNpmPackage(majorVersion);
    if (!found) return undefined;
    return {
      majorVersion,
      version: found.packageVersion.split(".").slice(0, 2).join("."),
      basedir: path.join(this.#serversDirectory, `postgres-${found.packageVersion}-${platform()}`),
      origin: "npm package",
    };
  }

  /** Any number of processes may do this at once: the first to finish wins, the others throw theirs away. */
  async #install(majorVersion: string, basedir: string): Promise<void> {
    if (await statIfThere(basedir)) return;
    const found = await findNpmPackage(majorVersion);
    if (!found) throw missing(majorVersion, await this.list());
    await ensureDirectory(this.#serversDirectory, { mode: 0o755 });
    await removeAbandoned(basedir);
    const temporary = `${basedir}.${process.pid}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      await copyPrograms(found.directory, temporary);
      await rename(temporary, basedir);
      await syncDirectory(this.#serversDirectory);
    } catch (error) {
      await removeTree(temporary);
      if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error;
    }
  }
}

/** Removes half-made copies of processes that are gone. */
async function removeAbandoned(basedir: string): Promise<void> {
  const parent = path.dirname(basedir);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${path.basename(basedir)}.`)) continue;
    const pid = Number(/\.(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name)?.[1]);
    if (pid > 0 && !isProcessAlive(pid)) await removeTree(path.join(parent, name));
  }
}

async function findNpmPackage(majorVersion: string): Promise<NpmPackage | undefined> {
  try {
    const entryPoint = fileURLToPath(import.meta.resolve(`postgres-${majorVersion}-${platform()}`));
    const directory = path.dirname(path.dirname(entryPoint)); // the entry point is dist/index.js
    const description: unknown = JSON.parse(await readFile(path.join(directory, "package.json"), "utf8"));
    return { directory, packageVersion: versionOf(description, directory) };
  } catch (error) {
    // An optional dependency: npm leaves it out on other platforms.
    if (isErrno(error, "ERR_MODULE_NOT_FOUND", "ENOENT")) return undefined;
    throw error;
  }
}

function versionOf(description: unknown, directory: string): string {
  if (typeof description === "object" && description !== null && "version" in description) {
    const { version } = description;
    if (typeof version === "string" && /^\d+\.\d+[-.\w]*$/.test(version)) return version;
  }
  throw new BtarError("SERVER_BINARIES_MISSING", {
    message: `the package in ${directory} does not tell its version`,
    hint: "install btar's packages again with npm ci",
  });
}

/**
 * Copies the programs of a package, readable by everyone and durable, and makes the links that npm packages cannot
 * hold. The package's install script makes them too, but npm may be told not to run such scripts.
 */
async function copyPrograms(packageDirectory: string, target: string): Promise<void> {
  const source = path.join(packageDirectory, "native");
  const entries = await readdir(source, { recursive: true, withFileTypes: true });
  const targetOf = (entry: Dirent) => path.join(target, path.relative(source, path.join(entry.parentPath, entry.name)));
  await ensureDirectory(target, { mode: 0o755 });
  for (const entry of entries) {
    if (entry.isDirectory()) await ensureDirectory(targetOf(entry), { mode: 0o755 });
  }
  const files = entries.filter((entry) => entry.isFile());
  const copyNext = async () => {
    for (let entry = files.pop(); entry; entry = files.pop()) {
      await copyReadable(path.join(entry.parentPath, entry.name), targetOf(entry));
    }
  };
  await Promise.all(Array.from({ length: copiesAtOnce }, copyNext));
  await makeLinks(packageDirectory, target);
}

async function copyReadable(source: string, target: string): Promise<void> {
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  const isProgram = ((await stat(source)).mode & 0o100) !== 0;
  const handle = await open(target, "r");
  try {
    await handle.chmod(isProgram ? 0o755 : 0o644);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `pg-symlinks.json` lists `{ source, target }`: `target` is the link. Both are relative to the package. */
async function makeLinks(packageDirectory: string, target: string): Promise<void> {
  const text = await readFile(path.join(packageDirectory, "native", "pg-symlinks.json"), "utf8");
  const links: readonly { readonly source: string; readonly target: string }[] = JSON.parse(text);
  for (const link of links) {
    const file = path.join(target, path.relative("native", link.target));
    await mkdir(path.dirname(file), { recursive: true });
    try {
      await symlink(path.relative(path.dirname(link.target), link.source), file);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error; // the install script ran and left a file of that name
    }
  }
}

async function checkConfigured(majorVersion: string, basedir: string): Promise<ServerInstallation> {
  const program = path.join(basedir, "bin", "postgres");
  const version = await askVersion(program).catch((cause: unknown) => {
    throw notConfigured(majorVersion, describeError(cause), cause);
  });
  if (version?.split(".")[0] !== majorVersion) {
    throw notConfigured(majorVersion, `${program} is version ${version ?? "unknown"}`);
  }
  return { majorVersion, version, basedir, origin: "configuration" };
}

async function askVersion(program: string): Promise<string | undefined> {
  const { stdout } = await runProgram(program, ["--version"], { timeoutMs: 10_000 });
  return /^postgres \(PostgreSQL\) (\d+(?:\.\d+|\w+))/.exec(stdout)?.[1]; // 18.4, 19beta1
}

function notConfigured(majorVersion: string, reason: string, cause?: unknown): BtarError {
  return new BtarError("INVALID_CONFIGURATION", {
    message: `engines.pg.${majorVersion}.basedir: ${reason}`,
    hint: `give the directory that holds bin/postgres of version ${majorVersion}, such as /usr/lib/postgresql/${majorVersion}`,
    cause,
  });
}

function missing(majorVersion: string, present: readonly ServerInstallation[]): BtarError {
  const list = present.map((each) => `${each.majorVersion} (${each.version})`).join(", ") || "none";
  return new BtarError("SERVER_BINARIES_MISSING", {
    message: `this host has no PostgreSQL ${majorVersion}; it has ${list}`,
    hint: `set engines.pg.${majorVersion}.basedir to an installed one, or choose a version that is there`,
    details: { majorVersion, present: present.map((each) => each.majorVersion) },
  });
}

/** As in the names of the packages: `linux-x64`, `darwin-arm64`. */
function platform(): string {
  return `${process.platform}-${process.arch}`;
}
