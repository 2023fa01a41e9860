import { readdir, rename } from "node:fs/promises";
import path from "node:path";
import { lstatIfThere, removeTree, syncDirectory } from "../../../platform/files.ts";
import { externalDirectory } from "../clone/file-place.ts";

/**
 * Where a restored file is.
 * @param places absolute paths of directories of the backup that are not where it has them
 */
export function placeOf(filesDirectory: string, file: string, places: ReadonlyMap<string, string>): string {
  for (const [directory, place] of places) {
    if (file.startsWith(`${directory}/`)) return path.join(place, file.slice(directory.length + 1));
  }
  return path.join(filesDirectory, file);
}

/**
 * Moves what the source had outside of its data directory out of the restored one again, for a server that looks for it
 * there (`innodb_directories`). Can be repeated.
 * @returns where directories of the backup are now; empty when it has none of this kind
 */
export async function moveOut(filesDirectory: string, target: string): Promise<ReadonlyMap<string, string>> {
  const restored = path.join(filesDirectory, externalDirectory);
  if (await lstatIfThere(restored)) {
    await removeTree(target);
    await rename(restored, target);
    await syncDirectory(path.dirname(target));
  }
  return new Map((await lstatIfThere(target)) ? [[externalDirectory, target]] : []);
}

/**
 * Moves the files of general tablespaces into the data directory itself, under free names, where they would lie deeper in
 * it: MySQL does not take them there. Those of single tables it takes anywhere.
 * @param locations directories of the backup, which are where it has them
 */
export async function moveUpGeneralTablespaces(filesDirectory: string, locations: readonly string[]): Promise<void> {
  for (const location of locations) {
    const directory = path.join(filesDirectory, location);
    const entries = (await lstatIfThere(directory)) ? await readdir(directory, { withFileTypes: true }) : [];
    for (const entry of entries.filter((each) => each.isFile())) {
      const isTaken = (await lstatIfThere(path.join(filesDirectory, entry.name))) !== undefined;
      const name = isTaken ? `${path.basename(location)}-${entry.name}` : entry.name;
      await rename(path.join(directory, entry.name), path.join(filesDirectory, name));
    }
  }
  await syncDirectory(filesDirectory);
}
