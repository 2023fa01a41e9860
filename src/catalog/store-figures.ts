import type { Selectable } from "kysely";
import type { BackupRecords, LocationRow } from "./backup-records.ts";
import type { CatalogDatabase } from "./catalog.ts";
import type { VerificationTable } from "./backup-tables.ts";

interface StorePlace {
  readonly serviceId: string;
  readonly cloud: string;
}

/** Adds to what has ever arrived at a location in base backups. */
export async function addBackupBytes(
  db: CatalogDatabase,
  { serviceId, cloud, bytes }: StorePlace & { readonly bytes: number },
): Promise<void> {
  if (bytes === 0) return;
  await db
    .updateTable("location")
    .set((eb) => ({ backup_bytes_total: eb("backup_bytes_total", "+", bytes) }))
    .where("service_id", "=", serviceId)
    .where("cloud", "=", cloud)
    .execute();
}

/** Notes what a location holds no more: it was removed, or is smaller since it was merged. */
export async function addGoneBytes(
  db: CatalogDatabase,
  { serviceId, cloud, logBytes, packBytes }: StorePlace & { readonly logBytes: number; readonly packBytes: number },
): Promise<void> {
  if (logBytes === 0 && packBytes === 0) return;
  await db
    .updateTable("location")
    .set((eb) => ({
      log_bytes_gone: eb("log_bytes_gone", "+", logBytes),
      backup_bytes_gone: eb("backup_bytes_gone", "+", packBytes),
    }))
    .where("service_id", "=", serviceId)
    .where("cloud", "=", cloud)
    .execute();
}

/** What a location should hold, to be noted when its store is counted; undefined when it is gone. */
export async function netBytes(
  db: CatalogDatabase,
  { serviceId, cloud }: StorePlace,
): Promise<Pick<Selectable<VerificationTable>, "log_bytes_net" | "backup_bytes_net"> | undefined> {
  return await db
    .selectFrom("location")
    .select((eb) => [
      eb("backup_bytes_total", "-", eb.ref("backup_bytes_gone")).as("backup_bytes_net"),
      eb("log_bytes_total", "-", eb.ref("log_bytes_gone")).as("log_bytes_net"),
    ])
    .where("service_id", "=", serviceId)
    .where("cloud", "=", cloud)
    .executeTakeFirst();
}

/** Bytes in a store. */
export interface HeldBytes {
  readonly packs: number;
  readonly log: number;
  /** When they were counted last; undefined: they were not yet. */
  readonly countedAt: Date | undefined;
}

/** What a location holds: as the last verification has counted it, with what has come and gone since. */
export function heldBytes(row: LocationRow, verified: Selectable<VerificationTable> | undefined): HeldBytes {
  const log = Math.max(0, row.log_bytes_total - row.log_bytes_gone);
  const packs = Math.max(0, row.backup_bytes_total - row.backup_bytes_gone);
  const { structure_at, pack_bytes, log_bytes, log_bytes_net = null, backup_bytes_net = null } = verified ?? {};
  if (!structure_at || pack_bytes == null || log_bytes == null) return { packs, log, countedAt: undefined };
  return {
    packs: Math.max(0, pack_bytes + packs - (backup_bytes_net ?? packs)),
    log: Math.max(0, log_bytes + log - (log_bytes_net ?? log)),
    countedAt: structure_at,
  };
}

/** A base backup's part in what a store holds. */
export interface SizedBackup {
  /** Of all packs that it needs; null: not known. */
  readonly pack_bytes: number | null;
  /** That it has added to the primary's store. */
  readonly stored_bytes: number;
}

/** Bytes of the packs that base backups need together. @param backups oldest first: each builds on the one before */
export function packBytesOf(backups: readonly SizedBackup[]): number {
  const sum = backups.reduce(
    (bytes, { pack_bytes, stored_bytes }, index) => bytes + (index === 0 ? (pack_bytes ?? stored_bytes) : stored_bytes),
    0,
  );
  return Math.max(sum, ...backups.map(({ pack_bytes }) => pack_bytes ?? 0));
}

/** What a cloud lacks of what the primary holds. */
export interface LackingBytes {
  /** Base backups that are not complete there. */
  readonly backups: number;
  readonly packBytes: number;
  readonly logBytes: number;
}

/**
 * What is to be copied to a cloud, whether or not it holds something already.
 * @param held what the primary and that cloud hold; undefined: nothing
 */
export function lackingBytes(
  { locations, backups, copies }: BackupRecords,
  cloud: string,
  held: { readonly primary: HeldBytes; readonly there: HeldBytes | undefined },
): LackingBytes {
  const stateIn = (id: string, role: string, at?: string) =>
    copies.find((copy) => copy.backup_id === id && copy.role === role && (at === undefined || copy.cloud === at));
  const inPrimary = backups.filter(({ id }) => stateIn(id, "primary")?.state === "complete").toReversed();
  const there = inPrimary.filter(({ id }) => stateIn(id, "secondary", cloud)?.state === "complete");
  const coming = inPrimary.filter((backup) => {
    const state = stateIn(backup.id, "secondary", cloud)?.state;
    return !there.includes(backup) && state !== "deleting" && state !== "deleted";
  });
  const sent = coming.reduce((sum, { id }) => sum + (stateIn(id, "secondary", cloud)?.sent_bytes ?? 0), 0);
  const packBytes = packBytesOf([...there, ...coming].sort((a, b) => (a.id < b.id ? -1 : 1))) - packBytesOf(there);
  const location = locations.find((each) => each.cloud === cloud);
  const isLogThere = location !== undefined && location.oldest_missing_at === null && there.length > 0;
  return {
    backups: coming.length,
    packBytes: Math.max(0, packBytes - sent),
    logBytes: isLogThere ? 0 : Math.max(0, held.primary.log - (held.there?.log ?? 0)),
  };
}
