import { Kysely, PostgresDialect } from "kysely";
import { Migrator } from "kysely/migration";
import pg from "pg";
import { BtarError, describeError } from "../domain/errors.ts";
import { KnownServices } from "./known-services.ts";
import * as first from "./migrations/0001-first.ts";
import * as retention from "./migrations/0002-retention.ts";
import * as verification from "./migrations/0003-verification.ts";
import * as gtids from "./migrations/0004-gtids.ts";
import * as peopleAndMetrics from "./migrations/0005-people-and-metrics.ts";
import * as rebuiltServices from "./migrations/0006-rebuilt-services.ts";
import * as readBy from "./migrations/0007-read-by.ts";
import * as copiesByService from "./migrations/0008-copies-by-service.ts";
import * as regionChanges from "./migrations/0009-region-changes.ts";
import * as roles from "./migrations/0010-roles.ts";
import * as audit from "./migrations/0011-audit.ts";
import * as copyFigures from "./migrations/0012-copy-figures.ts";
import * as notifications from "./migrations/0013-notifications.ts";
import * as changeNotices from "./migrations/0014-change-notices.ts";
import type { Tables } from "./schema.ts";

/** The catalog's tables, typed. */
export type CatalogDatabase = Kysely<Tables>;

/** One open connection pool to the catalog. */
export interface Catalog {
  readonly db: CatalogDatabase;
  readonly pool: pg.Pool;
  /** Services with all that belongs to them, for who looks at many of them, or often. */
  readonly services: KnownServices;
  /** A connection beside the pool's, not connected yet. */
  client(): pg.Client;
  close(): Promise<void>;
}

const migrations = {
  "0001-first": first,
  "0002-retention": retention,
  "0003-verification": verification,
  "0004-gtids": gtids,
  "0005-people-and-metrics": peopleAndMetrics,
  "0006-rebuilt-services": rebuiltServices,
  "0007-read-by": readBy,
  "0008-copies-by-service": copiesByService,
  "0009-region-changes": regionChanges,
  "0010-roles": roles,
  "0011-audit": audit,
  "0012-copy-figures": copyFigures,
  "0013-notifications": notifications,
  "0014-change-notices": changeNotices,
};

/** Sizes and counts fit a number; commit times stay text. */
const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: "text" | "binary") => {
    if (oid === pg.types.builtins.INT8) return Number;
    if (oid === pg.types.builtins.TIMESTAMPTZ) return parseMoment;
    return pg.types.getTypeParser(oid, format as "text");
  },
};

/** All sessions are in UTC: `2026-03-01 10:00:00.25+00`. Infinite and ancient ones are left to the library. */
const plainMoment = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\+00$/;
const parseAnyMoment = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ, "text");

function parseMoment(text: string): unknown {
  if (!plainMoment.test(text)) return parseAnyMoment(text);
  return new Date(`${text.slice(0, 10)}T${text.slice(11, -3)}Z`);
}

/**
 * Opens the catalog and brings its tables up to date; several processes may do so at once.
 * @param url `postgres://…`, the database that all servers and agents share
 * @throws {BtarError} CATALOG_UNREACHABLE
 */
export async function openCatalog(
  url: string,
  options: {
    readonly maxConnections: number;
    readonly applicationName: string;
    readonly onError: (error: Error) => void;
  },
): Promise<Catalog> {
  const connection: pg.ClientConfig = {
    connectionString: url,
    application_name: options.applicationName,
    types: typeParsers,
    connectionTimeoutMillis: 10_000,
    options: "-c timezone=UTC",
    keepAlive: true,
  };
  const pool = new pg.Pool({ ...connection, max: options.maxConnections });
  // An idle connection that breaks would otherwise end the process; the next query reports what matters.
  pool.on("error", options.onError);
  // So would one that breaks while it is lent out and between two queries, as in a transaction.
  pool.on("connect", (client) => client.on("error", options.onError));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrate(db);
  } catch (cause) {
    await db.destroy();
    throw new BtarError("CATALOG_UNREACHABLE", {
      message: `the catalog database cannot be used: ${describeError(cause)}`,
      hint: "check that PostgreSQL runs and that BTAR_DATABASE_URL names it",
      cause,
    });
  }
  const services = new KnownServices({ db, pool });
  return { db, pool, services, client: () => new pg.Client(connection), close: () => db.destroy() };
}

/**
 * Which changes of its tables a catalog has not seen yet, and which it has that this btar does not know. Nothing is
 * changed.
 * @throws what PostgreSQL's client throws
 */
export async function catalogMigrations(
  url: string,
): Promise<{ readonly pending: readonly string[]; readonly unknown: readonly string[] }> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const table = await client.query<{ name: string | null }>("select to_regclass('kysely_migration')::text as name");
    const isNew = table.rows[0]?.name === null;
    const done = isNew ? [] : (await client.query<{ name: string }>("select name from kysely_migration")).rows;
    const names = new Set(done.map(({ name }) => name));
    return {
      pending: Object.keys(migrations).filter((name) => !names.has(name)),
      unknown: [...names].filter((name) => !Object.hasOwn(migrations, name)),
    };
  } finally {
    await client.end();
  }
}

const unreachableCodes = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EHOSTUNREACH"],
  // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections
  ...["57P01", "57P02", "57P03", "53300"],
]);
const unreachableMessages = /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/;

/** Whether a query failed because the catalog's server does not answer, rather than for what was asked of it. */
export function isCatalogUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return unreachableCodes.has(code) || code.startsWith("08") || unreachableMessages.test(error.message);
}

/** Whether a query failed because a row that it refers to is not there (foreign_key_violation): it was deleted meanwhile. */
export function isReferenceMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "23503";
}

async function migrate(db: CatalogDatabase): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw new Error(describeError(error), { cause: error });
}
