import { open, readdir, readlink, realpath, symlink } from "node:fs/promises";
import path from "node:path";
import { BtarError, isBtarError } from "../../../domain/errors.ts";
import {
  ensureDirectory,
  lstatIfThere,
  readTextIfThere,
  statIfThere,
  unlinkIfThere,
  writeFileDurably,
} from "../../../platform/files.ts";
import { runProgram } from "../../../platform/process.ts";
import type { RunAs } from "../../run-as.ts";
import { ensureServerOwned, type ServerDirectory } from "./directory.ts";
import { keyringComponent, type MysqlInstallation } from "./installations.ts";

/** What else a program or library finds by where it is: libraries of MySQL's own. */
const privateLibraries = "private";

const linksMode = 0o755;

/**
 * Gives a server a keyring of its own, for encrypted tables. Which keyring it loads, a server reads beside its program,
 * and where the keys are, beside its plugins. So it is started by links in its own directory, and the installation stays
 * as it is.
 *
 * To be called at each start: the installation may be another one by now.
 * @returns the installation, as the server is to be started; without a keyring where it has none to give
 */
export async function withKeyring(
  directory: ServerDirectory,
  installation: MysqlInstallation,
  runAs: RunAs | undefined,
): Promise<MysqlInstallation> {
  if (installation.keyring !== "of-each-server") return installation;
  const program = path.join(directory.programs, "bin", path.basename(installation.program));
  const pluginDirectory = path.join(directory.programs, "lib", "plugin");
  await ensureDirectory(directory.programs, { mode: linksMode });
  await linkPrograms(installation, { program, pluginDirectory });
  // A program that is a script may look for its parts where it was called, and not pass on how.
  if (!(await tellsItsPlace(program, runAs))) return { ...installation, keyring: "none" };
  await ensureText(path.join(path.dirname(program), "mysqld.my"), { components: `file://${keyringComponent}` });
  const settings = { path: directory.keyring, read_only: false };
  await ensureText(path.join(pluginDirectory, `${keyringComponent}.cnf`), settings);
  await ensureServerOwned(path.dirname(directory.keyring), runAs);
  // The server would make it for its group to read.
  if (!(await lstatIfThere(directory.keyring))) {
    await writeFileDurably(directory.keyring, "", { mode: 0o600, owner: runAs });
  }
  return { ...installation, program, pluginDirectory };
}

/** MySQL writes its keys without making them durable. */
export async function syncKeyring(directory: ServerDirectory): Promise<void> {
  if (!(await lstatIfThere(directory.keyring))) return;
  for (const place of [directory.keyring, path.dirname(directory.keyring)]) {
    const handle = await open(place, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

/** @throws {BtarError} SERVER_BINARIES_MISSING */
export function requireKeyring({ keyring, version, basedir, pluginDirectory }: MysqlInstallation): void {
  if (keyring !== "none") return;
  throw new BtarError("SERVER_BINARIES_MISSING", {
    message: `data of the base backup is encrypted, and MySQL ${version} in ${basedir} has no keyring to open it with`,
    hint:
      `install ${keyringComponent}.so in ${pluginDirectory}; or let engines.mysql.basedir name an installation that ` +
      "has it, and whose mysqld is no script",
    details: { basedir },
  });
}

async function linkPrograms(
  installation: MysqlInstallation,
  { program, pluginDirectory }: Pick<MysqlInstallation, "program" | "pluginDirectory">,
): Promise<void> {
  const libraries = await realpath(installation.pluginDirectory);
  const ownLibraries = path.join(path.dirname(libraries), privateLibraries);
  const plugins = (await readdir(libraries)).filter((name) => !name.endsWith(".cnf"));
  await ensureLinks(path.dirname(program), [installation.program]);
  await ensureLinks(path.dirname(pluginDirectory), (await statIfThere(ownLibraries)) ? [ownLibraries] : []);
  const targets = plugins.map((name) => path.join(libraries, name));
  await ensureLinks(pluginDirectory, targets);
}

/** Has a directory hold links to all of `targets`, under their names, and none to others. */
async function ensureLinks(directory: string, targets: readonly string[]): Promise<void> {
  await ensureDirectory(directory, { mode: linksMode });
  const wanted = new Map(targets.map((target) => [path.basename(target), target]));
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const link = path.join(directory, entry.name);
    if ((await readlink(link)) === wanted.get(entry.name)) wanted.delete(entry.name);
    else await unlinkIfThere(link);
  }
  for (const [name, target] of wanted) await symlink(target, path.join(directory, name));
}

/** A server says its version under the name by which it was called. */
async function tellsItsPlace(program: string, runAs: RunAs | undefined): Promise<boolean> {
  try {
    const { stdout } = await runProgram(program, ["--no-defaults", "--version"], { timeoutMs: 10_000, user: runAs });
    return stdout.startsWith(`${program} `);
  } catch (error) {
    if (isBtarError(error, "COMMAND_FAILED")) return false;
    throw error;
  }
}

/** The server warns of such files when it may write to them. */
async function ensureText(file: string, content: Readonly<Record<string, unknown>>): Promise<void> {
  const text = `${JSON.stringify(content)}\n`;
  if ((await readTextIfThere(file)) !== text) await writeFileDurably(file, text, { mode: 0o444 });
}
