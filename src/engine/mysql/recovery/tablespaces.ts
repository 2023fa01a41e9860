import path from "node:path";
import type { BaseBackupFacts } from "../../engine.ts";
import type { TablespaceChoice } from "../../server.ts";
import { placesOf } from "../../tablespace-places.ts";
import { recoveryFacts } from "./recovery-facts.ts";

/**
 * Where directories of tables go that the source had outside of its data directory. Without a choice they stay where
 * they are in the backup, below the data directory, which a server looks through by itself.
 * @returns by path in the backup, absolute; only those that are to go elsewhere
 * @throws {BtarError} INVALID_INPUT
 */
export function tablespacePlaces(
  filesDirectory: string,
  facts: BaseBackupFacts,
  choice: TablespaceChoice,
): ReadonlyMap<string, string> {
  const directories = recoveryFacts(facts).externalLocations.map((external) => ({
    ...external,
    name: path.basename(external.path),
    usualPlace: path.join(filesDirectory, external.path),
  }));
  return placesOf(filesDirectory, directories, choice);
}
