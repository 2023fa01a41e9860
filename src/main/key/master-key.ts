import { randomBytes } from "node:crypto";
import { mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Catalog } from "../../catalog/catalog.ts";
import { openAuthorityKey } from "../../catalog/service-secrets.ts";
import { BtarError, isBtarError } from "../../domain/errors.ts";
import { statIfThere, syncDirectory, unlinkIfThere, writeFileDurably } from "../../platform/files.ts";
import { isProtectedKeyText, protectedKeyText, readKeyText } from "../../platform/key-text.ts";
import { dataFiles } from "../data-directory.ts";
import { checked, findPassphrase, givenPassphrase } from "./passphrase.ts";
import { readSecretFile } from "./secret-file.ts";

/** The key that everything secret is sealed with. */
export interface MasterKey {
  /** 32 bytes. */
  readonly key: Buffer;
  /** Where it is kept; undefined when the environment gives the key itself. */
  readonly file: string | undefined;
  /** For messages: the file, or the variable. */
  readonly place: string;
  /** Made just now: the operator must be told to keep a copy. */
  readonly isNew: boolean;
  /** It takes a passphrase to read it where it is kept. */
  readonly isProtected: boolean;
}

/** Where a rotation keeps the key that is to be the next one. */
export function nextKeyFile(dataDirectory: string): string {
  return `${keyFile(dataDirectory)}.next`;
}

/** Where the key is kept, unless the environment gives the key itself. */
export function keyFile(dataDirectory: string): string {
  return process.env["BTAR_MASTER_KEY_FILE"] ?? dataFiles(dataDirectory).masterKey;
}

/**
 * Reads the master key: BTAR_MASTER_KEY holds it, BTAR_MASTER_KEY_FILE names its file, or it is in the data directory.
 * @param options.create makes it when there is none (in the data directory only): for the first start
 * @throws {BtarError} KEY_UNAVAILABLE
 */
export async function readMasterKey(dataDirectory: string, options: { readonly create: boolean }): Promise<MasterKey> {
  const { BTAR_MASTER_KEY: given, BTAR_MASTER_KEY_FILE: named } = process.env;
  if (given !== undefined && named !== undefined) {
    throw new BtarError("INVALID_CONFIGURATION", {
      message: "BTAR_MASTER_KEY and BTAR_MASTER_KEY_FILE are both set",
      hint: "set one of them",
    });
  }
  if (given !== undefined) {
    const place = "BTAR_MASTER_KEY";
    const key = await readKeyText(given, { place, askPassphrase: findPassphrase });
    return { key, file: undefined, place, isNew: false, isProtected: isProtectedKeyText(given) };
  }
  const file = keyFile(dataDirectory);
  const known = await readKeyFile(file);
  if (known) return known;
  if (options.create && named === undefined) return await makeMasterKey(file);
  throw new BtarError("KEY_UNAVAILABLE", {
    message: `there is no master key in ${file}`,
    hint: "put the key of this installation there with `btar key import`",
  });
}

/** @returns undefined when there is no such file; @throws {BtarError} KEY_UNAVAILABLE */
export async function readKeyFile(file: string): Promise<MasterKey | undefined> {
  const text = await readSecretFile(file, "the master key");
  if (text === undefined) return undefined;
  const key = await readKeyText(text, { place: file, askPassphrase: findPassphrase });
  return { key, file, place: file, isNew: false, isProtected: isProtectedKeyText(text) };
}

/** Writes a key to its file, which holds the old one or the new one, whatever happens. */
export async function writeKeyFile(file: string, key: Buffer, passphrase: string | undefined): Promise<void> {
  const text = passphrase === undefined ? `${key.toString("hex")}\n` : await protectedKeyText(key, passphrase);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFileDurably(file, text, { mode: 0o600 });
}

/** Protected at once where the environment gives a passphrase. */
async function makeMasterKey(file: string): Promise<MasterKey> {
  const key = randomBytes(32);
  const given = await givenPassphrase();
  const passphrase = given === undefined ? undefined : checked(given);
  await writeKeyFile(file, key, passphrase);
  return { key, file, place: file, isNew: true, isProtected: passphrase !== undefined };
}

/** Whether the catalog's secrets are sealed with a key; undefined when it has none yet. */
export async function opensCatalog(catalog: Pick<Catalog, "db">, key: Buffer): Promise<boolean | undefined> {
  const project = await catalog.db
    .selectFrom("project")
    .select(["name", "sealed_ca_key"])
    .orderBy("created_at")
    .limit(1)
    .executeTakeFirst();
  if (!project) return undefined;
  try {
    openAuthorityKey(key, project.name, project.sealed_ca_key);
    return true;
  } catch (error) {
    if (isBtarError(error, "KEY_UNAVAILABLE")) return false;
    throw error;
  }
}

/**
 * Makes sure that the catalog was made with this key, before anything is sealed with another. A key made just now
 * that is not the catalog's is taken away again. A rotation that was cut off after the catalog had taken the next key is
 * gone on with, as far as that key is concerned.
 * @returns the key in force: this one, or the next one, which has taken its place
 * @throws {BtarError} KEY_UNAVAILABLE
 */
export async function checkMasterKey(
  catalog: Catalog,
  masterKey: MasterKey,
  dataDirectory: string,
): Promise<MasterKey> {
  const { key, file, place, isNew } = masterKey;
  if ((await opensCatalog(catalog, key)) !== false) return masterKey;
  if (isNew && file !== undefined) {
    await unlinkIfThere(file);
    throw refusal(`there is no master key in ${file}, and the catalog was made with one`, place);
  }
  const nextFile = nextKeyFile(dataDirectory);
  const next = (await statIfThere(nextFile)) && (await readKeyFile(nextFile));
  if (!next || (await opensCatalog(catalog, next.key)) !== true) {
    throw refusal(`the master key in ${place} is not the one that the catalog was made with`, place);
  }
  if (file === undefined) {
    throw new BtarError("KEY_UNAVAILABLE", {
      message: `the master key was rotated, and ${place} still gives the one before`,
      hint: `give the one that is in ${nextFile}, then remove that file`,
    });
  }
  await takeNextKey(nextFile, file);
  return { ...next, file, place: file };
}

/** The next key takes the place of the one before. */
export async function takeNextKey(nextFile: string, file: string): Promise<void> {
  await rename(nextFile, file);
  await syncDirectory(dirname(file));
}

function refusal(message: string, place: string): BtarError {
  return new BtarError("KEY_UNAVAILABLE", {
    message,
    hint: `put the key of this installation into ${place}: without it, no backup can be read`,
  });
}
