import { rename } from "node:fs/promises";
import { BtarError } from "../../domain/errors.ts";
import { keyIdOf } from "../../platform/secret-box.ts";
import type { KeyFinding } from "./examine-key.ts";
import { type MasterKey, readKeyFile, writeKeyFile } from "./master-key.ts";

/** What became of an import. */
export interface Imported {
  readonly keyId: string;
  readonly file: string;
  /** Where the key is that was in its place; undefined when there was none, or the same. */
  readonly previousFile: string | undefined;
}

/**
 * Puts a key in place, if it opens what there is to open. One that was there before is kept beside it.
 * @throws {BtarError} KEY_UNAVAILABLE naming what it does not open; WRONG_STATE when nothing tells it from the one there
 */
export async function importKey(
  key: Buffer,
  options: {
    readonly file: string;
    readonly findings: readonly KeyFinding[];
    readonly passphrase: string | undefined;
  },
): Promise<Imported> {
  const { file, findings, passphrase } = options;
  const refused = findings.find(({ state }) => state === "refused");
  if (refused) {
    throw new BtarError("KEY_UNAVAILABLE", {
      message: `this key (${keyIdOf(key)}) is not the installation's: ${refused.where}: ${refused.what}`,
      hint: "look for another copy; nothing was changed",
    });
  }
  const known = await knownKey(file);
  const isSame = known instanceof Object && known.key.equals(key);
  const opens = findings.some(({ state }) => state === "opens");
  if (known !== "none" && !isSame && !opens) {
    throw new BtarError("WRONG_STATE", {
      message: `${file} holds another key, and nothing here tells which of the two is right`,
      hint: "start the catalog or make a store reachable, or move that file away",
    });
  }
  const previousFile = known === "none" || isSame ? undefined : `${file}.before-${Date.now()}`;
  if (previousFile !== undefined) await rename(file, previousFile);
  await writeKeyFile(file, key, passphrase);
  return { keyId: keyIdOf(key), file, previousFile };
}

/** One that cannot be read is to be replaced by one that can. */
async function knownKey(file: string): Promise<MasterKey | "none" | "unreadable"> {
  try {
    return (await readKeyFile(file)) ?? "none";
  } catch (error) {
    if (error instanceof BtarError && error.code === "KEY_UNAVAILABLE") return "unreadable";
    throw error;
  }
}
