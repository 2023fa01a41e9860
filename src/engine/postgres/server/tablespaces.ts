import path from "node:path";
import type { BaseBackupFacts } from "../../engine.ts";
import type { TablespaceChoice } from "../../server.ts";
import { placesOf } from "../../tablespace-places.ts";
import { recoveryFacts } from "./backup-facts.ts";

/**
 * Where the tablespaces of a base backup go. Without a choice, they go to `tablespaces/OID` in the data directory
 * itself: PostgreSQL allows for that (a base backup does not take them twice), and a restore has everything in one place.
 * @returns by path in the backup (`pg_tblspc/OID`), absolute
 * @throws {BtarError} INVALID_INPUT
 */
export function tablespacePlaces(
  filesDirectory: string,
  facts: BaseBackupFacts,
  choice: TablespaceChoice,
): ReadonlyMap<string, string> {
  const directories = recoveryFacts(facts).tablespaces.map(({ oid, location }) => {
    const usualPlace = path.join(filesDirectory, "tablespaces", oid);
    return { path: `pg_tblspc/${oid}`, location, name: oid, usualPlace };
  });
  return placesOf(filesDirectory, directories, choice);
}
