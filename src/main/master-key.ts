import { randomBytes } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Catalog } from "../catalog/catalog.ts";
import { BtarError } from "../domain/errors.ts";
import { readTextIfThere, unlinkIfThere, writeFileDurably } from "../platform/files.ts";
import { openSecret } from "../platform/secret-box.ts";
import { dataFiles } from "./data-directory.ts";

/** The key that everything secret is sealed with. */
export interface MasterKey {
  /** 32 bytes. */
  readonly key: Buffer;
  readonly file: string;
  /** Made just now: the operator must be told to keep a copy. */
  readonly isNew: boolean;
}

/**
 * Reads the master key from BTAR_MASTER_KEY_FILE, or from the data directory.
 * @param options.create makes it when there is none (in the data directory only): for the first start
 * @throws {BtarError} KEY_UNAVAILABLE
 */
export async function readMasterKey(dataDirectory: string, options: { readonly create: boolean }): Promise<MasterKey> {
  const named = process.env["BTAR_MASTER_KEY_FILE"];
  const file = named ?? dataFiles(dataDirectory).masterKey;
  const text = await readTextIfThere(file);
  if (text === undefined) {
    if (options.create && named === undefined) return await makeMasterKey(file);
    throw new BtarError("KEY_UNAVAILABLE", {
      message: `there is no master key in ${file}`,
      hint: "put the key of this installation there: 64 hex digits, readable by its owner only",
    });
  }
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) {
    throw new BtarError("KEY_UNAVAILABLE", {
      message: `others can read the master key ${file} (mode ${(mode & 0o777).toString(8)})`,
      hint: `run "chmod 600 ${file}", and consider who may have read it`,
    });
  }
  if (!/^[0-9a-f]{64}\s*$/i.test(text)) {
    throw new BtarError("KEY_UNAVAILABLE", { message: `${file} holds no master key`, hint: "it has 64 hex digits" });
  }
  return { key: Buffer.from(text.trim(), "hex"), file, isNew: false };
}

async function makeMasterKey(file: string): Promise<MasterKey> {
  const key = randomBytes(32);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFileDurably(file, `${key.toString("hex")}\n`, { mode: 0o600 });
  return { key, file, isNew: true };
}

/**
 * Makes sure that the catalog was made with this key, before anything is sealed with another. A key made just now
 * that is not the catalog's is taken away again.
 * @throws {BtarError} KEY_UNAVAILABLE
 */
export async function checkMasterKey(catalog: Catalog, { key, file, isNew }: MasterKey): Promise<void> {
  const project = await catalog.db
    .selectFrom("project")
    .select(["name", "sealed_ca_key"])
    .orderBy("created_at")
    .limit(1)
    .executeTakeFirst();
  if (!project) return;
  try {
    openSecret(key, `project-ca ${project.name}`, project.sealed_ca_key);
  } catch (cause) {
    if (isNew) await unlinkIfThere(file);
    throw new BtarError("KEY_UNAVAILABLE", {
      message: isNew
        ? `there is no master key in ${file}, and the catalog was made with one`
        : `the master key in ${file} is not the one that the catalog was made with`,
      hint: `put the key of this installation into ${file}: without it, no backup can be read`,
      cause,
    });
  }
}
