import path from "node:path";
import { ensureDirectory, writeFileDurably } from "../../../platform/files.ts";
import { placeOf } from "./external-files.ts";
import type { RecoveryFacts } from "./recovery-facts.ts";
import { wrapKeys } from "./wrap-keys.ts";

const directoryMode = 0o750;
const fileMode = 0o640;

/** A server looks here at its start for what a clone has left to be done, and tells here what it has found. */
export const cloneDirectory = "#clone";

/**
 * With these, the first start makes what a clone does not bring: directories of schemas without tables, and tables of
 * other engines, which are empty.
 */
const marks = ["#replace_files", "#status_fix"] as const;

/** Nothing need be in it, but without it no server can open its data dictionary. */
const requiredDirectory = "mysql";

/**
 * Makes of restored files a data directory that a server can be started on. Can be repeated until one was.
 * @param places of directories of the backup that are not where it has them, absolute
 * @throws {BtarError} OBJECT_DAMAGED
 */
export async function prepareFiles(
  filesDirectory: string,
  facts: RecoveryFacts,
  places: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  await ensureDirectory(filesDirectory, { mode: directoryMode });
  await ensureDirectory(path.join(filesDirectory, requiredDirectory), { mode: directoryMode });
  await wrapKeys((file) => placeOf(filesDirectory, file, places), facts);
  const directory = path.join(filesDirectory, cloneDirectory);
  await ensureDirectory(directory, { mode: directoryMode });
  for (const name of marks) await writeFileDurably(path.join(directory, name), "", { mode: fileMode });
}

/** Whether no server without a keyring opens the files. */
export function needsKeyring({ encryption }: RecoveryFacts): boolean {
  return encryption.files.length > 0 || encryption.isRedoEncrypted;
}

/** Settings by which a server goes on to encrypt what the source did. It needs a keyring for them. */
export function encryptionSettings({ encryption }: RecoveryFacts): Readonly<Record<string, string>> {
  return Object.fromEntries((encryption.settings ?? []).map((name) => [name, "ON"]));
}

/** Settings without which a server does not understand the files. */
export function fileSettings(facts: RecoveryFacts): Readonly<Record<string, string>> {
  return {
    innodb_page_size: String(facts.pageBytes),
    lower_case_table_names: String(facts.lowerCaseTableNames),
    ...(facts.dataFilePath !== "" && { innodb_data_file_path: facts.dataFilePath }),
  };
}
