import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import type { Catalog, CatalogDatabase } from "../../catalog/catalog.ts";
import { resealCatalog } from "../../catalog/reseal.ts";
import { BtarError, describeError, isBtarError } from "../../domain/errors.ts";
import type { ObjectStore } from "../../object-store/object-store.ts";
import { keyIdOf } from "../../platform/secret-box.ts";
import { addRecipient, dropOtherRecipients, type WrappedKeys } from "../../repository/rewrap-data-keys.ts";
import { type MasterKey, nextKeyFile, readKeyFile, takeNextKey, writeKeyFile } from "./master-key.ts";

/** Of every command that works with the key; other sessions of btar must have ended before a rotation. */
export const keyApplicationName = "btar key";

/** In the catalog, with the key's id, until no store lets an earlier key in any more. */
const settingKey = "master_key_rotated_to";
/** Of a store with thousands of services; a single answer that does not come is given up sooner by the store itself. */
const storeTimeoutMs = 15 * 60_000;

/** What a rotation works with. */
export interface Rotation {
  readonly catalog: Catalog;
  /** By cloud. */
  readonly stores: ReadonlyMap<string, ObjectStore>;
  readonly masterKey: MasterKey;
  readonly dataDirectory: string;
  /** For the next key's file. */
  readonly passphrase: string | undefined;
  /** Tells the operator. */
  readonly say: (text: string) => void;
}

/** What a rotation has come to. */
export interface RotationResult {
  readonly keyId: string;
  /** Where the key now is. */
  readonly place: string;
  readonly stores: readonly ({ readonly cloud: string } & (WrappedKeys | { readonly trouble: string }))[];
  /** Some store still lets the key before open its backups, for it did not answer. */
  readonly isUnfinished: boolean;
}

/**
 * Gives the installation another master key. Cut off at any point, either key opens everything that is sealed, and
 * `btar up` starts with the one that the catalog has; the same call goes on where it was.
 *
 * 1. The next key is made, and kept beside the one in force. 2. Every data key in every store is wrapped for both.
 * 3. The catalog's secrets are sealed anew, in one transaction. 4. The next key takes the place of the one before.
 * 5. No store lets the one before in any more.
 * @throws {BtarError} WRONG_STATE while btar runs; STORE_UNREACHABLE and its like before anything but the stores has
 *   changed; KEY_UNAVAILABLE when the key is not the installation's
 */
export async function rotateKey(rotation: Rotation): Promise<RotationResult> {
  const { catalog, masterKey, dataDirectory, say } = rotation;
  await requireAlone(catalog.db);
  if ((await unfinishedRotation(catalog.db)) === keyIdOf(masterKey.key)) {
    say("an earlier rotation is gone on with");
    return await finish(rotation, masterKey);
  }
  const next = await nextKey(rotation);
  await addToStores(rotation, next.key);
  const count = await catalog.db.transaction().execute(async (trx) => {
    await setUnfinished(trx, keyIdOf(next.key));
    const secrets = await resealCatalog(trx, { current: masterKey.key, next: next.key });
    await requireAlone(trx);
    return secrets;
  });
  say(`${count} secrets of the catalog are sealed with the key ${keyIdOf(next.key)}`);
  if (masterKey.file === undefined) return await finish(rotation, next);
  await takeNextKey(nextKeyFile(dataDirectory), masterKey.file);
  return await finish(rotation, { ...next, file: masterKey.file, place: masterKey.file });
}

/** The key that an earlier rotation was about, while stores are left that let others in; undefined when none is. */
export async function unfinishedRotation(db: CatalogDatabase): Promise<string | undefined> {
  const row = await db.selectFrom("setting").select("value").where("key", "=", settingKey).executeTakeFirst();
  return row?.value;
}

async function setUnfinished(db: CatalogDatabase, keyId: string): Promise<void> {
  await db
    .insertInto("setting")
    .values({ key: settingKey, value: keyId })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ value: keyId }))
    .execute();
}

