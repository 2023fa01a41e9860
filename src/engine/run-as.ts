import { constants } from "node:fs";
import { access, readFile, realpath, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { BtarError } from "../domain/errors.ts";
import { isErrno } from "../platform/errno.ts";
import type { ProcessUser } from "../platform/process.ts";

/** The unprivileged user that servers run as when btar runs as root: they refuse to run as root. */
export interface RunAs extends ProcessUser {
  readonly name: string;
}

const defaultNames = ["btar", "nobody"];

/**
 * Chooses whom servers run as.
 * @param configuredName a user of this host; without it, `btar` if there is such a user, else `nobody`
 * @returns undefined when this process is not root: servers then run as its own user
 * @throws {BtarError} INVALID_CONFIGURATION
 */
export async function resolveRunAs(configuredName: string | undefined): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) {
    refuseOtherUser(configuredName);
    return undefined;
  }
  // PostgreSQL's programs look their user up by themselves, so an entry in /etc/passwd is a must.
  const users = parsePasswd(await readFile("/etc/passwd", "utf8"));
  const names = configuredName === undefined ? defaultNames : [configuredName];
  const user = names.flatMap((name) => users.get(name) ?? [])[0];
  if (!user || user.uid === 0) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: user
        ? `run_as: database servers cannot run as ${user.name}, which has the rights of root`
        : `run_as: this host has no user ${names.map((name) => `"${name}"`).join(" or ")}`,
      hint: "make one (useradd --system btar), or set run_as to an unprivileged user of /etc/passwd",
    });
  }
  return user;
}

/**
 * Makes sure that servers can reach a directory: every directory above it, as far as it exists, lets their user
 * through.
 * @throws {BtarError} INVALID_CONFIGURATION naming the one that does not, and how to mend it
 */
export async function checkTraversable(directory: string, runAs: RunAs | undefined): Promise<void> {
  for (const ancestor of ancestorsOf(await realExistingPath(path.resolve(directory)))) {
    if (await canEnter(ancestor, runAs)) continue;
    throw new BtarError("INVALID_CONFIGURATION", {
      message: `user ${runAs?.name ?? os.userInfo().username}, which database servers run as, cannot enter ${ancestor}`,
      hint: `run "chmod o+x ${ancestor}", or choose another data_dir, such as /var/lib/btar`,
      details: { directory, blockedBy: ancestor },
    });
  }
}

/** @returns users by name, of the text of an /etc/passwd */
export function parsePasswd(text: string): ReadonlyMap<string, RunAs> {
  const users = new Map<string, RunAs>();
  for (const line of text.split("\n")) {
    const [name, , uid, gid] = line.split(":");
    if (!name || name.startsWith("#") || !isId(uid) || !isId(gid)) continue;
    users.set(name, { name, uid: unsigned(uid), gid: unsigned(gid) });
  }
  return users;
}

function refuseOtherUser(name: string | undefined): void {
  if (name === undefined || name === os.userInfo().username) return;
  throw new BtarError("INVALID_CONFIGURATION", {
    message: `run_as: only root can run database servers as another user, here "${name}"`,
    hint: "start btar as root, or remove run_as",
  });
}

async function canEnter(directory: string, runAs: RunAs | undefined): Promise<boolean> {
  if (!runAs) {
    return await access(directory, constants.X_OK).then(
      () => true,
      () => false,
    );
  }
  const { uid, gid, mode } = await stat(directory);
  if (uid === runAs.uid) return (mode & 0o100) !== 0;
  // Servers are started without supplementary groups.
  return (mode & (gid === runAs.gid ? 0o010 : 0o001)) !== 0;
}

/** Links resolved; what does not exist yet is left out. */
async function realExistingPath(directory: string): Promise<string> {
  try {
    return await realpath(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return await realExistingPath(path.dirname(directory));
    throw error;
  }
}

/** From the root down to the directory itself. */
function ancestorsOf(directory: string): string[] {
  const parent = path.dirname(directory);
  return parent === directory ? [directory] : [...ancestorsOf(parent), directory];
}

function isId(text: string | undefined): text is string {
  return text !== undefined && /^-?\d+$/.test(text);
}

/** macOS writes the ids of `nobody` as -2. */
function unsigned(text: string): number {
  return Number(text) >>> 0;
}
