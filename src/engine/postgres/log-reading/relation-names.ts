import { describeError, isBtarError } from "../../../domain/errors.ts";
import type { ServerAddress } from "../../engine.ts";
import type { TableName, TableNames } from "../../log-reading.ts";
import { SqlSession } from "../session.ts";

/** Names that are kept; those of more relations are asked for again. */
const mostNamesKept = 100_000;
/** OIDs of catalogs that hold what ANALYZE counts: pg_statistic, pg_statistic_ext_data; then those of their TOAST. */
const statistics: ReadonlySet<string> = new Set(["2619", "3429", "2840", "3430"]);
/**
 * Those of roles: pg_authid, pg_auth_members, pg_db_role_setting, pg_shdepend, pg_shdescription, pg_shseclabel; then of
 * the TOAST of those that have one.
 */
const accounts: ReadonlySet<string> = new Set([
  ...["1260", "1261", "2964", "1214", "2396", "3592"],
  ...["4175", "2966", "2846", "4060"],
]);
/** Below it are catalogs, whose files are called as their OIDs until they are rewritten: transam.h. */
const firstOidOfUsers = 16_384;
const tableKinds = "rpm";

const namesQuery = `
  select k.space || '/' || k.file as place, c.oid::text, c.relkind,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name, n.nspname = 'pg_catalog' as is_catalog,
    (select quote_ident(on_.nspname) || '.' || quote_ident(o.relname) from pg_class o
      join pg_namespace on_ on on_.oid = o.relnamespace where o.reltoastrelid = c.oid) as owner
  from unnest($1::oid[], $2::oid[]) as k(space, file)
  join pg_class c on c.oid = pg_filenode_relation(k.space, k.file)
  join pg_namespace n on n.oid = c.relnamespace`;

/**
 * Asks a server what relations are called whose files the log names. It knows those that are there now: a table that was
 * rewritten since has other files.
 */
export class RelationNames implements TableNames {
  readonly #address: ServerAddress | undefined;
  readonly #signal: AbortSignal;
  readonly #known = new Map<string, TableName | undefined>();
  /** By OID of the database; undefined: it cannot be connected to. */
  readonly #sessions = new Map<string, { readonly session: SqlSession; readonly database: string } | undefined>();
  #databases: ReadonlyMap<string, string> | undefined;
  #trouble: string | undefined;

  constructor(address: ServerAddress | undefined, options: { readonly signal: AbortSignal }) {
    this.#address = address;
    this.#signal = options.signal;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  async find(tables: readonly string[]): Promise<ReadonlyMap<string, TableName>> {
    if (this.#known.size > mostNamesKept) this.#known.clear();
    const asked = tables.filter((table) => !this.#known.has(table));
    const byDatabase = Map.groupBy(asked, (table) => table.split("/")[1] ?? "");
    for (const [database, ofDatabase] of byDatabase) await this.#ask(database, ofDatabase);
    return new Map(
      tables.flatMap((table) => {
        const name = this.#known.get(table) ?? catalogOf(table);
        return name ? [[table, name]] : [];
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#sessions.values()) await opened?.session[Symbol.asyncDispose]();
  }

  async #ask(database: string, tables: readonly string[]): Promise<void> {
    for (const table of tables) this.#known.set(table, undefined);
    const opened = await this.#sessionOf(database);
    if (!opened) return;
    const parts = tables.map((table) => table.split("/"));
    const list = (index: number) => `{${parts.map((each) => each[index] ?? "0").join(",")}}`;
    const rows = await opened.session.query(namesQuery, [list(0), list(2)]);
    const places = new Map(tables.map((table) => [placeOf(table), table]));
    for (const row of rows) {
      const table = places.get(row["place"] ?? "");
      if (table !== undefined) this.#known.set(table, nameOf(row, opened.database));
    }
  }

  async #sessionOf(database: string) {
    if (!this.#sessions.has(database)) this.#sessions.set(database, await this.#open(database));
    return this.#sessions.get(database);
  }

  /** Relations that all databases share can be asked for in any. */
  async #open(oid: string): Promise<{ readonly session: SqlSession; readonly database: string } | undefined> {
    const address = this.#address;
    if (!address) return undefined;
    try {
      this.#databases ??= await databasesOf(address, this.#signal);
      const database = oid === "0" ? address.database : this.#databases.get(oid);
      if (database === undefined) return undefined; // dropped since
      return { session: await SqlSession.open({ ...address, database }, { signal: this.#signal }), database };
    } catch (error) {
      if (!isBtarError(error, "SERVER_UNREACHABLE", "SERVER_REFUSED")) throw error;
      this.#trouble ??= describeError(error);
      return undefined;
    }
  }
}

async function databasesOf(address: ServerAddress, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  await using session = await SqlSession.open(address, { signal });
  const rows = await session.query("select oid::text, datname from pg_database");
  return new Map(rows.map(({ oid, datname }) => [oid ?? "", datname ?? ""]));
}

/** What can be told of a relation without a name. */
function catalogOf(table: string): TableName | undefined {
  const file = table.split("/")[2] ?? "";
  if (Number(file) >= firstOidOfUsers) return undefined;
  return { name: table, kind: "catalog", holds: contentOf(file) };
}

function placeOf(table: string): string {
  const [space, , file] = table.split("/");
  return `${space}/${file}`;
}

function nameOf(row: Readonly<Record<string, string | null>>, database: string): TableName {
  const { name, relkind, is_catalog: isCatalog, owner, oid } = row;
  const kind = isCatalog === "t" ? "catalog" : tableKinds.includes(relkind ?? "") ? "table" : "part";
  return { name: `${database}.${owner ?? name}`, kind, holds: contentOf(oid ?? "") };
}

function contentOf(oid: string): TableName["holds"] {
  if (statistics.has(oid)) return "statistics";
  return accounts.has(oid) ? "accounts" : "data";
}
