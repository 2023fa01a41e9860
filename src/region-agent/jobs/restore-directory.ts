import { lstat, mkdir, readdir, readlink, realpath, rm } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { BtarError } from "../../domain/errors.ts";
import { lstatIfThere, readTextIfThere, syncDirectory, unlinkIfThere, writeFileDurably } from "../../platform/files.ts";
import type { AgentEnvironment } from "../environment.ts";

/**
 * In a directory that is being restored: whose restore it is, and which other directories it writes to. While it is
 * there, the restore is not complete.
 */
export const unfinishedMark = "btar.restore-unfinished";

interface Mark {
  readonly jobId: string;
  /** Directories outside of this one that were empty or absent when the restore began, or the server's own. */
  readonly places: readonly string[];
}

/** A directory of this host that a job restores into, and those that tablespaces go to. */
export class RestoreDirectory {
  readonly path: string;
  readonly #mark: string;
  readonly #allowed: readonly string[] | undefined;

  private constructor(path: string, allowed: readonly string[] | undefined) {
    this.path = path;
    this.#mark = join(path, unfinishedMark);
    this.#allowed = allowed;
  }

  /**
   * @param wanted absolute; its parent exists, and `restore_roots` allows it
   * @throws {BtarError} INVALID_INPUT
   */
  static async find(env: AgentEnvironment, wanted: string): Promise<RestoreDirectory> {
    const allowed = env.configuration.restoreRoots;
    const place = await checkedPlace(env, wanted, allowed);
    const found = await lstatIfThere(place);
    if (found && !found.isDirectory())
      throw refuse(wanted, "is no directory", "give one, or a path that does not exist");
    return new RestoreDirectory(place, allowed);
  }

  /** Whether a restore into it was begun and did not end. */
  async isUnfinished(): Promise<boolean> {
    return (await this.#readMark()) !== undefined;
  }

  /** Whether there is nothing in it but the mark. */
  async isEmpty(): Promise<boolean> {
    return (await namesIn(this.path)).every((name) => name === unfinishedMark);
  }

  /** Removes what an earlier attempt of the same job has written; it had found everything empty. */
  async removeAttempt(jobId: string): Promise<void> {
    const mark = await this.#readMark();
    if (mark?.jobId !== jobId) return;
    for (const place of mark.places) await emptyDirectory(place);
    await emptyDirectory(this.path);
  }

  /**
   * Notes that a restore begins.
   * @param places of tablespaces, by their path in the backup
   * @param options.isOver what is there is this server's, and may be written over
   * @throws {BtarError} INVALID_INPUT, TARGET_DIRECTORY_NOT_EMPTY
   */
  async begin(
    jobId: string,
    places: ReadonlyMap<string, string>,
    options: { readonly isOver: boolean },
  ): Promise<void> {
    const outside = [...places].filter(([, place]) => !isInside(this.path, place));
    const earlier = (await this.#readMark())?.places ?? [];
    for (const [name, place] of outside) {
      await refuseForbidden(place, this.#allowed);
      const isOwn = options.isOver && (earlier.includes(place) || (await this.#linksTo(name, place)));
      const [found] = isOwn ? [] : await namesIn(place);
      if (found === undefined) continue;
      throw new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
        message: `${place} is not empty: a tablespace cannot be restored into it`,
        hint: options.isOver
          ? "only a directory that the restored server's pg_tblspc leads to may hold something"
          : "map the tablespace to a directory that is empty or does not exist yet",
      });
    }
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    const mark: Mark = { jobId, places: outside.map(([, place]) => place) };
    await writeFileDurably(this.#mark, `${JSON.stringify(mark)}\n`, { mode: 0o600 });
    await syncDirectory(dirname(this.path));
  }

  /** Notes that the restore is complete. */
  async complete(): Promise<void> {
    await unlinkIfThere(this.#mark);
    await syncDirectory(this.path);
  }

  async #linksTo(name: string, place: string): Promise<boolean> {
    const link = join(this.path, name);
    const status = await lstatIfThere(link);
    return status?.isSymbolicLink() === true && resolve(dirname(link), await readlink(link)) === place;
  }

  async #readMark(): Promise<Mark | undefined> {
    if (!(await lstatIfThere(this.#mark))?.isFile()) return undefined;
    try {
      const mark: unknown = JSON.parse((await readTextIfThere(this.#mark)) ?? "");
      if (isMark(mark)) return mark;
    } catch {
      // Not written by btar; refused below.
    }
    throw new BtarError("TARGET_DIRECTORY_NOT_EMPTY", {
      message: `${this.#mark} does not hold what btar writes there`,
      hint: "restore into another directory, or remove that file if you know what the directory holds",
    });
  }
}

/** The path with its parent's links followed. */
async function checkedPlace(
  env: AgentEnvironment,
  wanted: string,
  allowed: readonly string[] | undefined,
): Promise<string> {
  if (!isAbsolute(wanted)) {
    throw refuse(wanted, "is no absolute path", "give the directory's full path on the agent's host");
  }
  const parent = await realpath(dirname(wanted)).catch((cause: unknown) => {
    throw new BtarError("INVALID_INPUT", {
      message: `${dirname(wanted)} does not exist on the host of the agent of ${env.cloud}`,
      hint: "make it first",
      cause,
    });
  });
  const place = join(parent, basename(wanted));
  if (allowed && !allowed.some((root) => isInside(root, place))) throw notAllowed(wanted, allowed);
  return place;
}

async function refuseForbidden(place: string, allowed: readonly string[] | undefined): Promise<void> {
  if (!allowed) return;
  let existing = place;
  while (!(await lstatIfThere(existing))) existing = dirname(existing);
  const real = join(await realpath(existing), relative(existing, place));
  if (!allowed.some((root) => isInside(root, real))) throw notAllowed(place, allowed);
}

function refuse(wanted: string, what: string, hint: string): BtarError {
  return new BtarError("INVALID_INPUT", { message: `${wanted} ${what}`, hint });
}

function notAllowed(place: string, allowed: readonly string[]): BtarError {
  return refuse(place, "is not below any of restore_roots", `allowed: ${allowed.join(", ")}`);
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== "" && way !== ".." && !way.startsWith("../") && !isAbsolute(way);
}

function isMark(value: unknown): value is Mark {
  if (typeof value !== "object" || value === null || !("jobId" in value) || !("places" in value)) return false;
  const { jobId, places } = value;
  return typeof jobId === "string" && Array.isArray(places) && places.every((place) => typeof place === "string");
}

async function namesIn(directory: string): Promise<readonly string[]> {
  const status = await lstatIfThere(directory);
  return status ? await readdir(directory) : [];
}

/** The mark goes last, so that what a crash leaves is still known to be ours. */
async function emptyDirectory(directory: string): Promise<void> {
  if (!(await lstatIfThere(directory))) return;
  if (!(await lstat(directory)).isDirectory()) return;
  const names = await readdir(directory);
  for (const name of names.filter((each) => each !== unfinishedMark)) {
    await rm(join(directory, name), { recursive: true, force: true });
  }
  await unlinkIfThere(join(directory, unfinishedMark));
}
