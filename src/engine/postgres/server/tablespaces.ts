import path from "node:path";
import { BtarError } from "../../../domain/errors.ts";
import type { BaseBackupFacts } from "../../engine.ts";
import type { TablespaceChoice } from "../../server.ts";
import { recoveryFacts } from "./backup-facts.ts";

/**
 * Where the tablespaces of a base backup go: as mapped, else below the directory for all the others, else to
 * `tablespaces/OID` in the data directory itself. PostgreSQL allows for that (a base backup does not take them twice),
 * and a restore has everything in one place.
 * @returns by path in the backup (`pg_tblspc/OID`), absolute
 * @throws {BtarError} INVALID_INPUT when the choice names a tablespace that is not there, or two go to one place
 */
export function tablespacePlaces(
  filesDirectory: string,
  facts: BaseBackupFacts,
  choice: TablespaceChoice,
): ReadonlyMap<string, string> {
  const { tablespaces } = recoveryFacts(facts);
  const known = tablespaces.map(({ location }) => location);
  const unknown = [...choice.mapping.keys()].find((location) => !known.includes(location));
  if (unknown !== undefined) {
    throw new BtarError("INVALID_INPUT", {
      message: `the base backup has no tablespace ${unknown}`,
      hint: known.length > 0 ? `its tablespaces: ${known.join(", ")}` : "it has no tablespaces: map none",
      details: { tablespaces: known },
    });
  }
  const places = new Map<string, string>();
  for (const { oid, location } of tablespaces) {
    const mapped = choice.mapping.get(location) ?? (choice.directory && path.join(choice.directory, oid));
    const place = mapped ?? path.join(filesDirectory, "tablespaces", oid);
    if (mapped !== undefined) refuseUnfit({ location, place, filesDirectory, taken: [...places.values()] });
    places.set(`pg_tblspc/${oid}`, path.resolve(place));
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
