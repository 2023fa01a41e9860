import { sql } from "kysely";
import { openSecret, sealSecret } from "../platform/secret-box.ts";
import type { CatalogDatabase } from "./catalog.ts";
import { notificationTargetPurpose } from "./notification-destinations.ts";
import { serverLogPurpose } from "./server-log.ts";
import { authorityKeyPurpose, serviceSecretsPurpose, userPasswordPurpose } from "./service-secrets.ts";

type Row = Readonly<Record<string, string>>;

/** A column of sealed texts. */
interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** Columns that name a row, and that its purpose is made of. */
  readonly names: readonly string[];
  readonly purpose: (row: Row) => string;
}

/** Every column of the catalog that the master key seals: they are named `sealed_…`, and a test finds those missing here. */
export const sealedColumns: readonly SealedColumn[] = [
  {
    ...{ table: "project", column: "sealed_ca_key", names: ["name"] },
    purpose: ({ name = "" }) => authorityKeyPurpose(name),
  },
  {
    ...{ table: "service", column: "sealed_secrets", names: ["id"] },
    purpose: ({ id = "" }) => serviceSecretsPurpose(id),
  },
  {
    ...{ table: "service_user", column: "sealed_password", names: ["service_id", "name"] },
    purpose: ({ service_id: serviceId = "", name = "" }) => userPasswordPurpose({ serviceId, name }),
  },
  {
    ...{ table: "server_log", column: "sealed_lines", names: ["service_id", "first_line"] },
    purpose: ({ service_id: serviceId = "" }) => serverLogPurpose(serviceId),
  },
  {
    ...{ table: "notification_destination", column: "sealed_target", names: ["id"] },
    purpose: ({ id = "" }) => notificationTargetPurpose(id),
  },
];

/** So many rows are held in memory at a time; those of server logs are up to some MiB. */
const rowsAtOnce = 50;

/**
 * Seals every secret of the catalog with another master key. For a transaction: all of them change, or none.
 * @returns how many secrets there are
 * @throws {BtarError} KEY_UNAVAILABLE when one was not sealed with `current`
 */
export async function resealCatalog(
  trx: CatalogDatabase,
  keys: { readonly current: Uint8Array; readonly next: Uint8Array },
): Promise<number> {
  // Whoever reads or writes secrets meanwhile waits, and then finds out that its key is not the catalog's any more.
  const tables = sql.join(sealedColumns.map(({ table }) => sql.table(table)));
  await sql`lock table ${tables} in access exclusive mode`.execute(trx);
  let count = 0;
  for (const sealed of sealedColumns) count += await resealColumn(trx, sealed, keys);
  return count;
}

async function resealColumn(
  trx: CatalogDatabase,
  { table, column, names, purpose }: SealedColumn,
  { current, next }: { readonly current: Uint8Array; readonly next: Uint8Array },
): Promise<number> {
  // By their place in the table: what is locked and not yet written keeps it.
  const places = await sql<{ place: string }>`select ctid::text as place from ${sql.table(table)}`.execute(trx);
  const found = places.rows.map(({ place }) => place);
  const named = sql.join(names.map((name) => sql`${sql.ref(name)}::text as ${sql.ref(name)}`));
  for (let at = 0; at < found.length; at += rowsAtOnce) {
    const { rows } = await sql<Row>`select ctid::text as place, ${sql.ref(column)} as sealed, ${named}
      from ${sql.table(table)} where ctid = any(${found.slice(at, at + rowsAtOnce)}::tid[])`.execute(trx);
    for (const row of rows) {
      const resealed = sealSecret(next, purpose(row), openSecret(current, purpose(row), row["sealed"] ?? ""));
      await sql`update ${sql.table(table)} set ${sql.ref(column)} = ${resealed} where ctid = ${row["place"]}::tid`.execute(
        trx,
      );
    }
  }
  return found.length;
}
