import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { BtarError } from "../../domain/errors.ts";
import { readTextIfThere } from "../../platform/files.ts";

/**
 * A file that only its owner may read.
 * @param what for the message: `the master key`
 * @returns undefined when there is none
 * @throws {BtarError} KEY_UNAVAILABLE when others can read it
 */
export async function readSecretFile(file: string, what: string): Promise<string | undefined> {
  const text = await readTextIfThere(file);
  if (text === undefined) return undefined;
  const { mode } = await stat(file);
  if ((mode & 0o077) === 0 || isCredential(file)) return text;
  throw new BtarError("KEY_UNAVAILABLE", {
    message: `others can read ${what} ${file} (mode ${(mode & 0o777).toString(8)})`,
    hint: `run "chmod 600 ${file}", and consider who may have read it`,
  });
}

/**
 * systemd closes the directory, and lets the service's user in by an access list, which looks like rights of a group.
 * @see https://systemd.io/CREDENTIALS/
 */
function isCredential(file: string): boolean {
  const directory = process.env["CREDENTIALS_DIRECTORY"];
  return directory !== undefined && dirname(resolve(file)) === resolve(directory);
}