/** The one of a rotation that was cut off, else a random one. */
async function nextKey({ masterKey, dataDirectory, passphrase, say }: Rotation): Promise<MasterKey> {
  const file = nextKeyFile(dataDirectory);
  const known = await readKeyFile(file);
  if (known && !known.key.equals(masterKey.key)) {
    say(`a rotation to the key ${keyIdOf(known.key)} was cut off; it begins anew`);
    return known;
  }
  const key = randomBytes(32);
  await writeKeyFile(file, key, passphrase);
  return { key, file, place: file, isNew: true, isProtected: passphrase !== undefined };
}

/** All of them, or the key in force stays. Stores that were never used have nothing. */
async function addToStores({ catalog, stores, masterKey, say }: Rotation, next: Buffer): Promise<void> {
  for (const cloud of await usedClouds(catalog.db, stores)) {
    const store = stores.get(cloud);
    if (!store) throw unknownCloud(cloud);
    try {
      const found = await addRecipient(store, { current: masterKey.key, next }, { signal: timeout() });
      say(`${cloud}: ${found.keys} data keys open with the next key as well`);
      for (const { object, why } of found.unopened) say(`${cloud}: ${object} is left as it is: ${why}`);
    } catch (cause) {
      throw new BtarError("STORE_UNREACHABLE", {
        message: `the store of ${cloud} cannot take the next key: ${describeError(cause)}`,
        hint: "the key in force stays, and everything works with it; say `btar key rotate` again when the store answers",
        cause,
      });
    }
  }
}

async function finish(rotation: Rotation, masterKey: MasterKey): Promise<RotationResult> {
  const { catalog, stores } = rotation;
  const ended: RotationResult["stores"][number][] = [];
  for (const cloud of await usedClouds(catalog.db, stores)) {
    const store = stores.get(cloud);
    if (!store) throw unknownCloud(cloud);
    try {
      ended.push({ cloud, ...(await dropOtherRecipients(store, masterKey.key, { signal: timeout() })) });
    } catch (error) {
      if (!isBtarError(error)) throw error;
      ended.push({ cloud, trouble: describeError(error) });
    }
  }
  const isUnfinished = ended.some((each) => "trouble" in each);
  if (!isUnfinished) await catalog.db.deleteFrom("setting").where("key", "=", settingKey).execute();
  return { keyId: keyIdOf(masterKey.key), place: masterKey.place, stores: ended, isUnfinished };
}

/** Of the configuration, those whose store was ever used; and those used that are not in it any more. */
async function usedClouds(db: CatalogDatabase, stores: ReadonlyMap<string, ObjectStore>): Promise<readonly string[]> {
  const states = await db.selectFrom("cloud_state").select("cloud").where("is_initialized", "=", true).execute();
  const needed = await db.selectFrom("location").select("cloud").distinct().execute();
  const used = new Set([...states, ...needed].map(({ cloud }) => cloud));
  const isWanted = (cloud: string) => stores.has(cloud) || needed.some((each) => each.cloud === cloud);
  return [...used].filter(isWanted).sort();
}

/** @throws {BtarError} WRONG_STATE: whoever runs now would go on sealing with the key before */
async function requireAlone(db: CatalogDatabase): Promise<void> {
  const { rows } = await sql<{ name: string }>`select distinct application_name as name from pg_stat_activity
    where datname = current_database() and application_name like 'btar %' and application_name <> ${keyApplicationName}
    order by 1`.execute(db);
  if (rows.length === 0) return;
  throw new BtarError("WRONG_STATE", {
    message: `the master key cannot be rotated while btar runs: ${rows.map(({ name }) => name).join(", ")}`,
    hint: "stop every server and agent of this catalog first; managed databases of `btar agent` go on meanwhile",
  });
}

function unknownCloud(cloud: string): BtarError {
  return new BtarError("INVALID_CONFIGURATION", {
    message: `cloud ${cloud} holds backups, and is not in the configuration`,
    hint: "configure its store, so that the next key can open what it holds",
  });
}

function timeout(): AbortSignal {
  return AbortSignal.timeout(storeTimeoutMs);
}
