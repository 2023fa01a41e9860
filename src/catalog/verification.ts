import type { Selectable } from "kysely";
import type { CatalogDatabase } from "./catalog.ts";
import { recoveryByLocation } from "./recovery.ts";
import type { DamagedObjectTable, VerificationTable } from "./backup-tables.ts";

export interface VerifiedPlace {
  readonly serviceId: string;
  readonly cloud: string;
}

export type DamagedObject = Selectable<DamagedObjectTable>;
export type NewDamage = Omit<DamagedObject, "service_id" | "cloud" | "found_at">;

/** What is damaged at the locations of a service, or at one of them; strays included. */
export async function damagedObjects(
  db: CatalogDatabase,
  { serviceId, cloud }: { readonly serviceId: string; readonly cloud?: string },
): Promise<readonly DamagedObject[]> {
  const query = db.selectFrom("damaged_object").selectAll().where("service_id", "=", serviceId).orderBy("key");
  return await (cloud === undefined ? query : query.where("cloud", "=", cloud)).execute();
}

/** SHA-256 of packs at a location that are known to be damaged or missing: nothing new is to build on them. */
export async function damagedPacks(db: CatalogDatabase, place: VerifiedPlace): Promise<ReadonlySet<string>> {
  const objects = await damagedObjects(db, place);
  return new Set(
    objects.flatMap(({ key, kind }) => {
      const sha256 = /\/pack\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(key)?.[1];
      return sha256 === undefined || kind === "stray" ? [] : [sha256];
    }),
  );
}

/** @returns whether it was not known before */
export async function recordDamage(db: CatalogDatabase, place: VerifiedPlace, damage: NewDamage): Promise<boolean> {
  const { key, backups, ...rest } = damage;
  const content = { ...rest, backups: JSON.stringify(backups) };
  const where = { service_id: place.serviceId, cloud: place.cloud, key };
  const inserted = await db
    .insertInto("damaged_object")
    .values({ ...where, ...content, found_at: new Date() })
    .onConflict((conflict) => conflict.columns(["service_id", "cloud", "key"]).doNothing())
    .returning("key")
    .executeTakeFirst();
  if (inserted) return true;
  await db
    .updateTable("damaged_object")
    .set(content)
    .where("service_id", "=", place.serviceId)
    .where("cloud", "=", place.cloud)
    .where("key", "=", key)
    .execute();
  return false;
}

/** @returns whether it was noted as damaged */
export async function clearDamage(db: CatalogDatabase, place: VerifiedPlace, key: string): Promise<boolean> {
  const cleared = await db
    .deleteFrom("damaged_object")
    .where("service_id", "=", place.serviceId)
    .where("cloud", "=", place.cloud)
    .where("key", "=", key)
    .returning("key")
    .executeTakeFirst();
  return cleared !== undefined;
}

/** How far verification is at the locations of a service. */
export async function verifications(
  db: CatalogDatabase,
  serviceId: string,
): Promise<readonly Selectable<VerificationTable>[]> {
  return await db.selectFrom("verification").selectAll().where("service_id", "=", serviceId).execute();
}

/** Notes how far verification is. */
export async function recordVerification(
  db: CatalogDatabase,
  place: VerifiedPlace,
  progress: Partial<Omit<Selectable<VerificationTable>, "service_id" | "cloud">>,
): Promise<void> {
  await db
    .insertInto("verification")
    .values({ service_id: place.serviceId, cloud: place.cloud, ...progress })
    .onConflict((conflict) => conflict.columns(["service_id", "cloud"]).doUpdateSet(progress))
    .execute();
}

/**
 * Notes that everything which a location holds has been verified there: each object that is copied is, and so is what
 * a verification has read.
 */
export async function recordVerifiedUntil(db: CatalogDatabase, { serviceId, cloud }: VerifiedPlace): Promise<void> {
  const window = (await recoveryByLocation(db, serviceId)).find((location) => location.cloud === cloud)?.window;
  await db
    .updateTable("location")
    .set({ verified_until: window?.latestAt ?? null })
    .where("service_id", "=", serviceId)
    .where("cloud", "=", cloud)
    .execute();
}
