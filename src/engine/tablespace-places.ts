import path from "node:path";
import { BtarError } from "../domain/errors.ts";
import type { TablespaceChoice } from "./server.ts";

/** A directory of a server that lay outside of its data directory. */
export interface OutsideDirectory {
  /** In the backup. */
  readonly path: string;
  /** On the server, absolute. */
  readonly location: string;
  /** What it is called below a directory for all of them. */
  readonly name: string;
  /** Where it goes when nothing was chosen, absolute. */
  readonly usualPlace: string;
}

/**
 * Where a server's directories outside of its data directory go: as mapped, else below the directory for all the others,
 * else to their usual places.
 * @returns by path in the backup, absolute
 * @throws {BtarError} INVALID_INPUT when the choice names a directory that is not there, or two go to one place
 */
export function placesOf(
  filesDirectory: string,
  directories: readonly OutsideDirectory[],
  choice: TablespaceChoice,
): ReadonlyMap<string, string> {
  const known = directories.map(({ location }) => location);
  const unknown = [...choice.mapping.keys()].find((location) => !known.includes(location));
  if (unknown !== undefined) {
    throw new BtarError("INVALID_INPUT", {
      message: `the base backup has no tablespace ${unknown}`,
      hint: known.length > 0 ? `its tablespaces: ${known.join(", ")}` : "it has no tablespaces: map none",
      details: { tablespaces: known },
    });
  }
  const places = new Map<string, string>();
  for (const { path: pathInBackup, location, name, usualPlace } of directories) {
    const mapped = choice.mapping.get(location) ?? (choice.directory && path.join(choice.directory, name));
    const place = mapped ?? usualPlace;
    if (mapped !== undefined) refuseUnfit({ location, place, filesDirectory, taken: [...places.values()] });
    places.set(pathInBackup, path.resolve(place));
  }
  return places;
}

function refuseUnfit(request: {
  readonly location: string;
  readonly place: string;
  readonly filesDirectory: string;
  readonly taken: readonly string[];
}): void {
  const { location, place, filesDirectory, taken } = request;
  const refuse = (why: string) =>
    new BtarError("INVALID_INPUT", {
      message: `tablespace ${location} cannot go to ${place}: ${why}`,
      hint: "give each tablespace a directory of its own, outside of the restored one",
    });
  if (!path.isAbsolute(place)) throw refuse("that is no absolute path");
  if (isWithin(filesDirectory, place)) throw refuse("it lies in the restored directory");
  if (isWithin(place, filesDirectory)) throw refuse("the restored directory lies in it");
  const other = taken.find((each) => isWithin(each, place) || isWithin(place, each));
  if (other !== undefined) throw refuse(`another tablespace goes to ${other}`);
}

function isWithin(outer: string, inner: string): boolean {
  const way = path.relative(outer, inner);
  return way === "" || !(way === ".." || way.startsWith("../") || path.isAbsolute(way));
}
